//! The index at the end of a dump, of a large database with many tables.

use std::sync::Arc;

use divan::counter::ItemsCount;
use pgsiphon::index::{Contents, CountedRange, Index, IndexEntry, RestartPoint, Rows, Section, TextRange};

const TABLES: u32 = 20_000;

/// A table and its rows for each, and a restart point for each MiB.
fn index() -> Index {
    let mut index = Index { text_bytes: u64::from(TABLES) << 20, ..Index::default() };
    let kinds: [Arc<str>; 2] = ["TABLE".into(), "TABLE DATA".into()];
    for number in 0..TABLES {
        let at = u64::from(number) << 20;
        index.restart_points.push(RestartPoint {
            stored_offset: at / 5 + u64::from(number % 977),
            text_offset: at,
            crc32: number.wrapping_mul(0x9e37_79b9),
        });
        let rows =
            CountedRange { range: TextRange { offset: at + 500, length: (1 << 20) - 500 }, count: 9000 };
        let relation: Arc<str> = format!("records_{}", number % 100).into();
        let table = IndexEntry {
            dump_id: number + 1,
            kind: Arc::clone(&kinds[0]),
            classoid: 1259,
            oid: 16_384 + number,
            namespace: format!("tenant_{}", number / 100).into(),
            tag: Arc::clone(&relation),
            owner: "shop".into(),
            section: Section::PreData,
            dependencies: vec![number.saturating_sub(100)],
            ranges: vec![TextRange { offset: at, length: 400 }],
            contents: None,
            settings: ["SET default_tablespace = '';", "SET default_table_access_method = heap;"]
                .map(Arc::from)
                .to_vec(),
        };
        let data = IndexEntry {
            dump_id: TABLES + number + 1,
            kind: Arc::clone(&kinds[1]),
            section: Section::Data,
            dependencies: vec![number + 1],
            ranges: vec![TextRange { offset: at + 400, length: (1 << 20) - 400 }],
            contents: Some(Contents::Rows(Rows {
                namespace: Arc::clone(&table.namespace),
                relation,
                columns: ["id", "name", "made_at"].map(Arc::from).to_vec(),
                ranges: vec![rows],
            })),
            settings: Vec::new(),
            ..table.clone()
        };
        index.entries.extend([table, data]);
    }
    index
}

#[divan::bench(sample_count = 20)]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let index = index();
    bencher.counter(ItemsCount::new(index.entries.len())).bench_local(|| index.encode().expect("an index"));
}

#[divan::bench(sample_count = 20)]
fn decode(bencher: divan::Bencher<'_, '_>) {
    let payload = index().encode().expect("an index");
    bencher
        .counter(ItemsCount::new(2 * TABLES as usize))
        .bench_local(|| Index::decode(&payload).expect("an index").entries.len());
}
