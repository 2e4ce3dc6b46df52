//! The form of the file: lines with their length and checksum.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::RevocationJournalError;

/// One line; kinds are added, never changed.
#[expect(clippy::enum_variant_names, reason = "each kind says in which version its form came, as records do")]
#[derive(Serialize, Deserialize)]
pub enum Line<'a> {
    V1Log {
        ca: [u8; 16],
        /// The change in the store.
        sequence: u64,
        entry: &'a [u8],
    },
    /// The highest CRL number that may have been used.
    V1Number { ca: [u8; 16], number: u64 },
    /// What was revoked before there was this file, or a log in the store.
    V1Earlier { ca: [u8; 16], entry: &'a [u8] },
    /// Whatever was revoked before this line was written is in the file.
    V1Complete,
}

/// What the file begins with.
pub const MAGIC: &[u8; 4] = b"CHR1";
const LONGEST_LINE: usize = 4 << 10;

/// What was found to be in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its length up to the last whole line.
    pub length: u64,
    /// How many bytes between whole lines are none.
    pub damaged: u64,
    /// How many bytes stand behind the last whole line: one that was cut by a crash.
    pub cut: u64,
}

/// Hands on every whole line, those behind damaged ones too: each is true by itself.
pub fn each_line(path: &Path, file: &mut File, mut hand: impl FnMut(Line<'_>)) -> Result<Extent, RevocationJournalError> {
    let failed = |source| RevocationJournalError::File { path: path.to_owned(), source };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 18, &mut *file);
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(failed)?;
    if magic != *MAGIC {
        return Err(RevocationJournalError::Form(path.to_owned()));
    }
    let mut extent = Extent { length: MAGIC.len() as u64, ..Extent::default() };
    let mut line = Vec::new();
    loop {
        while read_line(&mut reader, &mut line).map_err(failed)? {
            match postcard::from_bytes(&line) {
                Ok(read) => hand(read),
                // Its checksum is right, so it was written so, by a version that knows more.
                Err(_) => return Err(RevocationJournalError::Form(path.to_owned())),
            }
            extent.length += 8 + line.len() as u64;
        }
        // Rare enough to be in memory as a whole.
        let mut rest = Vec::new();
        reader.seek(SeekFrom::Start(extent.length)).and_then(|_| reader.read_to_end(&mut rest)).map_err(failed)?;
        let Some(damaged) = whole_line_in(&rest) else {
            return Ok(Extent { cut: rest.len() as u64, ..extent });
        };
        extent.length += damaged as u64;
        extent.damaged += damaged as u64;
        reader.seek(SeekFrom::Start(extent.length)).map_err(failed)?;
    }
}

/// Where in bytes that begin with no whole line the next one is.
fn whole_line_in(bytes: &[u8]) -> Option<usize> {
    let mut line = Vec::new();
    (1..bytes.len()).find(|at| {
        let mut from = bytes.get(*at..).unwrap_or_default();
        read_line(&mut from, &mut line).is_ok_and(|is_whole| is_whole) && postcard::from_bytes::<Line<'_>>(&line).is_ok()
    })
}

fn read_line(reader: &mut impl Read, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut head = [0; 8];
    let whole = |read: io::Result<()>| match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    };
    if !whole(reader.read_exact(&mut head))? {
        return Ok(false);
    }
    let [a, b, c, d, crc @ ..] = head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length == 0 || length > LONGEST_LINE {
        return Ok(false);
    }
    line.resize(length, 0);
    Ok(whole(reader.read_exact(line))? && crc32fast::hash(line) == u32::from_be_bytes(crc))
}

/// Adds a line to bytes that are going to be written.
pub fn write_line(out: &mut Vec<u8>, line: &Line<'_>) -> io::Result<()> {
    let bytes = postcard::to_allocvec(line).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}
