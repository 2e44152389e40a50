//! Finds the end of an LZ4 frame.

use std::io::{self, Cursor, Read};

/// Returns the bytes of one LZ4 frame, and then reports the end of the input.
///
/// The decoder that reads from it may request more bytes than the frame has, when its caller provides small
/// buffers; bytes of the next frame that it read would be lost. The frame's length follows from its
/// descriptor and the header of each block (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>).
pub(crate) struct Lz4Frame<R> {
    reader: R,
    /// Bytes that were read for inspection, and are still to be returned.
    seen: Cursor<Vec<u8>>,
    /// How many bytes follow that need no inspection.
    unseen: u64,
    next: Next,
    block_checksum_bytes: u64,
    content_checksum_bytes: u64,
}

#[derive(Clone, Copy)]
enum Next {
    Descriptor,
    Block,
    Nothing,
}

impl<R: Read> Lz4Frame<R> {
    pub(crate) fn new(reader: R) -> Self {
        Lz4Frame {
            reader,
            seen: Cursor::default(),
            unseen: 0,
            next: Next::Descriptor,
            block_checksum_bytes: 0,
            content_checksum_bytes: 0,
        }
    }

    pub(crate) fn into_inner(self) -> R {
        self.reader
    }

    /// Reads `N` bytes, to be returned next; `None` if there are fewer.
    fn look_at<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = Vec::with_capacity(N);
        self.reader.by_ref().take(N as u64).read_to_end(&mut bytes)?;
        let found = bytes.as_slice().try_into().ok();
        self.seen = Cursor::new(bytes);
        Ok(found)
    }

    fn go_on(&mut self) -> io::Result<()> {
        match self.next {
            Next::Descriptor => {
                let Some([.., flags, _]) = self.look_at::<6>()? else {
                    self.next = Next::Nothing;
                    return Ok(());
                };
                let bytes_if = |flag: u8, bytes: u64| if flags & flag == 0 { 0 } else { bytes };
                self.block_checksum_bytes = bytes_if(0x10, 4);
                self.content_checksum_bytes = bytes_if(0x04, 4);
                let (content_size, dictionary, own_checksum) = (bytes_if(0x08, 8), bytes_if(0x01, 4), 1);
                self.unseen = content_size + dictionary + own_checksum;
                self.next = Next::Block;
            }
            Next::Block => {
                let size = self.look_at::<4>()?.map(u32::from_le_bytes);
                // The highest bit means that the block is not compressed.
                match size {
                    Some(0) | None => {
                        self.unseen = self.content_checksum_bytes;
                        self.next = Next::Nothing;
                    }
                    Some(size) => self.unseen = u64::from(size & 0x7fff_ffff) + self.block_checksum_bytes,
                }
            }
            Next::Nothing => {}
        }
        Ok(())
    }
}

impl<R: Read> Read for Lz4Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.seen.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            if self.unseen > 0 {
                let length = self.reader.by_ref().take(self.unseen).read(buffer)?;
                self.unseen -= length as u64;
                return Ok(length);
            }
            if matches!(self.next, Next::Nothing) {
                return Ok(0);
            }
            self.go_on()?;
        }
    }
}
