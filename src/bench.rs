//! What the benchmarks in `benches/` reach, and no other user of the library does. It is only there with the feature
//! `bench`.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::task::noop_waker_ref;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::codec::Compression;
use crate::error::Result;
use crate::pg::copy_in::CopySlot;
use crate::pg::copy_out::{Copied, CopyOutSlot};
use crate::pg::frontend_stream::{FrontendStream, StartupEdits};
use crate::pipeline::{BlockWriter, PipelineOptions, Produce, ProducerFactory, run};
use crate::progress::Silent;
use crate::storage::sink::s3::part_buffer::PartBuffer;
use crate::storage::sink::{Published, Upload};

/// Reads what a server sends for a COPY, beginning with CopyOutResponse, as a session does, and gives chunks of rows
/// back as a worker does. Returns the number of rows and the length of their text in bytes.
///
/// # Errors
/// What is wrong with the rows.
pub fn read_copy(messages: &[u8], chunk_bytes: usize) -> std::result::Result<(u64, usize), &'static str> {
    let (slot, end) = CopyOutSlot::filled(chunk_bytes);
    let inner = tokio::io::join(messages, tokio::io::sink());
    let mut stream = pin!(
        FrontendStream::new(inner, StartupEdits::default(), None)
            .with_copies(CopySlot::default(), slot.clone())
    );
    let mut cx = Context::from_waker(noop_waker_ref());
    let mut others = [0; 8 << 10];
    let (mut rows, mut bytes) = (0, 0);
    loop {
        let mut buffer = ReadBuf::new(&mut others);
        let polled = stream.as_mut().poll_read(&mut cx, &mut buffer);
        for copied in end.take()? {
            if let Copied::Rows(chunk) = copied {
                rows += chunk.rows;
                bytes += chunk.text.len();
                slot.recycle(chunk.text);
            }
        }
        match polled {
            // The chunks filled the queue, which is empty now.
            Poll::Pending => {}
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
            Poll::Ready(_) => return Ok((rows, bytes)),
        }
    }
}

/// Compresses segments of rows on `jobs` workers, joins them, and throws the result away. Returns its length in
/// bytes.
///
/// # Errors
/// If memory or a thread is not available.
pub async fn write_rows(segments: Vec<Arc<[Bytes]>>, compression: Compression, jobs: usize) -> Result<u64> {
    let options = PipelineOptions {
        compression,
        jobs,
        byte_budget: PipelineOptions::byte_budget(jobs),
        digest: false,
        rate_limit: None,
    };
    let upload = Box::new(Nowhere::default());
    let summary =
        run(segments, Rows, options, upload, Arc::new(Silent), CancellationToken::new(), None).await?;
    Ok(summary.published.bytes)
}

/// Gives the bytes of each segment to the cutter, row by row.
struct Rows;

impl ProducerFactory<Arc<[Bytes]>> for Rows {
    type Producer = Rows;

    async fn producer(&self, _worker: usize) -> Result<Rows> {
        Ok(Rows)
    }
}

impl Produce<Arc<[Bytes]>> for Rows {
    async fn produce(&mut self, segment: &Arc<[Bytes]>, out: &mut BlockWriter) -> Result<()> {
        segment.iter().try_for_each(|row| out.push(row, 1))
    }
}

/// An upload that keeps nothing.
#[derive(Default)]
struct Nowhere {
    bytes: u64,
}

impl Upload for Nowhere {
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>> {
        self.bytes += data.len() as u64;
        async { Ok(()) }.boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move { Ok(Published { location: "nowhere".into(), bytes: self.bytes }) }.boxed()
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async { Ok(()) }.boxed()
    }
}

/// Collects blocks into parts of `part_bytes`, as an upload to S3 does before it sends them. Returns the number of
/// parts.
pub fn assemble_parts(blocks: &[Bytes], part_bytes: usize) -> usize {
    let mut part = PartBuffer::default();
    let mut parts = 0;
    for block in blocks {
        let mut block = block.clone();
        while !block.is_empty() {
            if part.len() == part_bytes {
                drop(part.take());
                parts += 1;
            }
            part.fill(&mut block, part_bytes);
        }
    }
    drop(part.take());
    parts + 1
}
