//! Entries of a CRL on their way: in memory while they are few, in a file when they are many, so that their length is known before anything that
//! stands before them is written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::x509::crl::CrlDraftFault;

/// What is in memory at a time.
const CHUNK: usize = 256 << 10;

/// Bytes that are written once and then read from the first to the last, as often as needed. The file, if there was one, goes with it.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
    spilled: u64,
    entries: u64,
}

impl Spool {
    /// An empty one that would use this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path, memory: Vec::new(), file: None, spilled: 0, entries: 0 }
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.spilled + self.memory.len() as u64
    }

    /// How many entries those are.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Adds what `write` writes as one entry.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), CrlDraftFault>) -> Result<Result<(), CrlDraftFault>, io::Error> {
        if let Err(fault) = write(&mut self.memory) {
            return Ok(Err(fault));
        }
        self.entries += 1;
        if self.memory.len() >= CHUNK {
            self.spill()?;
        }
        Ok(Ok(()))
    }

    /// Hands on all bytes in their order.
    pub fn each_chunk(&mut self, mut hand: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.file.is_some() {
            self.spill()?;
        }
        let Some(file) = &mut self.file else { return hand(&self.memory) };
        file.seek(SeekFrom::Start(0))?;
        let mut chunk = vec![0; CHUNK];
        let mut left = self.spilled;
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let part = chunk.get_mut(..length).unwrap_or_default();
            file.read_exact(part)?;
            hand(part)?;
            left -= length as u64;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(File::options().read(true).write(true).create(true).truncate(true).open(&self.path)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.memory)?;
            self.spilled += self.memory.len() as u64;
            self.memory.clear();
        }
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.file.is_some()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a file of entries was left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_read_in_order_as_often_as_needed() {
        let directory = tempfile::tempdir().unwrap();
        for count in [0usize, 1, 3, 40_000] {
            let path = directory.path().join("entries");
            let mut spool = Spool::new(path.clone());
            let mut wanted = Vec::new();
            for number in 0..count {
                let entry = (number as u64).to_be_bytes();
                wanted.extend_from_slice(&entry);
                let add = |out: &mut Vec<u8>| {
                    out.extend_from_slice(&entry);
                    Ok(())
                };
                spool.add(add).unwrap().unwrap();
            }
            assert_eq!((spool.length(), spool.entries()), (wanted.len() as u64, count as u64));
            for _ in 0..2 {
                let mut read = Vec::new();
                spool
                    .each_chunk(|chunk| {
                        read.extend_from_slice(chunk);
                        Ok(())
                    })
                    .unwrap();
                assert!(read == wanted, "{count}");
            }
            assert_eq!(path.exists(), count == 40_000, "only what does not fit in memory needs a file");
            drop(spool);
            assert!(!path.exists());
        }
    }
}
