//! The contents of large objects, as commands that restore them.

use std::fmt::Write;

use futures::{StreamExt, TryStreamExt, stream};

use crate::catalog::Oid;
use crate::error::Result;
use crate::pg::connect::Session;
use crate::pipeline::BlockWriter;

/// pg_dump writes them in pieces of this size.
const PIECE: usize = 16 << 10;
/// How many bytes each request reads.
const READ: i32 = 1 << 20;
/// How many requests are in flight: most large objects are small, so round trips take most of the time.
const AHEAD: usize = 16;
/// `INV_WRITE`, the mode in which psql opens them.
const INV_WRITE: u32 = 0x20000;

/// Writes the contents of these large objects.
pub(super) async fn produce(session: &Session, oids: &[Oid], out: &mut BlockWriter) -> Result<()> {
    let mut first_reads = stream::iter(oids.iter().copied())
        .map(|oid| async move { read(session, oid, 0).await.map(|bytes| (oid, bytes)) })
        .buffered(AHEAD);
    while let Some((oid, mut bytes)) = first_reads.try_next().await? {
        out.push(format!("SELECT pg_catalog.lo_open('{oid}', {INV_WRITE});\n").as_bytes(), 0)?;
        let mut offset = 0i64;
        loop {
            write_pieces(&bytes, session.standard_conforming_strings(), out)?;
            offset += bytes.len() as i64;
            if bytes.len() < READ as usize {
                break;
            }
            bytes = read(session, oid, offset).await?;
        }
        out.push(b"SELECT pg_catalog.lo_close(0);\n\n", 1)?;
    }
    Ok(())
}

async fn read(session: &Session, oid: Oid, offset: i64) -> Result<Vec<u8>> {
    let failed = |e| session.source_failed(format!("read large object {oid}"), e);
    let row = session
        .client
        .query_one("SELECT pg_catalog.lo_get($1, $2, $3)", &[&oid, &offset, &READ])
        .await
        .map_err(failed)?;
    row.try_get(0).map_err(failed)
}

fn write_pieces(bytes: &[u8], standard_conforming_strings: bool, out: &mut BlockWriter) -> Result<()> {
    let start = if standard_conforming_strings { "\\x" } else { "\\\\x" };
    for piece in bytes.chunks(PIECE) {
        let mut command = String::with_capacity(piece.len() * 2 + 48);
        command.push_str("SELECT pg_catalog.lowrite(0, '");
        command.push_str(start);
        for byte in piece {
            // Writing to a String can't fail.
            let _ = write!(command, "{byte:02x}");
        }
        command.push_str("');\n");
        out.push(command.as_bytes(), 0)?;
    }
    Ok(())
}
