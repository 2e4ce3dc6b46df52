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

/// Hands on every whole line; the length up to the last of them. A line that was cut by a crash is the end.
pub fn each_line(path: &Path, file: &mut File, mut hand: impl FnMut(Line<'_>)) -> Result<u64, RevocationJournalError> {
    let failed = |source| RevocationJournalError::File { path: path.to_owned(), source };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(failed)?;
    if magic != *MAGIC {
        return Err(RevocationJournalError::Form(path.to_owned()));
    }
    let mut length = MAGIC.len() as u64;
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line).map_err(failed)? {
        match postcard::from_bytes(&line) {
            Ok(read) => hand(read),
            // Its checksum is right, so it was written so, by a version that knows more.
            Err(_) => return Err(RevocationJournalError::Form(path.to_owned())),
        }
        length += 8 + line.len() as u64;
    }
    Ok(length)
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
