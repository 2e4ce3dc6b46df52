//! Paging through the notes of changes by sequence. They are found in the journal through marks, one for about 256 KiB, which are made when they are
//! first needed and kept in memory: 16 bytes for each mark, so 4 KiB for each segment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::shared::Shared;
use super::{ReadError, RecordFault, Table, record};
use crate::journal::{self, Chain, JournalError, Mark, Position, Reader};

/// How many bytes of journal lie between two marks.
const SPACING: u32 = 256 << 10;

/// A change's note and what vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub sequence: u64,
    /// When it was committed.
    pub time: Timestamp,
    /// The note; empty when the change had none.
    pub note: Vec<u8>,
    /// The hash of the frame it stands in.
    pub chain: Chain,
}

/// The note in a record of the journal, for those who read a journal without a store. Each write goes to `each`: its table, its key, and the
/// value unless the key was deleted.
pub fn read_record<'a>(
    found: &journal::Record<'a>,
    mut each: impl FnMut(Table, &'a [u8], Option<&'a [u8]>),
) -> Result<&'a [u8], RecordFault> {
    record::read(found.bytes, 0, found.offset, |write| each(write.table, write.key, write.value.map(|value| value.bytes)))
}

/// Where to begin looking for a sequence.
#[derive(Debug, Default)]
pub(super) struct Marks {
    segments: Mutex<BTreeMap<u32, Vec<Mark>>>,
}

impl Marks {
    /// The last mark that is not behind a sequence, which is one of those before `end`.
    fn find(&self, reader: &Reader, end: Position, sequence: u64) -> Result<Mark, JournalError> {
        // The last segment may have been made and not written to yet.
        let mut high = if end.offset == 0 { end.segment.saturating_sub(1).max(1) } else { end.segment };
        let mut low = 1;
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if reader.first_of(middle)? <= sequence { low = middle } else { high = middle - 1 }
        }
        let stop = if low == end.segment { end.offset } else { reader.closed_length(low)? };
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        let marks = segments.entry(low).or_default();
        // What was added since the last look is behind the last mark.
        if low == end.segment || marks.is_empty() || !is_complete(marks, stop) {
            let start = marks.pop().map_or(0, |mark| mark.offset);
            marks.extend(reader.marks(low, start, stop, SPACING)?);
        }
        let at = marks.partition_point(|mark| mark.first <= sequence);
        Ok(at.checked_sub(1).and_then(|at| marks.get(at)).copied().unwrap_or(Mark { first: 1, segment: low, offset: 0 }))
    }
}

/// Whether the marks of a closed segment reach its end.
fn is_complete(marks: &[Mark], stop: u32) -> bool {
    marks.last().is_some_and(|mark| stop.saturating_sub(mark.offset) <= SPACING)
}

/// The records behind a sequence, oldest first.
#[derive(Debug)]
pub(super) struct Forward {
    shared: Arc<Shared>,
    end: Position,
    /// The next frame; none before the first was looked for.
    at: Option<(u32, u32)>,
    after: u64,
    fetched: VecDeque<Record>,
    buffer: Vec<u8>,
    has_failed: bool,
}

impl Forward {
    pub fn new(shared: Arc<Shared>, after: u64) -> Self {
        let end = *shared.end();
        Self { shared, end, at: None, after, fetched: VecDeque::new(), buffer: Vec::new(), has_failed: false }
    }

    /// Reads frames until there is something to give or nothing more.
    fn fetch(&mut self) -> Result<(), ReadError> {
        while self.fetched.is_empty() && self.after < self.end.sequence {
            let (mut segment, mut offset) = match self.at {
                Some(at) => at,
                None => {
                    let mark = self.shared.marks.find(&self.shared.reader, self.end, self.after + 1)?;
                    (mark.segment, mark.offset)
                }
            };
            if segment < self.end.segment && offset >= self.shared.reader.closed_length(segment)? {
                (segment, offset) = (segment + 1, 0);
            }
            let next = read_frame(&self.shared, segment, offset, &mut self.buffer, self.after + 1..=self.end.sequence, &mut self.fetched)?;
            self.after = self.fetched.back().map_or(self.after, |record| record.sequence);
            self.at = Some((segment, next));
        }
        Ok(())
    }
}

impl Iterator for Forward {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        if self.fetched.is_empty()
            && let Err(error) = self.fetch()
        {
            self.has_failed = true;
            return Some(Err(error));
        }
        self.fetched.pop_front().map(Ok)
    }
}

/// The records before a sequence, newest first.
#[derive(Debug)]
pub(super) struct Backward {
    shared: Arc<Shared>,
    end: Position,
    before: u64,
    /// Oldest first; given from the back.
    fetched: VecDeque<Record>,
    buffer: Vec<u8>,
    has_failed: bool,
}

impl Backward {
    pub fn new(shared: Arc<Shared>, before: u64) -> Self {
        let end = *shared.end();
        Self { shared, end, before: before.min(end.sequence + 1), fetched: VecDeque::new(), buffer: Vec::new(), has_failed: false }
    }

    /// Reads the frames between the mark before `before` and there.
    fn fetch(&mut self) -> Result<(), ReadError> {
        let Some(last) = self.before.checked_sub(1).filter(|last| *last > 0) else { return Ok(()) };
        let mark = self.shared.marks.find(&self.shared.reader, self.end, last)?;
        let mut offset = mark.offset;
        while self.fetched.back().is_none_or(|record| record.sequence < last) {
            offset = read_frame(&self.shared, mark.segment, offset, &mut self.buffer, mark.first..=last, &mut self.fetched)?;
        }
        self.before = mark.first;
        Ok(())
    }
}

impl Iterator for Backward {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        if self.fetched.is_empty()
            && let Err(error) = self.fetch()
        {
            self.has_failed = true;
            return Some(Err(error));
        }
        self.fetched.pop_back().map(Ok)
    }
}

/// Adds the wanted records of one frame; the offset behind it.
fn read_frame(
    shared: &Shared,
    segment: u32,
    offset: u32,
    buffer: &mut Vec<u8>,
    wanted: std::ops::RangeInclusive<u64>,
    out: &mut VecDeque<Record>,
) -> Result<u32, ReadError> {
    let (frame, next) = shared.reader.frame(segment, offset, buffer)?;
    let time = time_of(frame.time);
    for found in frame.records().filter(|found| wanted.contains(&found.sequence)) {
        let fault = |fault| ReadError::Record { sequence: found.sequence, fault };
        let note = record::read(found.bytes, segment, found.offset, |_| ()).map_err(fault)?;
        out.push_back(Record { sequence: found.sequence, time, note: note.to_vec(), chain: frame.chain });
    }
    Ok(next)
}

/// The time a frame carries.
pub(super) fn time_of(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
