//! Dumps with an index: they are read like others, and `verify` finds every false claim.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::support::indexed_dump::{File, IndexedDump, METHODS};
use crate::support::scripted_s3::{self, Fault, Op, Rule, ScriptedS3};
use pgsiphon::codec::Compression;
use pgsiphon::index::{Contents, CountedRange, Index, TextRange};
use pgsiphon::progress::Silent;
use pgsiphon::storage::input::Input;
use pgsiphon::storage::input::file::FileInput;
use pgsiphon::storage::input::index::{Finding, FoundIndex, find};
use pgsiphon::storage::input::s3::S3Input;
use pgsiphon::storage::input::text;
use pgsiphon::verify::{BackupContents, Depth, read_back, read_back_by_index};
use pgsiphon::{Error, ErrorKind};
use tokio_util::sync::CancellationToken;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn input(&self, bytes: &[u8]) -> FileInput {
        let path: PathBuf = self.0.path().join("shop.sql.x");
        fs::write(&path, bytes).unwrap();
        FileInput { path }
    }
}

async fn found(input: &dyn Input) -> Result<Option<FoundIndex>, Error> {
    match find(input).await? {
        Finding::Index(found) => Ok(Some(*found)),
        Finding::None => Ok(None),
        Finding::Unknown => panic!("it is no pipe"),
    }
}

async fn verify(input: &dyn Input) -> Result<BackupContents, Error> {
    let index = found(input).await?;
    let opened = input.open().await?;
    read_back(opened, Depth::Counts, index, Arc::new(Silent), &CancellationToken::new()).await
}

/// Verifies as several threads do.
async fn verify_by_index(input: &dyn Input) -> Result<BackupContents, Error> {
    let index = found(input).await?.unwrap();
    let opened = input.open().await?;
    read_back_by_index(opened, Depth::Comparable, index, 3, Arc::new(Silent), &CancellationToken::new()).await
}

#[tokio::test]
async fn the_text_of_an_indexed_dump_is_read_to_its_end() {
    let folder = Folder::new();
    let dump = IndexedDump::of_shop(20_000);
    for compression in METHODS {
        let file = dump.file(compression, 30_000, |_| {});
        let mut chunks = text::read(folder.input(&file.bytes).open().await.unwrap(), Arc::new(Silent));
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await.unwrap() {
            all.extend_from_slice(&chunk);
        }
        assert!(all == dump.text, "{compression}");
    }
}

#[tokio::test]
async fn a_true_index_is_confirmed() {
    let folder = Folder::new();
    for orders in [0, 1, 20_000] {
        let dump = IndexedDump::of_shop(orders);
        for compression in METHODS {
            for block_bytes in [1000, 30_000, 1 << 20] {
                let file = dump.file(compression, block_bytes, |_| {});
                let contents = verify(&folder.input(&file.bytes)).await.unwrap();
                assert!(contents.has_index);
                assert_eq!((contents.rows(), contents.large_objects), (orders.into(), 3), "{compression}");
                // In the file for zstd, there are several frames between two restart points.
                if !matches!(compression, Compression::Zstd { .. }) || block_bytes == 1 << 20 {
                    let again = verify_by_index(&folder.input(&file.bytes)).await.unwrap();
                    assert_eq!((again.sha256, again.stored_bytes), (contents.sha256, contents.stored_bytes));
                    assert_eq!(
                        (again.text_crc32, again.text_bytes),
                        (contents.text_crc32, contents.text_bytes)
                    );
                    assert_eq!((again.rows(), again.format), (contents.rows(), contents.format));
                }
            }
            let without = &dump.file(compression, 30_000, |_| {});
            let contents = verify(&folder.input(&without.bytes[..without.compressed])).await.unwrap();
            assert!(!contents.has_index, "{compression}");
        }
        assert!(!verify(&folder.input(&dump.text)).await.unwrap().has_index);
    }
}

fn rows(index: &mut Index, entry: usize) -> &mut CountedRange {
    match &mut index.entries[entry].contents {
        Some(Contents::Rows(rows)) => &mut rows.ranges[0],
        Some(Contents::LargeObjects(ranges)) => &mut ranges[0],
        None => panic!("it has no rows"),
    }
}

/// The first thousand rows of the COPY, as if the index said nothing of the others.
fn first_rows(index: &mut Index) -> &mut CountedRange {
    names(index).ranges.truncate(1);
    rows(index, 1)
}

fn names(index: &mut Index) -> &mut pgsiphon::index::Rows {
    match &mut index.entries[1].contents {
        Some(Contents::Rows(rows)) => rows,
        _ => panic!("it has no rows"),
    }
}

/// What may be wrong with an index whose checksums are right, and what `verify` says then.
type Lie = (fn(&mut Index), &'static str);

const LIES: &[Lie] = &[
    (|i| i.text_crc32 ^= 1, "the text's CRC-32 is"),
    (|i| i.text_bytes += 1, "bytes, but the index says"),
    (|i| i.restart_points[3].crc32 ^= 1, "to the next restart point is"),
    (|i| i.restart_points[3].text_offset += 1, "to the next restart point is"),
    (|i| i.restart_points.truncate(3), "to the next restart point is"),
    (|i| i.restart_points[3].stored_offset -= 1, ""),
    (|i| i.restart_points[3].stored_offset += 1, ""),
    (|i| first_rows(i).count += 1, "has 1000 rows or large objects"),
    (|i| first_rows(i).range.length -= 1, "do not end with a line"),
    (|i| first_rows(i).range.offset -= 1, "do not begin on a line of their own"),
    (
        |i| {
            let end = i.entries[1].ranges[0].end().unwrap() - 2;
            let range = &mut first_rows(i).range;
            range.length = end - range.offset;
        },
        "holds something else than its rows",
    ),
    (|i| first_rows(i).range.offset += 1, "do not begin on a line of their own"),
    (|i| rows(i, 2).count += 1, "has 8 rows or large objects"),
    (|i| rows(i, 2).range.length -= 2, "holds something else than its rows"),
    (|i| rows(i, 3).count += 1, "has 3 rows or large objects"),
    (|i| rows(i, 3).range.offset += 1, "do not begin on a line of their own"),
    (
        |i| names(i).ranges.iter_mut().for_each(|range| range.range = TextRange { offset: 0, length: 0 }),
        "are not in its text",
    ),
    (
        |i| {
            i.entries[2].ranges[0] = i.entries[1].ranges[0];
            rows(i, 2).range = rows(i, 1).range;
        },
        "are also those of another",
    ),
    (|i| names(i).relation = "customers".into(), "holds something else than its rows"),
    (|i| names(i).columns[1] = "note".into(), "holds something else than its rows"),
    (|i| names(i).columns.truncate(1), "holds something else than its rows"),
    (|i| i.entries[0].kind = "VIEW".into(), "no header comment of VIEW public.orders"),
    (|i| i.entries[0].tag = "order".into(), "no header comment of TABLE public.order"),
    (|i| i.entries[4].namespace = "p".into(), "no header comment of INDEX p.orders_note_idx"),
    (|i| i.entries[4].ranges[0].offset += 3, "no header comment of INDEX"),
    (|i| i.entries[5].ranges[0].offset += 40, "no header comment of STATISTICS DATA"),
    (
        |i| {
            let offset = i.text_bytes;
            i.entries[5].ranges.push(TextRange { offset, length: 0 });
        },
        "no header comment of STATISTICS DATA",
    ),
    (|i| i.opening_bytes += 5, "the opening of the text ends within"),
    (|i| i.entries[0].settings.clear(), "SET default_tablespace = ''; is before TABLE public.orders, but"),
    (|i| i.entries[0].settings.push("SET x = 1;".into()), "SET x = 1; is not before TABLE public.orders"),
    (|i| i.entries[4].settings.push("SET x = 1;".into()), "SET x = 1; is not before INDEX"),
];

#[tokio::test]
async fn every_false_claim_is_damage() {
    let folder = Folder::new();
    let dump = IndexedDump::of_shop(20_000);
    for compression in METHODS {
        for (number, (lie, says)) in LIES.iter().enumerate() {
            let file = dump.file(compression, 10_000, lie);
            let outcome = verify(&folder.input(&file.bytes)).await;
            let error = outcome.err().unwrap_or_else(|| panic!("{compression} lie {number} passes: {says}"));
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {number}: {error:?}");
            let by_threads = verify_by_index(&folder.input(&file.bytes)).await.unwrap_err();
            assert_eq!(by_threads.kind(), ErrorKind::Damaged, "{compression} {number}: {by_threads:?}");
            // With zstd, the seek table already contradicts restart points.
            let is_zstd = matches!(compression, Compression::Zstd { .. });
            assert!(
                error.report().contains(says) || (is_zstd && error.report().contains("in the seek table")),
                "{compression} {number}: {says:?} is not in {}",
                error.report()
            );
        }
    }
}

#[tokio::test]
async fn a_false_seek_table_is_damage() {
    let folder = Folder::new();
    let dump = IndexedDump::of_shop(5000);
    let file = dump.file(Compression::ZSTD, 10_000, |_| {});
    let tail = file.bytes.len() - 9;
    // The lengths of the first two frames: a byte moves from one to the other.
    let frames = u32::from_le_bytes(file.bytes[tail..tail + 4].try_into().unwrap()) as usize;
    let first = tail - 8 * frames;
    for field in [0, 4] {
        let mut bytes = file.bytes.clone();
        for (at, by) in [(first + field, 1i8), (first + 8 + field, -1)] {
            bytes[at] = bytes[at].wrapping_add_signed(by);
        }
        let error = verify(&folder.input(&bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.report().contains("decoding from byte 0"), "{error:?}");
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_in_an_index_is_found() {
    let folder = Folder::new();
    let dump = IndexedDump::of_shop(500);
    for compression in METHODS {
        let File { bytes, compressed, .. } = dump.file(compression, 2000, |_| {});
        for at in (compressed..bytes.len()).filter(|at| at % 3 == 0 || *at > bytes.len() - 16) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let outcome = verify(&folder.input(&changed)).await;
            let error = outcome.err().unwrap_or_else(|| panic!("{compression} {at} of {}", bytes.len()));
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_changed_byte_anywhere_in_a_file_is_found_by_several_threads() {
    let folder = Folder::new();
    let dump = IndexedDump::of_shop(500);
    for compression in METHODS {
        let File { bytes, compressed, .. } = dump.file(compression, 1 << 20, |_| {});
        for at in (0..compressed).filter(|at| at % 7 == 0 || *at < 32 || compressed - at < 32) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let outcome = verify_by_index(&folder.input(&changed)).await;
            let error = outcome.err().unwrap_or_else(|| panic!("{compression} {at} of {compressed}"));
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression}: {error:?}");
        }
        for cut in [1, 8, compressed / 2] {
            let shorter = [&bytes[..compressed - cut], &bytes[compressed..]].concat();
            let error = verify_by_index(&folder.input(&shorter)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {cut}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_cut_index_is_damage_and_not_no_index() {
    let folder = Folder::new();
    let dump = IndexedDump::of_shop(500);
    for compression in METHODS {
        let File { bytes, compressed, .. } = dump.file(compression, 2000, |_| {});
        for cut in (compressed + 24..bytes.len()).step_by(7) {
            let error = verify(&folder.input(&bytes[..cut])).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {cut}: {error:?}");
        }
    }
}

async fn in_s3(server: &ScriptedS3) -> S3Input {
    let location = format!("s3://{}/k", scripted_s3::BUCKET).parse().unwrap();
    S3Input::new(location, &server.connection()).await.unwrap()
}

#[tokio::test]
async fn an_index_in_s3_takes_one_request_or_two() {
    let small = IndexedDump::of_shop(2000);
    // With blocks of 10 bytes: restart points whose checksums alone are longer than what is read first.
    let large = IndexedDump::of_shop(50_000);
    for compression in METHODS {
        for (dump, block_bytes, requests) in [(&small, 10_000, 1), (&large, 10, 2)] {
            let file = dump.file(compression, block_bytes, |_| {});
            let server = ScriptedS3::start(&[]).await;
            server.put("k", &file.bytes);
            let found = found(&in_s3(&server).await).await.unwrap().unwrap();
            assert!(found.index == file.index, "{compression}");
            assert_eq!(server.log(), vec![Op::GetObject; requests], "{compression}");
            assert_eq!(found.stored.offset, file.compressed as u64);
            // A reader then decodes from the restart point before a row.
            let point = found.index.restart_points[1];
            let part = found.parts.read(point.stored_offset, 100).await.unwrap();
            assert!(part[..] == file.bytes[point.stored_offset as usize..][..100]);
            server.put("k", b"another object");
            let error = found.parts.read(point.stored_offset, 100).await.unwrap_err();
            assert!(error.report().contains("the object was replaced"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn an_index_is_read_again_after_a_lost_connection() {
    let file = IndexedDump::of_shop(2000).file(Compression::GZIP, 10_000, |_| {});
    for fault in [Fault::TruncatedAnswer, Fault::Reject(503, "SlowDown"), Fault::ResetBefore] {
        let server = ScriptedS3::start(&[Rule::once(Op::GetObject, 0, fault)]).await;
        server.put("k", &file.bytes);
        assert!(found(&in_s3(&server).await).await.unwrap().is_some(), "{fault:?}");
        let server = ScriptedS3::start(&[Rule::always(Op::GetObject, fault)]).await;
        server.put("k", &file.bytes);
        assert!(found(&in_s3(&server).await).await.is_err(), "{fault:?}");
    }
    let server = ScriptedS3::start(&[]).await;
    for small in [&b""[..], b"SELECT 1;\n"] {
        server.put("k", small);
        assert!(found(&in_s3(&server).await).await.unwrap().is_none());
    }
}
