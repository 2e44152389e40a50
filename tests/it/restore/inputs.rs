//! Texts as other programs write them: byte order marks, line endings, other encodings.

use super::*;

fn wide(text: &str, mark: &[u8], unit: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut bytes = mark.to_vec();
    bytes.extend(text.encode_utf16().flat_map(unit));
    bytes
}

#[test]
fn byte_order_marks_and_line_ends_are_accepted() {
    let world = World::new();
    let rows = "CREATE TABLE t (a text);\nCOPY t (a) FROM stdin;\n1\n2\n\\.\n\n";
    let text = std::fs::read_to_string(world.script("plain.sql", rows)).unwrap();
    let with_mark = format!("\u{feff}{text}");
    let crlf = text.replace('\n', "\r\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(with_mark.as_bytes()).unwrap();
    for bytes in [
        with_mark.clone().into_bytes(),
        crlf.clone().into_bytes(),
        format!("\u{feff}{crlf}").into_bytes(),
        gzip.finish().unwrap(),
    ] {
        let path = world.path("variant");
        std::fs::write(&path, bytes).unwrap();
        let to = world.database("rs_marks", "");
        assert_done(&world.restore(to.name(), &[], &path).output().unwrap());
        assert_eq!(to.query("SELECT count(*) FROM t").unwrap().trim(), "2");
        assert_done(&clean_command(PGSIPHON).arg("verify").arg(&path).output().unwrap());
    }
}

#[test]
fn wide_encodings_are_named() {
    let world = World::new();
    let text = std::fs::read_to_string(world.script("plain.sql", "CREATE TABLE t (a text);\n")).unwrap();
    for (bytes, encoding) in [
        (wide(&text, b"\xff\xfe", u16::to_le_bytes), "UTF-16LE"),
        (wide(&text, b"\xfe\xff", u16::to_be_bytes), "UTF-16BE"),
        (wide(&text, b"", u16::to_le_bytes), "UTF-16LE"),
        (wide(&text, b"", u16::to_be_bytes), "UTF-16BE"),
        (wide(&format!("\n{text}"), b"", u16::to_le_bytes), "UTF-16LE"),
    ] {
        let path = world.path("wide.sql");
        std::fs::write(&path, bytes).unwrap();
        let to = world.database("rs_wide", "");
        let output = world.restore(to.name(), &[], &path).output().unwrap();
        assert_fails(&output, 11, &[&format!("text in {encoding}"), "iconv"]);
        let output = clean_command(PGSIPHON).arg("verify").arg(&path).output().unwrap();
        assert_fails(&output, 8, &[&format!("text in {encoding}")]);
    }
}

#[test]
fn texts_shorter_than_any_mark_are_not_dumps() {
    let world = World::new();
    for text in ["", "x", "--", "\u{feff}", "\n\n"] {
        let path = world.path("short.sql");
        std::fs::write(&path, text).unwrap();
        let to = world.database("rs_short", "");
        let output = world.restore(to.name(), &[], &path).output().unwrap();
        assert_eq!(output.status.code(), Some(8), "{text:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
