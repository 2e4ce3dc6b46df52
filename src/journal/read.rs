//! Reading places and frames while the journal is being written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::frame::{Frame, HEADER, Header, HeaderRead};
use super::{Fault, JournalError, Place, segment};

/// How many segments are kept open.
const OPEN_SEGMENTS: usize = 256;

/// A handle for reading; clones share the open files.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    files: RwLock<BTreeMap<u32, Arc<File>>>,
}

/// A frame's first sequence and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub first: u64,
    pub segment: u32,
    pub offset: u32,
}

impl Reader {
    pub(super) fn new(folder: &Path, segment: u32, file: Arc<File>) -> Self {
        Self { shared: Arc::new(Shared { folder: folder.to_owned(), files: RwLock::new(BTreeMap::from([(segment, file)])) }) }
    }

    /// The bytes at a place, as they are: whoever made the place knows how to check them.
    pub fn read(&self, place: Place) -> Result<Vec<u8>, JournalError> {
        let mut bytes = vec![0; place.length as usize];
        self.file(place.segment)?.read_exact_at(&mut bytes, place.offset.into()).map_err(|source| self.failed(place.segment, source))?;
        Ok(bytes)
    }

    /// The frame that begins at an offset, checked by its checksum, and the offset behind it. `buffer` keeps the payload.
    pub fn frame<'a>(&self, segment: u32, offset: u32, buffer: &'a mut Vec<u8>) -> Result<(Frame<'a>, u32), JournalError> {
        let file = self.file(segment)?;
        let header = self.header(&file, segment, offset)?;
        buffer.resize(header.length as usize, 0);
        file.read_exact_at(buffer, u64::from(offset) + HEADER as u64).map_err(|source| self.failed(segment, source))?;
        if !header.is_intact(buffer) {
            return Err(JournalError::Corrupt { segment, offset: offset.into(), fault: Fault::Checksum });
        }
        let Header { first, count, time, chain, length, .. } = header;
        let frame = Frame { segment, offset, first, count, time, chain, payload: buffer };
        Ok((frame, offset + HEADER as u32 + length))
    }

    /// Marks for the frames between two frame boundaries of a segment, about one for each `spacing` bytes.
    pub fn marks(&self, segment: u32, start: u32, end: u32, spacing: u32) -> Result<Vec<Mark>, JournalError> {
        let file = self.file(segment)?;
        let (mut marks, mut offset, mut next_mark) = (Vec::new(), start, start);
        while offset < end {
            let header = self.header(&file, segment, offset)?;
            if offset >= next_mark {
                marks.push(Mark { first: header.first, segment, offset });
                next_mark = offset.saturating_add(spacing);
            }
            offset = offset + HEADER as u32 + header.length;
        }
        Ok(marks)
    }

    /// How long a segment is that is no longer written to.
    pub fn closed_length(&self, segment: u32) -> Result<u32, JournalError> {
        let length = self.file(segment)?.metadata().map_err(|source| self.failed(segment, source))?.len();
        Ok(u32::try_from(length).unwrap_or(u32::MAX))
    }

    /// The first sequence of a segment.
    pub fn first_of(&self, segment: u32) -> Result<u64, JournalError> {
        Ok(self.header(&*self.file(segment)?, segment, 0)?.first)
    }

    pub(super) fn add(&self, segment: u32, file: Arc<File>) {
        let mut files = self.shared.files.write().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= OPEN_SEGMENTS {
            files.pop_first();
        }
        files.insert(segment, file);
    }

    fn header(&self, file: &File, segment: u32, offset: u32) -> Result<Header, JournalError> {
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, offset.into()).map_err(|source| self.failed(segment, source))?;
        match Header::read(&bytes) {
            HeaderRead::Header(header) => Ok(header),
            HeaderRead::Newer(version) => Err(JournalError::Newer { segment, offset: offset.into(), version }),
            HeaderRead::Not(fault) => Err(JournalError::Corrupt { segment, offset: offset.into(), fault }),
        }
    }

    fn file(&self, segment: u32) -> Result<Arc<File>, JournalError> {
        let files = self.shared.files.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&segment) {
            return Ok(Arc::clone(file));
        }
        drop(files);
        let file = Arc::new(segment::open(&self.shared.folder, segment)?);
        self.add(segment, Arc::clone(&file));
        Ok(file)
    }

    fn failed(&self, segment: u32, source: io::Error) -> JournalError {
        JournalError::Io { path: segment::path(&self.shared.folder, segment), source }
    }
}
