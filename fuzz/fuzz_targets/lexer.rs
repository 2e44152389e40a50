//! Statements end at the same places however the text is cut into chunks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgsiphon::fuzzing::lex;
use pgsiphon_fuzz::Input;

/// One of each kind that the lexer tells apart.
const ENCODINGS: [&str; 5] = ["UTF8", "SJIS", "BIG5", "JOHAB", "GB18030"];

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::of(data) else { return };
    let encoding = ENCODINGS[usize::from(input.options[1]) % ENCODINGS.len()];
    let whole = lex(input.whole(), input.option(0), encoding);
    assert_eq!(lex(input.chunks(), input.option(0), encoding), whole);
    // Within quotes the lexer skips ahead; byte by byte it cannot.
    assert_eq!(lex(input.text.chunks(1), input.option(0), encoding), whole);
    for pair in whole.windows(2) {
        assert!(pair[0].at <= pair[1].at);
    }
    for stopped in &whole {
        match stopped.why.as_str() {
            "Statement" => {
                assert!(stopped.is_significant && stopped.is_between);
                assert_eq!(input.text[stopped.at - 1], b';');
            }
            "Comment" => assert!(!stopped.is_significant && stopped.is_between),
            "Backslash" => assert_eq!(input.text[stopped.at], b'\\'),
            _ => assert_eq!(stopped.at, input.text.len()),
        }
    }
});
