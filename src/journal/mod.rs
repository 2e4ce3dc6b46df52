//! The append-only journal: what was acknowledged is here, in order, and everything else can be rebuilt from it.
//!
//! A journal is a folder of segments `0000000001.log`, `0000000002.log`, … . A segment is a row of frames; a frame holds one batch of records, is
//! written with one `pwrite` and made durable with one `fdatasync`. Each frame carries a CRC-32 (accidents) and a SHA-256 over the frame before it and
//! itself (tampering), so the hash of the newest frame vouches for all records ever written.
//!
//! Guarantees: when [`Journal::append`] returns a place, the records survive a power cut; a frame that was cut by one is recognised and set aside; any
//! other damage is reported with its segment and offset, never skipped. After a failed `fdatasync` nothing is ever appended again, because Linux may
//! have dropped the dirty pages and a second `fdatasync` would lie. It never interprets a record and never deletes one.

mod append;
mod batch;
mod error;
mod frame;
mod read;
mod replay;
mod segment;
mod tail;
mod verify;

#[cfg(test)]
mod tests;

pub use append::{Appended, Journal, Options, Resumed};
pub use batch::Batch;
pub use error::{AppendError, Fault, JournalError};
pub use frame::{Chain, Frame, Record, START};
pub use read::{Mark, Reader};
pub use replay::Frames;
pub use tail::Tail;
pub use verify::{Summary, verify};

/// Where some bytes stand in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub segment: u32,
    pub offset: u32,
    pub length: u32,
}

impl Place {
    /// How many bytes a place takes on disk.
    pub const SIZE: usize = 12;

    /// The place as it is kept on disk.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.segment.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.offset.to_be_bytes());
        bytes[8..].copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    /// The place those bytes were made from.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
        Self {
            segment: u32::from_be_bytes([a, b, c, d]),
            offset: u32::from_be_bytes([e, f, g, h]),
            length: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

/// The point between two frames: what was before it is known by its last sequence and its chain hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The segment in which the frame before this point ends.
    pub segment: u32,
    /// The offset at which that frame ends.
    pub offset: u32,
    /// The sequence of the last record before this point; 0 at the beginning.
    pub sequence: u64,
    /// The chain hash of the frame before this point.
    pub chain: Chain,
}

impl Position {
    /// The beginning of every journal.
    pub const START: Self = Self { segment: 1, offset: 0, sequence: 0, chain: START };
}
