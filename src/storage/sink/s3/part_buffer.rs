//! The part of an upload that is being collected.

use bytes::{Bytes, BytesMut};

#[derive(Debug, Default)]
pub(crate) struct PartBuffer(BytesMut);

impl PartBuffer {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Moves bytes from the front of `data` into a part of `part_bytes`, as far as there is room.
    pub(crate) fn fill(&mut self, data: &mut Bytes, part_bytes: usize) {
        if self.0.capacity() < part_bytes {
            // Memory is only touched as it fills, so a small dump uses little.
            self.0.reserve(part_bytes - self.0.len());
        }
        let room = part_bytes - self.0.len();
        self.0.extend_from_slice(&data.split_to(room.min(data.len())));
    }

    /// What was collected. The next part begins.
    pub(crate) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.0).freeze()
    }
}
