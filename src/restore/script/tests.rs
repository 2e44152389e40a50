use proptest::prelude::*;

use super::*;

/// All pieces, with adjacent ones joined if only a cut separates them.
fn split_at(text: &[u8], cuts: &[usize]) -> Result<Vec<Piece>, ScriptError> {
    let mut splitter = Splitter::new(true);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut add = |piece: Piece| match pieces.last_mut() {
        Some(last) if last.kind == piece.kind && matches!(piece.kind, PieceKind::Rows | PieceKind::Space) => {
            last.text = [&last.text[..], &piece.text].concat().into();
        }
        _ => pieces.push(piece),
    };
    let mut from = 0;
    for &to in cuts.iter().chain([&text.len()]) {
        let to = to.clamp(from, text.len());
        splitter.push(Bytes::copy_from_slice(&text[from..to]));
        while let Some(piece) = splitter.next_piece()? {
            add(piece);
        }
        from = to;
    }
    if let Some(piece) = splitter.finish()? {
        add(piece);
    }
    Ok(pieces)
}

/// The kinds and texts of all pieces except space.
fn split(text: &str) -> Vec<(PieceKind, String)> {
    let pieces = split_at(text.as_bytes(), &[]).unwrap();
    let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.text.to_vec()).collect();
    assert_eq!(joined, text.as_bytes());
    let significant = pieces.into_iter().filter(|piece| piece.kind != PieceKind::Space);
    significant.map(|piece| (piece.kind, String::from_utf8_lossy(&piece.text).into_owned())).collect()
}

/// Asserts that these are separate statements.
fn assert_statements(statements: &[&str]) {
    let text = statements.join("\n");
    let found = split(&text);
    let expected: Vec<_> = statements.iter().map(|s| (PieceKind::Statement, (*s).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn quotes_hide_semicolons() {
    assert_statements(&[
        "SELECT 'a;b', 'it''s;', \"n;\"\";\", E'\\';', e'\\\\', 'c:\\', b'1;';",
        "SELECT U&'\\0041;', U&\"a;\", n';', name_e'\\';",
        "SELECT E'a\\''\n  '\\';';",
        "SELECT 'a'\n -- it's\n '\\';",
        "SELECT 'a' '\\';",
    ]);
}

#[test]
fn backslashes_escape_where_strings_do_not_conform() {
    assert_statements(&[
        "SET standard_conforming_strings = off;",
        "SELECT 'a\\';';",
        "SET standard_conforming_strings = on;",
        "SELECT 'a\\';",
        "SET SESSION standard_conforming_strings TO 'off';",
        "SELECT '\\';';",
    ]);
}

#[test]
fn dollar_quotes_need_their_own_tag() {
    assert_statements(&[
        "SELECT $$a;$b$;$$;",
        "SELECT $_$;$$;$_X$;$__$;$_$;",
        "SELECT $a$ $a $a$;",
        "SELECT $é$;$é$;",
        "SELECT a$b$ FROM c$b$;",
        "SELECT $1, $2$$;$$;",
        "DO $$BEGIN; END$$;",
    ]);
}

#[test]
fn comments_within_statements_belong_to_them() {
    assert_statements(&[
        "SELECT 1 -- ; it's\n;",
        "SELECT /* ; /* nested; */ ; */ 1;",
        "SELECT 1 /**/ - 1 / 2 -/**/- 3;",
        "SELECT 2 */* ; */ 3;",
        "SELECT @-@ '(0,0)';",
    ]);
}

#[test]
fn parentheses_hide_semicolons() {
    assert_statements(&[
        "CREATE RULE r AS ON INSERT TO t DO ALSO ( INSERT INTO u VALUES (1); DELETE FROM v; );",
        "SELECT 1;",
    ]);
}

#[test]
fn bodies_of_routines_are_whole() {
    assert_statements(&[
        "CREATE FUNCTION f() RETURNS int\n BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN true THEN 1 END; END;",
        "CREATE OR REPLACE PROCEDURE p()\n BEGIN ATOMIC\n SELECT (CASE a WHEN 1 THEN 2 END); END;",
        "CREATE FUNCTION public.begin() RETURNS int LANGUAGE sql AS $$SELECT 1;$$;",
        "CREATE FUNCTION f(begin integer) RETURNS begin LANGUAGE sql RETURN (begin);",
        "CREATE FUNCTION f() BEGIN ATOMIC\n SELECT t.begin, t.\"end\" FROM t; END;",
        "CREATE TABLE t (a int); ",
        "BEGIN;",
        "SELECT CASE WHEN true THEN 1 END;",
        "END;",
    ]
    .map(str::trim_end));
}

#[test]
fn a_dump_is_cut_into_its_pieces() {
    use PieceKind::*;
    let text = "--\n-- PostgreSQL database dump\n--\n\n\\restrict KEY\n\nSET x = 1;\n/* a */\n\
                COPY public.t (a, \"b;\") FROM stdin;\n1\t\\.\n\\.x\n;\\\n\\.\n\n\nCOPY u FROM stdin;\n\\.\n\\unrestrict KEY";
    let kinds: Vec<PieceKind> = split(text).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [
            Comment,
            Comment,
            Comment,
            MetaCommand,
            Statement,
            Comment,
            CopyFromStdin,
            Rows,
            EndOfRows,
            CopyFromStdin,
            EndOfRows,
            MetaCommand
        ]
    );
    assert!(split(text).contains(&(Rows, "1\t\\.\n\\.x\n;\\\n".to_owned())));
}

#[test]
fn only_a_copy_from_stdin_has_rows() {
    for copy in ["COPY t FROM stdin;\n\\.\n", "copy \"from\".stdin (a) from STDIN WITH (FORMAT csv);\n\\.\n"]
    {
        assert_eq!(split(copy)[0].0, PieceKind::CopyFromStdin, "{copy}");
    }
    assert_statements(&[
        "COPY t TO stdout;",
        "COPY (SELECT a FROM stdin) TO stdout;",
        "COPY t FROM 'stdin';",
        "INSERT INTO t SELECT a FROM stdin;",
        "COPY t FROM \"stdin\";",
    ]);
}

#[test]
fn lines_are_counted() {
    let pieces =
        split_at(b"\nSELECT\n1;\nCOPY t FROM stdin;\r\n1\n2\n\\.\r\n\n-- c\n\\connect x\n", &[5, 9, 40]);
    let lines: Vec<(PieceKind, u64)> = pieces.unwrap().iter().map(|piece| (piece.kind, piece.line)).collect();
    assert!(lines.contains(&(PieceKind::CopyFromStdin, 4)));
    assert!(lines.contains(&(PieceKind::Rows, 5)));
    assert!(lines.contains(&(PieceKind::EndOfRows, 7)));
    assert!(lines.contains(&(PieceKind::MetaCommand, 10)));
}

#[test]
fn a_cut_text_is_never_whole() {
    for (text, what) in [
        ("SELECT 1", "a statement"),
        ("SELECT 'a;", "a statement"),
        ("/* a", "a comment"),
        ("COPY t FROM stdin;", "rows"),
        ("COPY t FROM stdin;\n1\n", "rows"),
        ("COPY t FROM stdin;\n1\n\\", "rows"),
        ("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; ", "a statement"),
    ] {
        let error = split_at(text.as_bytes(), &[]).unwrap_err();
        assert!(matches!(error, ScriptError::EndsWithin(found, _) if found == what), "{text}: {error}");
    }
    assert_eq!(split("COPY t FROM stdin;\n\\.")[1].0, PieceKind::EndOfRows);
    assert_eq!(split("-- the end"), [(PieceKind::Comment, "-- the end".to_owned())]);
}

#[test]
fn backslashes_begin_meta_commands_only_where_a_statement_could_begin() {
    assert_eq!(split_at(b"\nSELECT 1\n\\g\n", &[]), Err(ScriptError::Backslash(3)));
    assert_eq!(split_at(b"COPY t FROM stdin; SELECT 1;\n", &[]), Err(ScriptError::AfterCopy(1)));
    assert_eq!(split("/* a */ \\q\n")[1], (PieceKind::MetaCommand, "\\q\n".to_owned()));
}

#[test]
fn characters_that_end_in_a_backslash_or_a_quote_stay_whole() {
    // 0x95 0x5C is one character in SJIS, and 0x81 0x27 one in a client-only encoding.
    let sjis = b"SET client_encoding = 'SJIS';SELECT E'\x95\\';SELECT '\x95\\'';';";
    let big5 = b"SET client_encoding = 'BIG5';SELECT E'\xa5\\';SELECT \"\xa5\\;\";";
    let gb18030 = b"SET client_encoding = 'GB18030';SELECT '\x81\x30\x81\x30;';SELECT E'\x81\\';";
    for text in [&sjis[..], big5, gb18030] {
        let pieces = split_at(text, &[]).unwrap();
        assert_eq!(pieces.len(), 3, "{}", String::from_utf8_lossy(text));
        for cut in 0..text.len() {
            assert_eq!(split_at(text, &[cut]).unwrap(), pieces);
        }
    }
    // The same bytes in LATIN1.
    assert!(split_at(&sjis[29..], &[]).is_err());
}

/// Fragments that are significant alone or in combination.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        "$1",
        "\\",
        "\\.\n",
        "\\.\r\n",
        "\n",
        ";",
        "(",
        ")",
        "--",
        "/*",
        "*/",
        "-",
        "/",
        "e'",
        " ",
        "a",
        "1",
        ".",
        "é",
        "COPY t FROM stdin;\n",
        "COPY t FROM stdin;",
        "1\t2\n",
        "\\N\n",
        "CREATE FUNCTION ",
        "BEGIN ATOMIC ",
        "CASE ",
        "END",
        "SELECT ",
        "\\connect x\n",
        "-- c\n",
        "\r",
        "SET standard_conforming_strings = off;",
        "SET client_encoding = 'SJIS';",
        "SET client_encoding = 'GB18030';",
        "\u{95}\\",
        "\\.",
        "x\n\\.\n",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn cuts_do_not_matter(text in fragments(), mut cuts in prop::collection::vec(0usize..300, 0..12)) {
        cuts.sort_unstable();
        let whole = split_at(&text, &[]);
        prop_assert_eq!(&split_at(&text, &cuts), &whole);
        let bytewise: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&split_at(&text, &bytewise), &whole);
        if let Ok(pieces) = whole {
            let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.text.to_vec()).collect();
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn any_bytes_are_taken_without_panic(text: Vec<u8>, cuts in prop::collection::vec(0usize..100, 0..4)) {
        let _ = split_at(&text, &cuts);
    }
}
