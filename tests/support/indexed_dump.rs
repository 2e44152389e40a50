//! A dump with an index, put together from the parts that the program uses.

use std::sync::Arc;

use bytes::Bytes;
use pgsiphon::codec::{BlockCompressor, Compression, Container};
use pgsiphon::index::{
    Contents, CountedRange, Index, IndexEntry, RestartPoint, Rows, Section, SeekTable, TextRange, wrap,
};

/// The methods whose files have an index.
pub(crate) const METHODS: [Compression; 3] = [Compression::GZIP, Compression::ZSTD, Compression::Lz4(0)];

/// What the session has to do for the table.
pub(crate) const TABLESPACE: &str = "SET default_tablespace = '';";

/// A text, and what its index says. The restart points are added with the compression.
#[derive(Clone)]
pub(crate) struct IndexedDump {
    pub(crate) text: Vec<u8>,
    pub(crate) index: Index,
}

/// A file in parts.
pub(crate) struct File {
    /// With its index.
    pub(crate) bytes: Vec<u8>,
    /// How many bytes there are before the index.
    pub(crate) compressed: usize,
    pub(crate) index: Index,
}

impl IndexedDump {
    /// A shop with this number of orders, once copied and once inserted, and three large objects.
    pub(crate) fn of_shop(orders: u32) -> Self {
        let mut dump = IndexedDump { text: Vec::new(), index: Index::default() };
        dump.push("--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 18.1\n\n");
        dump.push("SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\n");
        dump.index.opening_bytes = dump.text.len() as u64;
        dump.push(&format!("{TABLESPACE}\n\n"));
        let table = "CREATE TABLE public.orders (\n    id integer,\n    note text\n);\n\n\n";
        dump.entry(217, "Name", "TABLE", "orders", Section::PreData, table);
        dump.rows(3420, "COPY public.orders (id, \"Note\") FROM stdin;\n", "\\.\n\n\n", |n| {
            (n < orders).then(|| format!("{n}\t{}\n", n.wrapping_mul(2_654_435_761)))
        });
        dump.rows(3421, "", "\n\n", |n| {
            let note = ["'it''s (one)'", "'a\nb'", "NULL"][n as usize % 3];
            (n < 7).then(|| match n {
                6 => "INSERT INTO public.orders VALUES\n\t(1, ')('),\n\t(2, NULL);\n".to_owned(),
                _ => format!("INSERT INTO public.orders (id, \"Note\") VALUES ({n}, {note});\n"),
            })
        });
        dump.index.entries[2].contents.as_mut().map(|contents| match contents {
            Contents::Rows(rows) => rows.ranges.last_mut().map(|range| range.count += 1),
            Contents::LargeObjects(_) => None,
        });
        dump.large_objects();
        let index = "CREATE INDEX orders_note_idx ON public.orders USING btree (note);\n\n\n";
        dump.entry(3301, "Name", "INDEX", "orders_note_idx", Section::PostData, index);
        let statistics = "SELECT 1;\n\n\n";
        dump.entry(3302, "Statistics for Name", "STATISTICS DATA", "orders", Section::PostData, statistics);
        dump.push("--\n-- PostgreSQL database dump complete\n--\n\n");
        dump.index.text_bytes = dump.text.len() as u64;
        dump.index.text_crc32 = crc32fast::hash(&dump.text);
        dump
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn entry(&mut self, dump_id: u32, label: &str, kind: &str, tag: &str, section: Section, text: &str) {
        let offset = self.text.len() as u64;
        self.push(&format!("--\n-- {label}: {tag}; Type: {kind}; Schema: public; Owner: shop\n--\n\n{text}"));
        self.index.entries.push(IndexEntry {
            dump_id,
            kind: kind.into(),
            classoid: 1259,
            oid: 16_384 + dump_id,
            namespace: "public".into(),
            tag: tag.into(),
            owner: "shop".into(),
            section,
            dependencies: if dump_id == 217 { Vec::new() } else { vec![217] },
            ranges: vec![TextRange { offset, length: self.text.len() as u64 - offset }],
            contents: None,
            settings: if kind == "TABLE" { vec![TABLESPACE.into()] } else { Vec::new() },
        });
    }

    fn rows(&mut self, dump_id: u32, before: &str, after: &str, row: impl Fn(u32) -> Option<String>) {
        self.entry(dump_id, "Data for Name", "TABLE DATA", "orders", Section::Data, before);
        let mut ranges: Vec<CountedRange> = Vec::new();
        for (number, row) in (0..).map_while(row).enumerate() {
            // A range for each thousand rows, as if workers had read them.
            if number % 1000 == 0 {
                let range = TextRange { offset: self.text.len() as u64, length: 0 };
                ranges.push(CountedRange { range, count: 0 });
            }
            let last = ranges.last_mut().unwrap();
            last.count += 1;
            last.range.length += row.len() as u64;
            self.push(&row);
        }
        let columns = ["id", "Note"].map(Arc::from).to_vec();
        let rows = Rows { namespace: "public".into(), relation: "orders".into(), columns, ranges };
        self.finish(after, Contents::Rows(rows));
    }

    fn large_objects(&mut self) {
        self.entry(3422, "Data for Name", "BLOBS", "BLOBS", Section::Data, "BEGIN;\n\n");
        let start = self.text.len() as u64;
        for oid in 1..=3 {
            self.push(&format!("SELECT pg_catalog.lo_open('{oid}', 131072);\n"));
            self.push("SELECT pg_catalog.lowrite(0, '\\x6c6f');\nSELECT pg_catalog.lo_close(0);\n\n");
        }
        let range = TextRange { offset: start, length: self.text.len() as u64 - start };
        self.finish("COMMIT;\n\n\n", Contents::LargeObjects(vec![CountedRange { range, count: 3 }]));
    }

    fn finish(&mut self, after: &str, contents: Contents) {
        self.push(after);
        let end = self.text.len() as u64;
        let entry = self.index.entries.last_mut().unwrap();
        entry.ranges[0].length = end - entry.ranges[0].offset;
        entry.contents = Some(contents);
    }

    /// The compressed file, in blocks of this length, three of them between restart points. `change` may make the
    /// index say something else.
    pub(crate) fn file(
        &self,
        compression: Compression,
        block_bytes: usize,
        change: impl FnOnce(&mut Index),
    ) -> File {
        let mut compressor = BlockCompressor::new(compression).unwrap();
        let mut container = Container::new(compression);
        let mut bytes = container.header().to_vec();
        let mut index = self.index.clone();
        let mut seek_table = SeekTable::default();
        let mut text_offset = 0;
        for stretch in self.text.chunks(3 * block_bytes) {
            let crc32 = crc32fast::hash(stretch);
            index.restart_points.push(RestartPoint { stored_offset: bytes.len() as u64, text_offset, crc32 });
            let mut blocks = stretch.chunks(block_bytes).peekable();
            while let Some(text) = blocks.next() {
                // The format allows several frames between two restart points, though dumps have one.
                let ends = blocks.peek().is_none() || matches!(compression, Compression::Zstd { .. });
                let block = compressor.compress(&mut text.to_vec(), ends).unwrap();
                container.append(&block);
                seek_table.push(block.bytes.len() as u64, block.raw_len).unwrap();
                bytes.extend_from_slice(&block.bytes);
            }
            text_offset += stretch.len() as u64;
        }
        let trailer = container.trailer(text_offset);
        if text_offset == 0 {
            seek_table.push(trailer.len() as u64, 0).unwrap();
        }
        bytes.extend_from_slice(&trailer);
        let compressed = bytes.len();
        change(&mut index);
        let payload = index.encode().unwrap();
        let end: Bytes = wrap(compression, &payload, compressed as u64, seek_table).unwrap();
        bytes.extend_from_slice(&end);
        File { bytes, compressed, index }
    }
}
