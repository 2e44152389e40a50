//! The rows that the benchmarks work on, as COPY sends them.

use bytes::Bytes;

/// A simple generator of numbers that look random (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// What kind of table the rows are from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// About 30 bytes.
    Narrow,
    /// About 200 bytes, with JSON, as an application's log of events.
    Event,
    /// About 20 KB of hexadecimal digits.
    Large,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Narrow, Kind::Event, Kind::Large];

    /// Rows with about `bytes` of text in all.
    pub(crate) fn rows(self, bytes: usize) -> Vec<Bytes> {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let (mut rows, mut length) = (Vec::new(), 0);
        while length < bytes {
            let row = self.row(rows.len(), &mut numbers);
            length += row.len();
            rows.push(row.into());
        }
        rows
    }

    fn row(self, number: usize, numbers: &mut Numbers) -> String {
        match self {
            Kind::Narrow => {
                let (customer, price) = (numbers.below(30_000), numbers.below(50_000));
                let status = ["new", "paid", "shipped"][number % 3];
                format!("{number}\t{customer}\t{status}\t{}.{:02}\n", price / 100, price % 100)
            }
            Kind::Event => {
                let (user, product) = (numbers.below(100_000), numbers.below(5_000));
                let kind = ["page_view", "login", "search", "purchase"][numbers.below(4) as usize];
                let (session, duration) = (numbers.next(), numbers.below(5_000));
                format!(
                    "{number}\t2026-01-01 00:{:02}:{:02}+00\t{user}\t{kind}\t/products/{product}\t\
                     {{\"tags\": [{}, {}], \"session\": \"{session:016x}\", \"duration_ms\": {duration}}}\n",
                    number / 60 % 60,
                    number % 60,
                    number % 7,
                    number % 11,
                )
            }
            Kind::Large => {
                let digits: String = (0..1250).map(|_| format!("{:016x}", numbers.next())).collect();
                format!("{number}\t\\\\x{digits}\n")
            }
        }
    }
}
