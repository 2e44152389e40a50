//! The SHA-256 of the stored bytes, computed on a separate thread: hashing a block takes as long as sending
//! it.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// How many blocks may wait to be hashed.
const WAITING: usize = 2;

/// An incremental digest. Dropping it ends its thread.
pub(super) struct StoredDigest {
    blocks: mpsc::Sender<Bytes>,
    hashing: JoinHandle<[u8; 32]>,
}

impl StoredDigest {
    /// Must be called within a runtime.
    pub(super) fn start() -> Self {
        let (blocks, mut waiting) = mpsc::channel::<Bytes>(WAITING);
        let hashing = tokio::task::spawn_blocking(move || {
            let mut sha256 = Sha256::new();
            while let Some(block) = waiting.blocking_recv() {
                sha256.update(&block);
            }
            sha256.finalize().into()
        });
        StoredDigest { blocks, hashing }
    }

    /// Adds the next block, when there is room in the queue.
    pub(super) async fn update(&self, block: Bytes) {
        // This can only fail if the thread panicked, which `finish` reports.
        let _ = self.blocks.send(block).await;
    }

    pub(super) async fn finish(self) -> Result<[u8; 32]> {
        drop(self.blocks);
        self.hashing.await.map_err(|error| Error::new(ErrorKind::Other, "hash the dump").because(error))
    }
}
