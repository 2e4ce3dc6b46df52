//! A batch: the records of one frame, written straight into the buffer that goes to disk.

use super::frame::HEADER;

/// The records of the next frame. It keeps its buffer when it is cleared.
#[derive(Debug)]
pub struct Batch {
    pub(super) frame: Vec<u8>,
    pub(super) count: u32,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self { frame: vec![0; HEADER], count: 0 }
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.frame.truncate(HEADER);
        self.count = 0;
    }

    /// Adds one record, which `write` appends to the buffer. The buffer's length at any moment is an offset from the beginning of the frame, so a
    /// writer can remember where a part of its record will stand.
    pub fn record<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let start = self.frame.len();
        self.frame.extend_from_slice(&[0; 4]);
        let result = write(&mut self.frame);
        let length = u32::try_from(self.frame.len() - start - 4).unwrap_or(u32::MAX);
        self.frame[start..start + 4].copy_from_slice(&length.to_be_bytes());
        self.count += 1;
        result
    }

    /// How many records it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes the frame will have.
    pub fn size(&self) -> usize {
        self.frame.len()
    }

    /// Bytes of the batch by their offset from the beginning of the frame.
    pub fn bytes(&self, offset: u32, length: u32) -> &[u8] {
        self.frame.get(offset as usize..offset as usize + length as usize).unwrap_or_default()
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}
