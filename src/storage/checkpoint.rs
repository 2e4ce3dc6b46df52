//! The small file that says up to where the index is complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::journal::Position;

const NAME: &str = "index.checkpoint";
const MAGIC: [u8; 8] = *b"CHYCKPT1";
const SIZE: usize = 8 + POSITION + POSITION + 4;
const POSITION: usize = 4 + 4 + 8 + 32;

/// Every record up to `end` is in the index. Replay begins one frame earlier, so that its first frame proves that this is the same journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub from: Position,
    pub end: Position,
}

impl Checkpoint {
    /// The checkpoint that was written last; none when there is none or it is damaged.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match fs::read(folder.join(NAME)) {
            Ok(bytes) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the checkpoint: after a crash there is the old one or this one.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let temporary = folder.join("index.checkpoint.new");
        let mut file = File::create(&temporary)?;
        file.write_all(&self.to_bytes())?;
        file.sync_all()?;
        fs::rename(temporary, folder.join(NAME))?;
        File::open(folder)?.sync_all()
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE);
        bytes.extend_from_slice(&MAGIC);
        for position in [self.from, self.end] {
            bytes.extend_from_slice(&position.segment.to_be_bytes());
            bytes.extend_from_slice(&position.offset.to_be_bytes());
            bytes.extend_from_slice(&position.sequence.to_be_bytes());
            bytes.extend_from_slice(&position.chain);
        }
        let check = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let (body, check) = bytes.split_last_chunk::<4>()?;
        if !body.starts_with(&MAGIC) || crc32fast::hash(body) != u32::from_be_bytes(*check) {
            return None;
        }
        let (from, end) = body.get(8..)?.split_at_checked(POSITION)?;
        Some(Self { from: position(from)?, end: position(end)? })
    }
}

fn position(bytes: &[u8]) -> Option<Position> {
    Some(Position {
        segment: u32::from_be_bytes(*bytes.first_chunk()?),
        offset: u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?),
        sequence: u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?),
        chain: *bytes.get(16..)?.first_chunk()?,
    })
}
