//! Compression methods and levels, as given by `-Z` and by file names.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The default level of gzip: with zlib-rs its files are slightly smaller than those of `gzip -6`, at almost
/// three times the speed.
const GZIP_DEFAULT_LEVEL: i32 = 5;

/// The default level of zstd, which is also zstd's own default and pg_dump's.
const ZSTD_DEFAULT_LEVEL: i32 = 3;

/// Levels that each method accepts. zlib's 0 ("stored") is left out, as in pg_dump.
const GZIP_LEVELS: std::ops::RangeInclusive<i32> = 1..=9;

/// LZ4's fast mode.
const LZ4_DEFAULT_LEVEL: u32 = 0;

/// 1 and 2 are the fast mode too.
const LZ4_LEVELS: std::ops::RangeInclusive<i32> = 0..=12;

/// A compression method with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, level 1 to 9.
    Gzip(u32),
    /// lz4, level 0 (fast) to 12.
    Lz4(u32),
    /// zstd, with a level in zstd's range, which includes negative ones.
    Zstd {
        /// The level.
        level: i32,
        /// Long-distance matching, within a block.
        long: bool,
    },
    /// No compression.
    None,
}

impl Compression {
    /// gzip at the default level.
    pub const GZIP: Compression = Compression::Gzip(GZIP_DEFAULT_LEVEL as u32);
    /// zstd at the default level.
    pub const ZSTD: Compression = Compression::Zstd { level: ZSTD_DEFAULT_LEVEL, long: false };

    /// The method for the suffix of a file or key name: `.gz`, `.zst` or `.lz4`; otherwise none.
    pub fn for_name(name: &str) -> Compression {
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
        match suffix.as_deref() {
            Some("gz") => Compression::GZIP,
            Some("zst") => Compression::ZSTD,
            Some("lz4") => Compression::Lz4(LZ4_DEFAULT_LEVEL),
            _ => Compression::None,
        }
    }

    /// The media type of the output.
    pub fn content_type(self) -> &'static str {
        match self {
            Compression::Gzip(_) => "application/gzip",
            Compression::Lz4(_) => "application/x-lz4",
            Compression::Zstd { .. } => "application/zstd",
            Compression::None => "application/sql",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
            Compression::Lz4(level) => write!(f, "lz4:{level}"),
            Compression::Zstd { level, long: false } => write!(f, "zstd:{level}"),
            Compression::Zstd { level, long: true } => write!(f, "zstd:level={level},long"),
            Compression::None => f.write_str("none"),
        }
    }
}

/// Parses the argument of pg_dump's `-Z` (<https://www.postgresql.org/docs/current/app-pgdump.html>): a
/// number, which is gzip's level with 0 for no compression, or a method, optionally with a level or a list of
/// options. Unlike pg_dump, this also accepts a level as the first of several options.
impl FromStr for Compression {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |reason: String| {
            Error::new(ErrorKind::Usage, format!("read compression \"{text}\"")).because(reason).hint(
                "use gzip, lz4, zstd or none, optionally with :LEVEL or :level=LEVEL, or a number from 0 to 9 for gzip",
            )
        };
        if let Ok(level) = text.parse::<i32>() {
            return if level == 0 {
                Ok(Compression::None)
            } else {
                with_level("gzip", Some(level)).map_err(bad)
            };
        }
        let (method, options) = match text.split_once(':') {
            Some((method, options)) => (method, Details::read(options).map_err(bad)?),
            None => (text, Details::default()),
        };
        let compression = with_level(method, options.level).map_err(bad)?;
        match (compression, options.long) {
            (Compression::Zstd { level, .. }, long) => Ok(Compression::Zstd { level, long }),
            (_, true) => Err(bad(format!("{method} has no long-distance mode"))),
            (compression, false) => Ok(compression),
        }
    }
}

/// The part after the method's colon.
#[derive(Default)]
struct Details {
    level: Option<i32>,
    long: bool,
}

impl Details {
    fn read(text: &str) -> Result<Self, String> {
        let mut details = Details::default();
        for (position, option) in text.split(',').enumerate() {
            let (keyword, value) = match option.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (option, None),
            };
            match (keyword, value) {
                ("level", Some(value)) => details.level = Some(number("level", value)?),
                ("long", value) => details.long = boolean(value.unwrap_or("on"))?,
                // Accepted as in pg_dump, but the number of threads is set by -j.
                ("workers", Some(value)) => {
                    number("workers", value)?;
                    tracing::warn!("compression option \"workers\" has no effect; use -j");
                }
                ("level" | "workers", None) => return Err(format!("option \"{keyword}\" requires a value")),
                ("", _) => return Err("an option is empty".to_owned()),
                (_, None) if position == 0 => {
                    let level = option.parse().map_err(|_| format!("unknown option \"{option}\""))?;
                    details.level = Some(level);
                }
                _ => return Err(format!("unknown option \"{keyword}\"")),
            }
        }
        Ok(details)
    }
}

fn number(option: &str, value: &str) -> Result<i32, String> {
    value.parse().map_err(|_| format!("the value of option \"{option}\" must be an integer"))
}

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Ok(true),
        "off" | "no" | "false" | "0" => Ok(false),
        _ => Err("the value of option \"long\" must be a Boolean".to_owned()),
    }
}

/// The method with that name, at a level that it accepts. Level -1 selects the default, except for zstd.
fn with_level(method: &str, level: Option<i32>) -> Result<Compression, String> {
    let given = |default, levels: std::ops::RangeInclusive<i32>| match level {
        None => Ok(default),
        Some(-1) if method != "zstd" => Ok(default),
        Some(level) if levels.contains(&level) => Ok(level),
        Some(_) => {
            Err(format!("the level of {method} must be between {} and {}", levels.start(), levels.end()))
        }
    };
    match method {
        "gzip" => Ok(Compression::Gzip(given(GZIP_DEFAULT_LEVEL, GZIP_LEVELS)?.unsigned_abs())),
        "lz4" => Ok(Compression::Lz4(given(LZ4_DEFAULT_LEVEL as i32, LZ4_LEVELS)?.unsigned_abs())),
        "zstd" => {
            let level = given(ZSTD_DEFAULT_LEVEL, zstd::compression_level_range())?;
            Ok(Compression::Zstd { level, long: false })
        }
        "none" if level.unwrap_or(0) == 0 => Ok(Compression::None),
        "none" => Err("none does not accept a level".to_owned()),
        _ => Err("the method must be gzip, lz4, zstd or none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_pg_dump_reads() {
        for (text, expected) in [
            ("gzip", Compression::Gzip(5)),
            ("gzip:9", Compression::Gzip(9)),
            ("gzip:level=1", Compression::Gzip(1)),
            ("gzip:-1", Compression::Gzip(5)),
            ("gzip:level=3,level=4", Compression::Gzip(4)),
            ("lz4", Compression::Lz4(0)),
            ("lz4:12", Compression::Lz4(12)),
            ("zstd", Compression::ZSTD),
            ("zstd:-5", Compression::Zstd { level: -5, long: false }),
            ("zstd:22", Compression::Zstd { level: 22, long: false }),
            ("zstd:long", Compression::Zstd { level: 3, long: true }),
            ("zstd:3,long", Compression::Zstd { level: 3, long: true }),
            ("zstd:level=7,long=off", Compression::Zstd { level: 7, long: false }),
            ("zstd:level=7,workers=2", Compression::Zstd { level: 7, long: false }),
            ("none", Compression::None),
            ("none:0", Compression::None),
            ("0", Compression::None),
            ("6", Compression::Gzip(6)),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap(), expected, "{text}");
            assert_eq!(expected.to_string().parse::<Compression>().unwrap(), expected);
        }
    }

    #[test]
    fn refuses_bad_methods_and_levels() {
        for text in [
            "",
            "10",
            "gzip:",
            "gzip:0",
            "gzip:10",
            "gzip:x",
            "gzip:long",
            "lz4:13",
            "zstd:23",
            "none:1",
            "GZIP",
            " 5",
            "zstd:level",
            "zstd:foo=3",
            "zstd:long=x",
            "zstd:workers=x",
            "zstd:,",
            "zstd:long,3",
            "none:long",
        ] {
            let error = text.parse::<Compression>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{text:?}");
        }
    }

    #[test]
    fn a_name_asks_by_its_suffix() {
        assert_eq!(Compression::for_name("a/b.sql.gz"), Compression::GZIP);
        assert_eq!(Compression::for_name("b.SQL.ZST"), Compression::ZSTD);
        assert_eq!(Compression::for_name("b.sql.lz4"), Compression::Lz4(0));
        assert_eq!(Compression::for_name("b.sql"), Compression::None);
        assert_eq!(Compression::for_name("gz"), Compression::None);
    }
}
