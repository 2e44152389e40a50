//! A sink in memory: the simplest implementation of the contract, for tests and for embedding.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::{Published, Sink, Upload};
use crate::error::{Error, ErrorKind, Result};

/// Published dumps by name; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl MemoryStore {
    /// A copy of the dump published as `name`.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One name in a [`MemoryStore`].
#[derive(Debug, Clone)]
pub struct MemorySink {
    /// Where to publish.
    pub store: MemoryStore,
    /// The name to publish as.
    pub name: String,
    /// Whether to replace an existing dump.
    pub overwrite: bool,
}

impl MemorySink {
    fn check(&self) -> Result<()> {
        if !self.overwrite && self.store.lock().contains_key(&self.name) {
            return Err(Error::new(ErrorKind::KeyExists, format!("create {}", self.location()))
                .because("the name is taken"));
        }
        Ok(())
    }
}

impl Sink for MemorySink {
    fn location(&self) -> String {
        format!("memory \"{}\"", self.name)
    }

    fn preflight(&self) -> BoxFuture<'_, Result<()>> {
        async { self.check() }.boxed()
    }

    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Upload>>> {
        async {
            self.check()?;
            Ok(Box::new(MemoryUpload { sink: self.clone(), bytes: Vec::new() }) as Box<dyn Upload>)
        }
        .boxed()
    }
}

struct MemoryUpload {
    sink: MemorySink,
    bytes: Vec<u8>,
}

impl Upload for MemoryUpload {
    fn write(&mut self, data: Bytes) -> BoxFuture<'_, Result<()>> {
        self.bytes.extend_from_slice(&data);
        async { Ok(()) }.boxed()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn complete(self: Box<Self>) -> BoxFuture<'static, Result<Published>> {
        async move {
            self.sink.check()?;
            let published = Published { location: self.sink.location(), bytes: self.bytes.len() as u64 };
            self.sink.store.lock().insert(self.sink.name.clone(), self.bytes);
            Ok(published)
        }
        .boxed()
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async { Ok(()) }.boxed()
    }
}
