//! Reading a journal from a position to its end, checking every frame.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{Frame, HEADER, Header, HeaderRead};
use super::tail::{self, Found, Tail};
use super::{Fault, JournalError, Position, segment};

/// How much is read ahead.
const READ_AHEAD: usize = 1 << 20;

/// The frames from a position on. Every one that comes out has a valid checksum, continues the hash chain and the sequence.
#[derive(Debug)]
pub struct Frames {
    pub(super) folder: PathBuf,
    segments: Vec<u32>,
    file: Option<BufReader<File>>,
    at: Position,
    /// The position before the frame that came out last.
    before: Option<Position>,
    tail: Option<Tail>,
    payload: Vec<u8>,
}

/// How the bytes at the current position read.
enum Step {
    Frame(Header),
    EndOfFile,
    Bad(Fault),
}

impl Frames {
    /// Begins at a position, which is believed. A folder without segments is an empty journal.
    pub fn open(folder: &Path, from: Position) -> Result<Self, JournalError> {
        let segments = segment::list(folder)?;
        let mut frames = Self { folder: folder.to_owned(), segments, file: None, at: from, before: None, tail: None, payload: Vec::new() };
        if frames.segments.is_empty() && from == Position::START {
            frames.tail = Some(Tail::Clean);
            return Ok(frames);
        }
        let file = segment::open(folder, from.segment)?;
        frames.seek(file)?;
        Ok(frames)
    }

    /// The next frame, or none at the end of the journal.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, JournalError> {
        if self.tail.is_some() {
            return Ok(None);
        }
        loop {
            match self.step()? {
                Step::Frame(header) => return self.accept(&header).map(Some),
                Step::EndOfFile if self.next_segment()? => {}
                Step::EndOfFile => {
                    self.tail = Some(Tail::Clean);
                    return Ok(None);
                }
                Step::Bad(fault) => {
                    self.tail = Some(self.end(fault)?);
                    return Ok(None);
                }
            }
        }
    }

    /// The position behind the last frame that came out.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The position before that frame.
    pub fn position_before(&self) -> Option<Position> {
        self.before
    }

    /// What stands at the end; none before the end is reached.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// Looks again at the end, which a running daemon may have moved.
    pub(super) fn look_again(&mut self) -> Result<(), JournalError> {
        self.segments = segment::list(&self.folder)?;
        self.tail = None;
        let file = segment::open(&self.folder, self.at.segment)?;
        self.seek(file)
    }

    fn seek(&mut self, file: File) -> Result<(), JournalError> {
        let mut reader = BufReader::with_capacity(READ_AHEAD, file);
        reader.seek(SeekFrom::Start(self.at.offset.into())).map_err(|source| self.io(source))?;
        self.file = Some(reader);
        Ok(())
    }

    /// Reads one frame into the buffer, without judging the end of the journal.
    fn step(&mut self) -> Result<Step, JournalError> {
        let Some(file) = self.file.as_mut() else { return Ok(Step::EndOfFile) };
        let at = self.at;
        let failed = |source| JournalError::Io { path: segment::path(&self.folder, at.segment), source };
        let mut bytes = [0; HEADER];
        match fill(file, &mut bytes).map_err(failed)? {
            0 => return Ok(Step::EndOfFile),
            HEADER => {}
            _ => return Ok(Step::Bad(Fault::Short)),
        }
        let header = match Header::read(&bytes) {
            HeaderRead::Header(header) => header,
            HeaderRead::Newer(version) => return Err(JournalError::Newer { segment: at.segment, offset: at.offset.into(), version }),
            HeaderRead::Not(fault) => return Ok(Step::Bad(fault)),
        };
        self.payload.resize(header.length as usize, 0);
        if fill(file, &mut self.payload).map_err(failed)? < self.payload.len() {
            return Ok(Step::Bad(Fault::Short));
        }
        if !header.is_intact(&self.payload) {
            return Ok(Step::Bad(Fault::Checksum));
        }
        Ok(Step::Frame(header))
    }

    /// Checks that an intact frame continues the journal. Where it does not, no power cut is to blame.
    fn accept(&mut self, header: &Header) -> Result<Frame<'_>, JournalError> {
        let at = self.at;
        let corrupt = |fault| JournalError::Corrupt { segment: at.segment, offset: at.offset.into(), fault };
        if header.first != at.sequence + 1 {
            return Err(corrupt(Fault::Sequence));
        }
        if !header.follows(&at.chain, &self.payload) {
            return Err(corrupt(Fault::Chain));
        }
        let frame = Frame {
            segment: at.segment,
            offset: at.offset,
            first: header.first,
            count: header.count,
            time: header.time,
            chain: header.chain,
            payload: &self.payload,
        };
        if !frame.is_whole() {
            return Err(corrupt(Fault::Records));
        }
        self.before = Some(at);
        self.at = Position {
            segment: at.segment,
            offset: at.offset + HEADER as u32 + header.length,
            sequence: at.sequence + u64::from(header.count),
            chain: header.chain,
        };
        Ok(frame)
    }

    fn next_segment(&mut self) -> Result<bool, JournalError> {
        let next = self.at.segment + 1;
        if self.segments.last().is_none_or(|last| *last < next) {
            return Ok(false);
        }
        let file = segment::open(&self.folder, next)?;
        self.at = Position { segment: next, offset: 0, ..self.at };
        self.seek(file)?;
        Ok(true)
    }

    /// Judges bytes that are no frame: room made in advance, a torn frame, or damage.
    fn end(&self, fault: Fault) -> Result<Tail, JournalError> {
        let offset = u64::from(self.at.offset);
        let corrupt = JournalError::Corrupt { segment: self.at.segment, offset, fault };
        // A segment is cut to its last frame before the next one is made.
        if self.segments.last().is_some_and(|last| *last > self.at.segment) {
            return Err(corrupt);
        }
        let Some(file) = self.file.as_ref() else { return Ok(Tail::Clean) };
        match tail::examine(file.get_ref(), offset, self.at.sequence).map_err(|source| self.io(source))? {
            Found::Tail(tail) => Ok(tail),
            Found::FrameBehind => Err(corrupt),
        }
    }

    fn io(&self, source: std::io::Error) -> JournalError {
        JournalError::Io { path: segment::path(&self.folder, self.at.segment), source }
    }
}

/// Reads until the buffer is full or the file ends; how much it was.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
