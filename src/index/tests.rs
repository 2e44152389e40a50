use proptest::prelude::*;

use super::payload::{open, seal};
use super::varint::put;
use super::*;
use crate::codec::Compression;

pub(super) const METHODS: [Compression; 3] = [Compression::GZIP, Compression::ZSTD, Compression::Lz4(0)];

fn range(offset: u64, length: u64) -> TextRange {
    TextRange { offset, length }
}

fn sample() -> Index {
    let rows = Rows {
        namespace: "public".into(),
        relation: "orders".into(),
        columns: vec!["id".into(), crate::pg::text::decode(b"gr\xf6\xdfe").into()],
        ranges: vec![
            CountedRange { range: range(300, 50), count: 4 },
            CountedRange { range: range(350, 60), count: 5 },
        ],
    };
    let entry = |dump_id: u32, kind: &str, section, ranges: &[TextRange]| IndexEntry {
        dump_id,
        kind: kind.into(),
        classoid: 1259,
        oid: 16_384 + dump_id,
        namespace: "public".into(),
        tag: "orders".into(),
        owner: "shop".into(),
        section,
        dependencies: Vec::new(),
        ranges: ranges.to_vec(),
        contents: None,
        settings: Vec::new(),
    };
    Index {
        text_bytes: 1000,
        text_crc32: 0x1234_5678,
        restart_points: vec![
            RestartPoint { stored_offset: 10, text_offset: 0, crc32: 1 },
            RestartPoint { stored_offset: 90, text_offset: 512, crc32: u32::MAX },
        ],
        entries: vec![
            IndexEntry {
                settings: vec![
                    "SET default_tablespace = '';".into(),
                    crate::pg::text::decode(b"SET default_table_access_method = \xe9;").into(),
                ],
                ..entry(217, "TABLE", Section::PreData, &[range(100, 90)])
            },
            IndexEntry {
                dependencies: vec![217, 3, u32::MAX],
                contents: Some(Contents::Rows(rows)),
                ..entry(3420, "TABLE DATA", Section::Data, &[range(200, 20), range(250, 250)])
            },
            IndexEntry {
                namespace: "".into(),
                contents: Some(Contents::LargeObjects(vec![CountedRange {
                    range: range(600, 10),
                    count: 1,
                }])),
                ..entry(12, "BLOBS", Section::Data, &[range(550, 100)])
            },
            IndexEntry::default(),
        ],
        opening_bytes: 90,
    }
}

/// A file of this length before its index, with one frame.
fn file(compression: Compression, payload: &[u8], stored_offset: usize) -> Vec<u8> {
    let mut seek_table = SeekTable::default();
    seek_table.push(stored_offset as u64, 1000).unwrap();
    let mut file = vec![b'x'; stored_offset];
    file.extend_from_slice(&wrap(compression, payload, stored_offset as u64, seek_table).unwrap());
    file
}

fn tail(file: &[u8]) -> &[u8] {
    &file[file.len().saturating_sub(TAIL_BYTES as usize)..]
}

fn read(file: &[u8]) -> Result<Option<Index>> {
    let Some(found) = locate(tail(file), file.len() as u64)? else { return Ok(None) };
    let stored = &file[found.offset as usize..][..found.length as usize];
    payload_of(stored)?.map(|payload| Index::decode(&payload)).transpose()
}

#[test]
fn an_index_comes_back_from_a_file() {
    for compression in METHODS {
        let file = file(compression, &sample().encode().unwrap(), 100);
        assert_eq!(read(&file).unwrap(), Some(sample()), "{compression}");
        let found = locate(&file, file.len() as u64).unwrap().unwrap();
        assert_eq!(found.offset, 100);
        assert!(found.within(tail(&file), file.len() as u64).is_some());
    }
    assert!(wrap(Compression::None, b"x", 0, SeekTable::default()).unwrap().is_empty());
}

#[test]
fn a_large_index_is_found_from_the_tail() {
    // Checksums don't compress.
    let points = (0..100_000u64).map(|n| RestartPoint {
        stored_offset: 10 + n * 250_000,
        text_offset: n << 20,
        crc32: crc32fast::hash(&n.to_le_bytes()),
    });
    let index = Index { text_bytes: 1 << 40, restart_points: points.collect(), ..Index::default() };
    let payload = index.encode().unwrap();
    assert!(payload.len() > 6 * TAIL_BYTES as usize, "{}", payload.len());
    for compression in METHODS {
        let file = file(compression, &payload, 100);
        let found = locate(tail(&file), file.len() as u64).unwrap().unwrap();
        assert_eq!((found.offset, found.within(tail(&file), file.len() as u64)), (100, None));
        assert!(read(&file).unwrap().as_ref() == Some(&index), "{compression}");
    }
}

#[test]
fn files_without_an_index_have_none() {
    let foreign = |last: (u64, u64)| {
        let mut table = SeekTable::default();
        table.push(100, 4000).unwrap();
        table.push(last.0, last.1).unwrap();
        [vec![b'x'; 100 + last.0 as usize], table.encode()].concat()
    };
    let mut with_an_empty_frame = foreign((13, 0));
    with_an_empty_frame[100..104].copy_from_slice(&[0x28, 0xb5, 0x2f, 0xfd]);
    for file in [
        Vec::new(),
        b"SELECT 1;\n".to_vec(),
        vec![0; 100_000],
        foreign((50, 10)),
        with_an_empty_frame,
        SeekTable::default().encode(),
    ] {
        assert_eq!(read(&file).unwrap(), None);
    }
}

#[test]
fn a_file_that_was_cut_or_extended_is_damaged() {
    for compression in METHODS {
        let whole = file(compression, &sample().encode().unwrap(), 5000);
        for cut in 1..40 {
            let error = read(&whole[..whole.len() - cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {cut}");
        }
        let error = read(&[&whole[..], b"\0"].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{compression}");
    }
    let whole = file(Compression::GZIP, &sample().encode().unwrap(), 500);
    let error = read(&[b"y", &whole[..]].concat()).unwrap_err();
    assert!(error.report().contains("bytes before its locator when it was written"), "{error:?}");
}

#[test]
fn every_changed_byte_is_found() {
    for compression in METHODS {
        let payload = sample().encode().unwrap();
        let whole = file(compression, &payload, 40);
        for at in 40..whole.len() {
            for bit in [1, 0x80] {
                let mut file = whole.clone();
                file[at] ^= bit;
                // In the seek table, only what says where the index is. The rest is compared by `verify`.
                let is_in_seek_table =
                    matches!(compression, Compression::Zstd { .. }) && at >= 48 + payload.len();
                match read(&file) {
                    Ok(found) => assert!(is_in_seek_table, "{compression} {at}: {found:?}"),
                    Err(error) if at >= 40 + 8 && error.kind() == ErrorKind::Other => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {at}"),
                }
            }
        }
    }
}

#[test]
fn a_later_major_version_is_refused_and_a_minor_one_is_read() {
    let versioned = |major, minor| {
        let mut payload = sample().encode().unwrap();
        (payload[8], payload[9]) = (major, minor);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&payload[..20]);
        crc.update(&payload[24..]);
        payload[20..24].copy_from_slice(&crc.finalize().to_le_bytes());
        Index::decode(&payload)
    };
    assert_eq!(versioned(MAJOR, 7).unwrap(), sample());
    let error = versioned(MAJOR + 1, 0).unwrap_err();
    assert_eq!(
        error.report(),
        "read the index: it has format version 2, but this pgsiphon only knows 1 (hint: it was written by a \
         newer pgsiphon: update this one)"
    );
}

#[test]
fn unknown_sections_and_additions_to_known_ones_are_skipped() {
    let mut sections = Vec::new();
    let mut add = |id: u64, contents: &[u8]| {
        put(&mut sections, id);
        put(&mut sections, contents.len() as u64);
        sections.extend_from_slice(contents);
    };
    add(99, b"something new");
    add(1, &[232, 7, 1, 0, 0, 0, b'm', b'o', b'r', b'e']);
    let index = Index::decode(&seal(&sections).unwrap()).unwrap();
    assert_eq!(index, Index { text_bytes: 1000, text_crc32: 1, ..Index::default() });
}

/// Anybody can compute checksums.
#[test]
fn what_contradicts_itself_is_damaged() {
    type Change = fn(&mut Index);
    let changes: [(Change, &str); 9] = [
        (|i| i.restart_points[0].text_offset = 1, "the text begins before the restart points"),
        (|i| i.restart_points[1].text_offset = 1000, "a restart point is behind the text"),
        (|i| i.restart_points[1].stored_offset = 10, "the restart points don't ascend"),
        (|i| i.restart_points[1].stored_offset = 9, "the restart points don't ascend"),
        (|i| i.entries[0].ranges[0].length = 901, "a range is outside of the text"),
        (|i| i.entries[0].ranges[0].offset = u64::MAX, "a range is outside of the text"),
        (|i| i.entries[1].ranges[1].offset = 219, "ranges of an entry overlap"),
        (|i| i.text_bytes = 0, "a restart point is behind the text"),
        (
            |i| {
                if let Some(Contents::Rows(rows)) = &mut i.entries[1].contents {
                    rows.ranges[1].range.offset = 349;
                }
            },
            "ranges of an entry overlap",
        ),
    ];
    for (change, why) in changes {
        let mut index = sample();
        change(&mut index);
        let error = Index::decode(&index.encode().unwrap()).unwrap_err();
        assert_eq!((error.kind(), error.report()), (ErrorKind::Damaged, format!("read the index: {why}")));
    }
}

#[test]
fn counts_without_items_and_lengths_without_bytes_are_refused() {
    let text = [1, 5, 10, 0, 0, 0, 0];
    for (section, why) in [
        (&[2, 1, 5][..], "it has fewer items than it says"),
        (&[2, 10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], "it has fewer items than it says"),
        (&[4, 11, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "it lacks a string that it uses"),
        (&[5, 6, 1, 0, 0, 0, 0, 0], "it lacks a string that it uses"),
        (&[6, 3, 1, 0, 0], "it has contents of an entry that it lacks"),
        (&[3, 2, 1, 9], "it has fewer items than it says"),
        (&[3, 9, 1], "it has fewer items than it says"),
        (&text, "it has a section twice"),
    ] {
        let error = Index::decode(&seal(&[&text, section].concat()).unwrap()).unwrap_err();
        assert_eq!(error.report(), format!("read the index: {why}"), "{section:?}");
    }
    let error = Index::decode(&seal(&[]).unwrap()).unwrap_err();
    assert_eq!(error.report(), "read the index: it does not say how long the text is");
}

#[test]
fn a_payload_that_lies_about_its_length_is_damaged() {
    let payload = seal(&[7; 1000]).unwrap();
    for length in [999u64, 1001, 1 << 30, u64::MAX] {
        let mut changed = payload.clone();
        changed[12..20].copy_from_slice(&length.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&changed[..20]);
        crc.update(&changed[24..]);
        changed[20..24].copy_from_slice(&crc.finalize().to_le_bytes());
        assert_eq!(open(&changed).unwrap_err().kind(), ErrorKind::Damaged, "{length}");
    }
    assert_eq!(open(&payload).unwrap(), [7; 1000]);
}

#[test]
fn the_seek_table_has_the_form_of_its_specification() {
    let mut table = SeekTable::default();
    table.push(0x0102, 0x0a0b_0c0d).unwrap();
    let frame = table.encode();
    assert_eq!(
        frame,
        [
            0x5e, 0x2a, 0x4d, 0x18, 17, 0, 0, 0, 2, 1, 0, 0, 0x0d, 0x0c, 0x0b, 0x0a, 1, 0, 0, 0, 0, 0xb1,
            0xea, 0x92, 0x8f,
        ]
    );
    assert_eq!(SeekTable::decode(&frame).unwrap(), table);
    // Another program's, with checksums.
    let with_checksums = [
        &[0x5e, 0x2a, 0x4d, 0x18, 21, 0, 0, 0, 2, 1, 0, 0, 0x0d, 0x0c, 0x0b, 0x0a, 9, 9, 9, 9][..],
        &[1, 0, 0, 0, 0x80, 0xb1, 0xea, 0x92, 0x8f],
    ];
    assert_eq!(SeekTable::decode(&with_checksums.concat()).unwrap(), table);
    for at in [0, 4, 17, 20] {
        let mut changed = frame.clone();
        changed[at] ^= 0x40;
        assert_eq!(SeekTable::decode(&changed).unwrap_err().kind(), ErrorKind::Damaged, "{at}");
    }
    for (stored, text) in [(1 << 32, 1), (1, (1 << 30) + 1)] {
        assert!(table.push(stored, text).is_err());
    }
}

#[test]
fn the_restart_point_before_an_offset_is_found() {
    let index = sample();
    for (offset, expected) in [(0, 10), (511, 10), (512, 90), (5000, 90)] {
        assert_eq!(index.restart_point_before(offset).map(|point| point.stored_offset), Some(expected));
    }
    assert_eq!(Index::default().restart_point_before(0), None);
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        Just(Arc::from("")),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| crate::pg::text::decode(&bytes).into()),
    ]
}

fn ranges() -> impl Strategy<Value = Vec<TextRange>> {
    let gaps = prop::collection::vec((0u64..1 << 40, 0u64..1 << 30), 0..4);
    gaps.prop_map(|gaps| {
        let mut end = 0;
        let place = |(gap, length): (u64, u64)| {
            let offset = end + gap;
            end = offset + length;
            range(offset, length)
        };
        gaps.into_iter().map(place).collect()
    })
}

fn counted() -> impl Strategy<Value = Vec<CountedRange>> {
    (ranges(), any::<u64>())
        .prop_map(|(ranges, count)| ranges.into_iter().map(|range| CountedRange { range, count }).collect())
}

fn contents() -> impl Strategy<Value = Option<Contents>> {
    let rows = (name(), name(), prop::collection::vec(name(), 0..4), counted()).prop_map(
        |(namespace, relation, columns, ranges)| {
            Contents::Rows(Rows { namespace, relation, columns, ranges })
        },
    );
    prop::option::of(prop_oneof![rows, counted().prop_map(Contents::LargeObjects)])
}

fn entry() -> impl Strategy<Value = IndexEntry> {
    let sections = [Section::None, Section::PreData, Section::Data, Section::PostData];
    let numbers: (_, _, _) = (any::<u32>(), any::<u32>(), any::<u32>());
    let names = (name(), name(), name(), name());
    let section = prop::sample::select(sections.to_vec());
    let settings = prop::collection::vec(name(), 0..3);
    (numbers, names, section, any::<Vec<u32>>(), ranges(), contents(), settings).prop_map(
        |(
            (dump_id, classoid, oid),
            (kind, namespace, tag, owner),
            section,
            dependencies,
            ranges,
            contents,
            settings,
        )| {
            IndexEntry {
                dump_id,
                kind,
                classoid,
                oid,
                namespace,
                tag,
                owner,
                section,
                dependencies,
                ranges,
                contents,
                settings,
            }
        },
    )
}

fn any_index() -> impl Strategy<Value = Index> {
    let points = prop::collection::vec((1u64..1 << 33, 1u64..1 << 33, any::<u32>()), 0..20);
    let points = points.prop_map(|distances| {
        let (mut stored_offset, mut text_offset) = (0, 0);
        let mut points = Vec::new();
        for (stored, text, crc32) in distances {
            stored_offset += stored;
            points.push(RestartPoint { stored_offset, text_offset, crc32 });
            text_offset += text;
        }
        points
    });
    (points, prop::collection::vec(entry(), 0..6), any::<u32>()).prop_map(
        |(restart_points, entries, text_crc32)| Index {
            text_bytes: 1 << 50,
            text_crc32,
            restart_points,
            opening_bytes: 0,
            entries,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_index_comes_back(index in any_index(), compression in prop::sample::select(METHODS.to_vec())) {
        let file = file(compression, &index.encode().unwrap(), 77);
        prop_assert_eq!(read(&file).unwrap(), Some(index));
    }

    #[test]
    fn any_sections_are_read_or_refused(sections: Vec<u8>) {
        let _ = Index::decode(&seal(&sections).unwrap());
    }

    #[test]
    fn changed_sections_are_read_or_refused(index in any_index(), changes: Vec<(prop::sample::Index, u8)>) {
        let mut sections = open(&index.encode().unwrap()).unwrap();
        for (at, byte) in changes {
            let at = at.index(sections.len());
            sections[at] = byte;
        }
        let _ = Index::decode(&seal(&sections).unwrap());
    }

    #[test]
    fn any_tail_is_read_or_refused(tail: Vec<u8>, before in 0u64..u64::MAX >> 1) {
        let _ = locate(&tail, before + tail.len() as u64);
        let _ = payload_of(&tail);
        let _ = SeekTable::decode(&tail);
    }
}
