//! The form of a frame on disk.
//!
//! ```text
//!  0  magic "CHJ1"   4  version, three zero bytes   8  payload length   12  record count
//! 16  first sequence            24  time in microseconds since 1970
//! 32  chain = SHA-256(chain of the frame before ‖ bytes 0..32 ‖ payload)
//! 64  CRC-32 of bytes 0..64 ‖ payload
//! 68  payload: for each record its length (4 bytes) and its bytes
//! ```
//! Numbers are big-endian.

use aws_lc_rs::digest;

use super::Fault;

/// A SHA-256 over everything up to and with a frame.
pub type Chain = [u8; 32];

/// The chain before the first frame.
pub const START: Chain = [0; 32];

pub(super) const HEADER: usize = 68;
/// A longer payload is not believed: a batch is bounded well below it.
pub(super) const MAX_PAYLOAD: usize = 16 << 20;
pub(super) const MAGIC: [u8; 4] = *b"CHJ1";
const VERSION: u8 = 1;

/// The fields of a frame before its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub length: u32,
    pub count: u32,
    pub first: u64,
    pub time: i64,
    pub chain: Chain,
    crc: u32,
    prefix: [u8; 64],
}

/// What the first bytes of a frame can turn out to be.
#[derive(Debug)]
pub(super) enum HeaderRead {
    Header(Header),
    Newer(u8),
    Not(Fault),
}

impl Header {
    pub fn read(bytes: &[u8; HEADER]) -> HeaderRead {
        let (prefix, crc) = bytes.split_at(64);
        let (Some(prefix), Some(crc)) = (prefix.first_chunk::<64>(), crc.first_chunk::<4>()) else {
            return HeaderRead::Not(Fault::Short);
        };
        if prefix[..4] != MAGIC {
            return HeaderRead::Not(Fault::Magic);
        }
        if prefix[4] > VERSION {
            return HeaderRead::Newer(prefix[4]);
        }
        let length = number(prefix, 8);
        if length as usize > MAX_PAYLOAD {
            return HeaderRead::Not(Fault::Length);
        }
        let mut chain = [0; 32];
        chain.copy_from_slice(&prefix[32..64]);
        HeaderRead::Header(Self {
            length,
            count: number(prefix, 12),
            first: long(prefix, 16),
            time: long(prefix, 24).cast_signed(),
            chain,
            crc: u32::from_be_bytes(*crc),
            prefix: *prefix,
        })
    }

    /// Whether the checksum holds over this header and that payload.
    pub fn is_intact(&self, payload: &[u8]) -> bool {
        checksum(&self.prefix, payload) == self.crc
    }

    /// Whether the frame follows the one with that chain hash.
    pub fn follows(&self, before: &Chain, payload: &[u8]) -> bool {
        chain(before, &self.prefix[..32], payload) == self.chain
    }
}

/// Fills the header in front of a payload; `frame` begins with [`HEADER`] bytes of room.
pub(super) fn seal(frame: &mut [u8], before: &Chain, first: u64, count: u32, time: i64) -> Chain {
    let (header, payload) = frame.split_at_mut(HEADER);
    // A batch is bounded far below 4 GiB before it comes here.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&[VERSION, 0, 0, 0]);
    header[8..12].copy_from_slice(&length.to_be_bytes());
    header[12..16].copy_from_slice(&count.to_be_bytes());
    header[16..24].copy_from_slice(&first.to_be_bytes());
    header[24..32].copy_from_slice(&time.to_be_bytes());
    let next = chain(before, &header[..32], payload);
    header[32..64].copy_from_slice(&next);
    let crc = checksum(&header[..64], payload);
    header[64..].copy_from_slice(&crc.to_be_bytes());
    next
}

/// A whole and valid frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub segment: u32,
    /// Where the frame begins in its segment.
    pub offset: u32,
    /// The sequence of its first record.
    pub first: u64,
    /// How many records it has.
    pub count: u32,
    /// When it was written, in microseconds since 1970.
    pub time: i64,
    /// The hash over everything up to and with this frame.
    pub chain: Chain,
    pub(super) payload: &'a [u8],
}

/// One record of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub sequence: u64,
    /// Where the record's bytes begin in the segment.
    pub offset: u32,
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let (mut rest, mut offset, mut sequence) = (self.payload, self.offset + HEADER as u32, self.first);
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let length = u32::from_be_bytes(*length);
            let (bytes, tail) = tail.split_at_checked(length as usize)?;
            let record = Record { sequence, offset: offset + 4, bytes };
            rest = tail;
            offset += 4 + length;
            sequence += 1;
            Some(record)
        })
    }

    /// Whether the records fill the payload exactly and are as many as the header says.
    pub(super) fn is_whole(&self) -> bool {
        let (mut count, mut length) = (0_u32, 0_usize);
        for record in self.records() {
            count += 1;
            length += 4 + record.bytes.len();
        }
        count == self.count && length == self.payload.len() && count > 0
    }
}

fn chain(before: &Chain, header: &[u8], payload: &[u8]) -> Chain {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(before);
    context.update(header);
    context.update(payload);
    let mut chain = [0; 32];
    chain.copy_from_slice(context.finish().as_ref());
    chain
}

fn checksum(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

fn number(bytes: &[u8; 64], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(number)
}

fn long(bytes: &[u8; 64], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(number)
}
