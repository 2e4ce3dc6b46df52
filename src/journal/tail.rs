//! What stands behind the last valid frame: nothing, a frame that a power cut tore, or proof of damage.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::frame::{HEADER, Header, HeaderRead, MAGIC};

/// The end of the journal as replay found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing but zeros, which are room made in advance.
    Clean,
    /// So many bytes that were never a whole frame.
    Torn { bytes: u64 },
}

/// What was found behind an invalid frame.
pub(super) enum Found {
    Tail(Tail),
    /// A valid frame follows, so the invalid one was once acknowledged.
    FrameBehind,
}

/// Looks at everything from `offset` on, where no valid frame with a sequence after `sequence` begins.
pub(super) fn examine(file: &File, offset: u64, sequence: u64) -> std::io::Result<Found> {
    let length = file.metadata()?.len().saturating_sub(offset);
    let mut rest = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let mut filled = 0;
    // The file may shrink meanwhile when a running daemon rolls to the next segment.
    while filled < rest.len() {
        match file.read_at(&mut rest[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    rest.truncate(filled);
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
        return Ok(Found::Tail(Tail::Clean));
    };
    rest.truncate(last + 1);
    let candidates = rest.windows(MAGIC.len()).enumerate().skip(1).filter(|(_, window)| *window == MAGIC);
    for (at, _) in candidates {
        // A checksum may end in zeros only inside the frame, never behind it, so cutting the zeros off lost at most a payload's last bytes.
        if is_frame(file, offset + at as u64, sequence)? {
            return Ok(Found::FrameBehind);
        }
    }
    Ok(Found::Tail(Tail::Torn { bytes: (last + 1) as u64 }))
}

fn is_frame(file: &File, offset: u64, sequence: u64) -> std::io::Result<bool> {
    let mut bytes = [0; HEADER];
    if !read_fully(file, &mut bytes, offset)? {
        return Ok(false);
    }
    let HeaderRead::Header(header) = Header::read(&bytes) else { return Ok(false) };
    if header.first <= sequence {
        return Ok(false);
    }
    let mut payload = vec![0; header.length as usize];
    Ok(read_fully(file, &mut payload, offset + HEADER as u64)? && header.is_intact(&payload))
}

fn read_fully(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
