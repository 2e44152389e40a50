//! Other programs read a dump with an index to its end, and give exactly its text.
//!
//! Those of `REQUIRED` must be there. The others are tried where they are installed, and the test prints which are
//! not; `docs/file-format.md` lists what was tried with which versions.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::indexed_dump::{File, IndexedDump, METHODS};
use pgsiphon::codec::Compression;
use pgsiphon::index::TAIL_BYTES;

/// A program, and what comes before the file's name.
type Reader<'a> = (&'a str, &'a [&'a str]);

const PYTHON_GZIP: &str = "import gzip, shutil, sys
with gzip.open(sys.argv[1]) as f: shutil.copyfileobj(f, sys.stdout.buffer)";

const PYTHON_ZLIB: &str = "import sys, zlib
data = open(sys.argv[1], 'rb').read()
while data:
    member = zlib.decompressobj(31)
    sys.stdout.buffer.write(member.decompress(data) + member.flush())
    assert member.eof
    data = member.unused_data";

const PERL: &str = "use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
gunzip $ARGV[0] => '-', MultiStream => 1 or die $GunzipError";

const NODE: &str = "const fs = require('fs'), zlib = require('zlib');
fs.createReadStream(process.argv[1]).pipe(zlib.createGunzip()).pipe(process.stdout)";

const JAVA: &str = "class Gunzip { public static void main(String[] a) throws Exception {
    new java.util.zip.GZIPInputStream(new java.io.FileInputStream(a[0])).transferTo(System.out);
    System.out.flush();
} }";

const RUBY: &str = "Zlib::GzipReader.zcat(File.open(ARGV[0], 'rb'), &$stdout.method(:write))";

const GO: &str = "package main
import (\"compress/gzip\"; \"io\"; \"os\")
func main() {
    f, _ := os.Open(os.Args[1])
    z, err := gzip.NewReader(f)
    if err == nil { _, err = io.Copy(os.Stdout, z) }
    if err != nil { panic(err) }
}";

const REQUIRED: [Reader<'static>; 5] = [
    ("gzip", &["-dc"]),
    ("gunzip", &["-c"]),
    ("zcat", &[]),
    ("python3", &["-c", PYTHON_GZIP]),
    ("python3", &["-c", PYTHON_ZLIB]),
];

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn reads(reader: Reader<'_>, path: &Path, text: &[u8]) {
    let (program, arguments) = reader;
    let output = Command::new(program).args(arguments).arg(path).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{program} {}: {stderr}", path.display());
    assert!(output.stdout == text, "{program} {}: another text", path.display());
}

/// Runs those that are installed, and says which are not.
fn try_all(readers: &[Reader<'_>], path: &Path, text: &[u8]) {
    for reader in readers {
        if is_installed(reader.0) {
            reads(*reader, path, text);
        } else {
            println!("{} is not installed, so it was not tried with {}", reader.0, path.display());
        }
    }
}

/// A dump with a small index, one with an index in several gzip members, and one without text.
fn files(compression: Compression, folder: &Path, suffix: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let empty = IndexedDump { text: Vec::new(), index: Default::default() };
    let dumps = [(IndexedDump::of_shop(5000), 20_000), (IndexedDump::of_shop(50_000), 10), (empty, 10)];
    let mut files = Vec::new();
    for (number, (dump, block_bytes)) in dumps.into_iter().enumerate() {
        let File { bytes, compressed, .. } = dump.file(compression, block_bytes, |_| {});
        assert_eq!(bytes.len() - compressed > TAIL_BYTES as usize, number == 1);
        let path = folder.join(format!("{number}.sql{suffix}"));
        fs::write(&path, bytes).unwrap();
        files.push((path, dump.text));
    }
    files
}

#[test]
fn gzip_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let java = folder.path().join("Gunzip.java");
    fs::write(&java, JAVA).unwrap();
    let go = folder.path().join("gunzip.go");
    fs::write(&go, GO).unwrap();
    let (java, go) = (java.to_str().unwrap(), go.to_str().unwrap());
    for (path, text) in files(Compression::GZIP, folder.path(), ".gz") {
        for reader in REQUIRED {
            reads(reader, &path, &text);
        }
        let mut decoded = Vec::new();
        let file = fs::File::open(&path).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut decoded).unwrap();
        assert!(decoded == text);
        let others: [Reader<'_>; 9] = [
            ("perl", &["-e", PERL]),
            ("node", &["-e", NODE]),
            ("java", &[java]),
            ("go", &["run", go]),
            ("ruby", &["-rzlib", "-e", RUBY]),
            ("busybox", &["gunzip", "-c"]),
            ("pigz", &["-dc"]),
            ("7z", &["x", "-so"]),
            ("bsdcat", &[]),
        ];
        try_all(&others, &path, &text);
    }
}

#[test]
fn zstd_and_lz4_are_read_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files(Compression::ZSTD, folder.path(), ".zst") {
        // The reference implementation.
        assert!(zstd::decode_all(fs::File::open(&path).unwrap()).unwrap() == text);
        try_all(&[("zstd", &["-dcq"]), ("bsdcat", &[])], &path, &text);
    }
    for (path, text) in files(Compression::Lz4(0), folder.path(), ".lz4") {
        try_all(&[("lz4", &["-dcq"]), ("bsdcat", &[])], &path, &text);
    }
}

/// `examples/read_index.py` was written from `docs/file-format.md`, and shares no code with us.
#[test]
fn another_reader_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/read_index.py");
    let run = |path: &Path, dump_id: Option<u32>| {
        let mut command = Command::new("python3");
        command.arg(program).arg(path).args(dump_id.map(|id| id.to_string()));
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        (output.stdout, stderr)
    };
    for compression in METHODS {
        let (suffix, tool) = match compression {
            Compression::Zstd { .. } => ("zst", "zstd"),
            Compression::Lz4(_) => ("lz4", "lz4"),
            Compression::Gzip(_) | Compression::None => ("gz", "python3"),
        };
        if !is_installed(tool) {
            println!("{tool} is not installed, so {suffix} was not tried");
            continue;
        }
        for (dump, block_bytes, reads) in
            [(IndexedDump::of_shop(5000), 20_000, 2), (IndexedDump::of_shop(50_000), 10, 3)]
        {
            let file = dump.file(compression, block_bytes, |_| {});
            let path = folder.path().join(format!("shop.sql.{suffix}"));
            fs::write(&path, &file.bytes).unwrap();
            let (list, _) = run(&path, None);
            let expected: Vec<String> = file.index.entries.iter().map(listed).collect();
            assert_eq!(String::from_utf8(list).unwrap(), expected.concat());
            // Python takes its time for many restart points.
            for entry in file.index.entries.iter().filter(|entry| reads == 2 || entry.dump_id == 3422) {
                let (text, stderr) = run(&path, Some(entry.dump_id));
                let range = entry.ranges[0].offset as usize..entry.ranges[0].end().unwrap() as usize;
                assert!(text == dump.text[range], "{compression} {}", entry.kind);
                assert!(stderr.starts_with(&format!("{reads} reads of ")), "{stderr}");
            }
        }
    }
}

/// An entry as that reader lists it.
fn listed(entry: &pgsiphon::index::IndexEntry) -> String {
    let needs: Vec<String> = entry.dependencies.iter().map(u32::to_string).collect();
    let names = [&entry.kind, &entry.namespace, &entry.tag, &entry.owner].map(|name| &**name).join("\t");
    let count = entry.contents.as_ref().map(|contents| format!(" {}", contents.count())).unwrap_or_default();
    let mut columns =
        vec![entry.dump_id.to_string(), entry.classoid.to_string(), entry.oid.to_string(), names];
    columns.extend(needs);
    columns.join("\t") + "\t" + &count + "\n"
}
