//! A script falls into the same pieces however it is cut into chunks, and joined they are the script.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use pgsiphon::restore::script::{Piece, PieceKind, ScriptError, Splitter};
use pgsiphon_fuzz::Input;

/// A piece that may have been handed out in parts.
type Whole = (PieceKind, u64, Vec<u8>);

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::of(data) else { return };
    let (whole, result) = split(input.whole(), input.option(0));
    assert_eq!(split(input.chunks(), input.option(0)), (whole.clone(), result.clone()));

    let mut line = 1;
    for (kind, at, text) in &whole {
        assert_eq!(*at, line);
        line += text.iter().filter(|byte| **byte == b'\n').count() as u64;
        match kind {
            PieceKind::Statement | PieceKind::CopyFromStdin => assert_eq!(text.last(), Some(&b';')),
            PieceKind::Comment => assert!(text.starts_with(b"--") || text.starts_with(b"/*")),
            PieceKind::MetaCommand => assert_eq!(text[0], b'\\'),
            PieceKind::EndOfRows => assert!(text.starts_with(b"\\.")),
            PieceKind::Space => assert!(text.iter().all(|byte| b" \t\r\n\x0b\x0c".contains(byte))),
            PieceKind::Rows => {
                assert!(!text.starts_with(b"\\.\n") && !text.windows(4).any(|bytes| bytes == b"\n\\.\n"));
            }
        }
    }
    let joined: Vec<u8> = whole.iter().flat_map(|(_, _, text)| text).copied().collect();
    match result {
        Ok(()) => assert_eq!(joined, input.text),
        Err(_) => assert!(input.text.starts_with(&joined)),
    }
});

fn split<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    standard_conforming_strings: bool,
) -> (Vec<Whole>, Result<(), ScriptError>) {
    let mut wholes: Vec<Whole> = Vec::new();
    let result = pieces(chunks, standard_conforming_strings, |piece| {
        match wholes.last_mut() {
            // Space and rows are handed out as they come.
            Some((kind, _, text))
                if *kind == piece.kind && matches!(kind, PieceKind::Space | PieceKind::Rows) =>
            {
                text.extend_from_slice(&piece.text);
            }
            _ => wholes.push((piece.kind, piece.line, piece.text.to_vec())),
        }
    });
    if result.is_err() {
        // Also the space after a COPY, even if its line is refused for what comes later.
        wholes.pop_if(|(kind, ..)| *kind == PieceKind::Space);
    }
    (wholes, result)
}

fn pieces<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    standard_conforming_strings: bool,
    mut take: impl FnMut(Piece),
) -> Result<(), ScriptError> {
    let mut splitter = Splitter::new(standard_conforming_strings);
    for chunk in chunks {
        splitter.push(Bytes::copy_from_slice(chunk));
        while let Some(piece) = splitter.next_piece()? {
            take(piece);
        }
    }
    if let Some(piece) = splitter.finish()? {
        take(piece);
    }
    assert_eq!(splitter.finish()?, None);
    Ok(())
}
