//! Frames: four bytes of length, the least significant first, and as many bytes.

use std::io::{self, Read};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroize;

/// The longest frame: a message for Ed25519 and a little around it.
pub const LONGEST: usize = 16 << 20;
/// What is asked of the socket at once.
const PIECE: usize = 64 << 10;

/// The other side sends what is no frame, or no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    #[error("a frame is longer than {LONGEST} bytes")]
    TooLong,
    #[error("a frame holds no message that is known")]
    Content,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Bad(#[from] BadFrame),
    #[error("the connection failed")]
    Connection(#[from] io::Error),
}

impl ReadError {
    /// Whether nothing came in time; reading may go on.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Connection(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }
}

/// Reads frames from a stream, several at a time when they are there.
pub struct Frames<R> {
    source: R,
    buffer: Vec<u8>,
    /// What lies between here and `start` was read and is still to be wiped.
    read: usize,
    start: usize,
    end: usize,
}

impl<R: Read> Frames<R> {
    /// The content of the next frame; None at the end of the stream, also when that comes within a frame.
    pub fn read(&mut self) -> Result<Option<&[u8]>, ReadError> {
        loop {
            if let Some(content) = self.next()? {
                return Ok(self.buffer.get(content));
            }
            let (room, source) = self.room();
            let read = loop {
                match source.read(room) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
            if !self.filled(read) {
                return Ok(None);
            }
        }
    }
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// The same for a task.
    pub async fn await_next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        loop {
            if let Some(content) = self.next()? {
                return Ok(self.buffer.get(content));
            }
            let (room, source) = self.room();
            let read = source.read(room).await?;
            if !self.filled(read) {
                return Ok(None);
            }
        }
    }
}

impl<R> Frames<R> {
    pub fn new(source: R) -> Self {
        Self { source, buffer: vec![0; PIECE], read: 0, start: 0, end: 0 }
    }

    /// Goes on with another view of the same stream.
    pub fn of<S, E>(self, other: impl FnOnce(R) -> Result<S, E>) -> Result<Frames<S>, E> {
        let Self { source, buffer, read, start, end } = self;
        Ok(Frames { source: other(source)?, buffer, read, start, end })
    }

    /// Whether the next frame was read already, as a whole; so is one that is wrong.
    pub fn is_one_there(&self) -> bool {
        let filled = self.buffer.get(self.start..self.end).unwrap_or_default();
        split(filled).map_or(true, |length| length.is_some())
    }

    /// Where the content of the next frame lies, when all of it was read.
    fn next(&mut self) -> Result<Option<Range<usize>>, BadFrame> {
        self.wipe();
        let filled = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(length) = split(filled)? else { return Ok(None) };
        let from = self.start + 4;
        self.start = from + length;
        Ok(Some(from..self.start))
    }

    /// The frame that was read before may have held a private key, and the next one may come much later.
    fn wipe(&mut self) {
        if let Some(read) = self.buffer.get_mut(self.read..self.start) {
            read.zeroize();
        }
        self.read = self.start;
    }

    /// Whether these bytes are still anywhere in the buffer.
    #[cfg(test)]
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.buffer.windows(bytes.len()).any(|window| window == bytes)
    }

    /// Where more goes, and where it comes from.
    fn room(&mut self) -> (&mut [u8], &mut R) {
        self.buffer.copy_within(self.start..self.end, 0);
        let moved = self.end - self.start;
        // What was moved to the front stands behind it still.
        if let Some(left) = self.buffer.get_mut(moved.max(self.start)..self.end) {
            left.zeroize();
        }
        (self.read, self.start, self.end) = (0, 0, moved);
        if self.end == self.buffer.len() {
            // Doubled by what has arrived, not by what the length promises.
            self.buffer.resize(2 * self.end, 0);
        } else if self.end == 0 && self.buffer.len() > PIECE {
            self.buffer.truncate(PIECE);
            self.buffer.shrink_to_fit();
        }
        (self.buffer.get_mut(self.end..).unwrap_or_default(), &mut self.source)
    }

    /// So much came; false when that was the end.
    fn filled(&mut self, read: usize) -> bool {
        self.end += read;
        read > 0
    }
}

/// How long the first frame's content is, when all of it is there.
fn split(bytes: &[u8]) -> Result<Option<usize>, BadFrame> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| BadFrame::TooLong)?;
    if length > LONGEST {
        return Err(BadFrame::TooLong);
    }
    Ok((rest.len() >= length).then_some(length))
}

/// Appends a message as a frame. What cannot be written leaves nothing behind.
pub fn write<T: Serialize>(out: &mut Vec<u8>, message: &T) -> Result<(), BadFrame> {
    let Ok(content) = postcard::to_allocvec(message) else { return Err(BadFrame::Content) };
    if content.len() > LONGEST {
        return Err(BadFrame::TooLong);
    }
    let length = u32::try_from(content.len()).map_err(|_| BadFrame::TooLong)?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&content);
    Ok(())
}

/// Reads a message that is the whole content of a frame.
pub fn read<'a, T: Deserialize<'a>>(content: &'a [u8]) -> Result<T, BadFrame> {
    match postcard::take_from_bytes(content) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(BadFrame::Content),
    }
}
