//! The compressor alone on a given text.

use std::error::Error;
use std::io::{self, Read};

use pgsiphon::codec::{BLOCK_BYTES, BlockCompressor, Compression};

/// Compresses standard input in blocks, in runs as a dump has them. Returns the CPU time of the compressor in seconds.
pub(crate) fn stdin(compression: Compression) -> Result<f64, Box<dyn Error>> {
    let mut compressor = BlockCompressor::new(compression)?;
    let mut input = io::stdin().lock();
    let mut nanoseconds = 0;
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        input.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        let is_last = block.len() < BLOCK_BYTES;
        if block.is_empty() {
            return Ok(nanoseconds as f64 / 1e9);
        }
        let before = cpu_nanoseconds()?;
        divan::black_box(compressor.compress(&mut block, is_last)?);
        nanoseconds += cpu_nanoseconds()? - before;
    }
}

/// What this thread has spent on a core: the first field of schedstat (the kernel's sched-stats.rst).
fn cpu_nanoseconds() -> Result<u64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().unwrap_or_default().parse()?)
}
