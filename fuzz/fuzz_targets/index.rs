//! An index that can be read is written so that it is read again, and nothing else is one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgsiphon::codec::Compression;
use pgsiphon::fuzzing::index_of_sections;
use pgsiphon::index::{Index, SeekTable, StoredRange, locate, payload_of, wrap};

const METHODS: [Compression; 3] = [Compression::GZIP, Compression::ZSTD, Compression::Lz4(0)];

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    match first {
        // The end of a file.
        0 => {
            let Ok(Some(found)) = locate(rest, rest.len() as u64) else { return };
            let payload = found.within(rest, rest.len() as u64).map(payload_of);
            if let Some(Ok(Some(payload))) = payload {
                let _ = Index::decode(&payload);
            }
            let end = found.offset.saturating_add(found.length);
            let table = StoredRange { offset: end, length: rest.len() as u64 - end };
            if let Some(table) = table.within(rest, rest.len() as u64) {
                let _ = SeekTable::decode(table);
            }
        }
        // Members or frames, and a payload.
        1 => {
            let _ = payload_of(rest);
            let _ = Index::decode(rest);
            let _ = SeekTable::decode(rest);
        }
        // Sections, which hardly any input has if they must be compressed under a checksum.
        _ => {
            let Ok(index) = index_of_sections(rest) else { return };
            comes_back(&index, METHODS[usize::from(first) % METHODS.len()]);
        }
    }
});

fn comes_back(index: &Index, compression: Compression) {
    let payload = index.encode().unwrap();
    assert_eq!(&Index::decode(&payload).unwrap(), index);
    let mut file = b"compressed text".to_vec();
    let offset = file.len() as u64;
    let mut frames = SeekTable::default();
    frames.push(offset, 1).unwrap();
    file.extend_from_slice(&wrap(compression, &payload, offset, frames).unwrap());
    let found = locate(&file, file.len() as u64).unwrap().unwrap();
    assert_eq!(found.offset, offset);
    let members = found.within(&file, file.len() as u64).unwrap();
    assert_eq!(payload_of(members).unwrap().unwrap(), payload);
}
