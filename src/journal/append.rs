//! The writing end: one owner, one frame at a time.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{HEADER, MAX_PAYLOAD, seal};
use super::{AppendError, Batch, Chain, Fault, Frames, JournalError, Position, Reader, Tail, segment};

/// How a journal is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A segment is closed before it grows beyond this.
    pub segment_bytes: u32,
    /// How much room is written with zeros in advance, at most; 0 for none. An `fdatasync` over such room has no new file size to write: for a frame
    /// of 16 KiB it was measured at 96 to 106 µs where appending took 154 to 219 (`docs/decisions/index-in-pages.md`).
    pub room_bytes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, room_bytes: 1 << 20 }
    }
}

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    options: Options,
    file: Arc<File>,
    reader: Reader,
    at: Position,
    before: Option<Position>,
    /// The file is zeros from the end of the last frame up to here.
    room_end: u32,
    makes_room: bool,
    is_dead: bool,
}

/// A frame that is durable.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// The sequence of the batch's first record.
    pub first: u64,
    pub segment: u32,
    /// Where the frame begins.
    pub offset: u32,
    /// The hash up to and with it.
    pub chain: Chain,
}

/// How the journal was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Bytes of a torn frame that were cut off and kept beside the journal.
    pub torn_bytes: u64,
}

impl Journal {
    /// Begins to write where replay ended. A torn frame is cut off and its bytes are kept in `torn-<sequence>.bin`. When the journal ends before
    /// `acknowledged`, something durable was lost, and it is refused.
    pub fn resume(frames: Frames, options: Options, acknowledged: u64) -> Result<(Self, Resumed), JournalError> {
        let (folder, at, before) = (frames.folder.clone(), frames.position(), frames.position_before());
        if at.sequence < acknowledged {
            return Err(JournalError::Corrupt { segment: at.segment, offset: at.offset.into(), fault: Fault::Acknowledged });
        }
        let failed = |source| JournalError::Io { path: segment::path(&folder, at.segment), source };
        let file = segment::open_for_writing(&folder, at.segment).map_err(failed)?;
        let torn_bytes = match frames.tail() {
            Some(Tail::Torn { bytes }) => {
                cut(&folder, &file, at, bytes).map_err(failed)?;
                bytes
            }
            Some(Tail::Clean) | None => 0,
        };
        let room_end = file.metadata().map_err(failed)?.len();
        let room_end = u32::try_from(room_end).unwrap_or(u32::MAX);
        let file = Arc::new(file);
        let reader = Reader::new(&folder, at.segment, Arc::clone(&file));
        let journal = Self { folder, options, file, reader, at, before, room_end, makes_room: options.room_bytes > 0, is_dead: false };
        Ok((journal, Resumed { torn_bytes }))
    }

    /// Opens a journal that is checked from its first frame on.
    pub fn open(folder: &Path, options: Options) -> Result<(Self, Resumed), JournalError> {
        fs::create_dir_all(folder).map_err(|source| JournalError::Io { path: folder.to_owned(), source })?;
        let mut frames = Frames::open(folder, Position::START)?;
        while frames.next_frame()?.is_some() {}
        Self::resume(frames, options, 0)
    }

    /// Writes the batch as one frame and makes it durable. When this fails, nothing of it counts.
    pub fn append(&mut self, batch: &mut Batch, time: i64) -> Result<Appended, AppendError> {
        if self.is_dead {
            return Err(AppendError::Dead);
        }
        if batch.frame.len() > HEADER + MAX_PAYLOAD || batch.frame.len() > self.options.segment_bytes as usize {
            return Err(AppendError::TooLarge);
        }
        // The bound above is below 4 GiB.
        let size = batch.frame.len() as u32;
        if self.at.offset.checked_add(size).is_none_or(|end| end > self.options.segment_bytes) {
            self.roll()?;
        }
        let chain = seal(&mut batch.frame, &self.at.chain, self.at.sequence + 1, batch.count, time);
        let (start, end) = (self.at.offset, self.at.offset + size);
        self.make_room(end)?;
        if let Err(error) = self.file.write_all_at(&batch.frame, start.into()) {
            return Err(self.write_failed(error));
        }
        if let Err(error) = self.file.sync_data() {
            self.is_dead = true;
            return Err(AppendError::Failed(error));
        }
        let appended = Appended { first: self.at.sequence + 1, segment: self.at.segment, offset: start, chain };
        self.before = Some(self.at);
        self.at = Position { offset: end, sequence: self.at.sequence + u64::from(batch.count), chain, ..self.at };
        self.room_end = self.room_end.max(end);
        Ok(appended)
    }

    /// The position behind the last frame.
    pub fn position(&self) -> Position {
        self.at
    }

    /// The position before the last frame that was read or written; none when there was none.
    pub fn position_before(&self) -> Option<Position> {
        self.before
    }

    /// For reading places while this journal goes on writing.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Whether an earlier error closed it for good.
    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Closes the segment at its last frame and begins the next.
    fn roll(&mut self) -> Result<(), AppendError> {
        let next = self.at.segment + 1;
        // First cut, then begin: so only the last segment can end in anything but a whole frame.
        let closed = self.file.set_len(self.at.offset.into()).and_then(|()| self.file.sync_all());
        self.room_end = self.at.offset;
        if let Err(error) = closed {
            self.is_dead = true;
            return Err(AppendError::Failed(error));
        }
        match segment::open_for_writing(&self.folder, next) {
            Ok(file) => {
                self.file = Arc::new(file);
                self.reader.add(next, Arc::clone(&self.file));
                self.at = Position { segment: next, offset: 0, ..self.at };
                self.room_end = 0;
                self.makes_room = self.options.room_bytes > 0;
                Ok(())
            }
            Err(error) => Err(self.write_failed(error)),
        }
    }

    /// Keeps zeros ahead of the frames. The more a segment holds, the larger the step, so that a small journal stays small.
    fn make_room(&mut self, end: u32) -> Result<(), AppendError> {
        if !self.makes_room || end <= self.room_end {
            return Ok(());
        }
        let step = self.at.offset.clamp(64 << 10, self.options.room_bytes.max(64 << 10));
        let target = end.saturating_add(step).min(self.options.segment_bytes).max(end);
        let mut from = self.room_end.max(self.at.offset);
        while from < target {
            let length = (target - from).min(ZEROS.len() as u32);
            match self.file.write_all_at(&ZEROS[..length as usize], from.into()) {
                Ok(()) => from += length,
                Err(error) if is_full(&error) => {
                    // There may still be room for the frame itself.
                    self.makes_room = false;
                    return self.cut_back();
                }
                Err(error) => return Err(self.write_failed(error)),
            }
        }
        self.room_end = target;
        Ok(())
    }

    fn write_failed(&mut self, error: io::Error) -> AppendError {
        if !is_full(&error) {
            self.is_dead = true;
            return AppendError::Failed(error);
        }
        match self.cut_back() {
            Ok(()) => AppendError::Full,
            Err(error) => error,
        }
    }

    /// Takes back everything behind the last frame.
    fn cut_back(&mut self) -> Result<(), AppendError> {
        match self.file.set_len(self.at.offset.into()) {
            Ok(()) => {
                self.room_end = self.at.offset;
                Ok(())
            }
            Err(error) => {
                self.is_dead = true;
                Err(AppendError::Failed(error))
            }
        }
    }
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Keeps the bytes of a torn frame for those who want to look, then cuts them off.
fn cut(folder: &Path, file: &File, at: Position, bytes: u64) -> io::Result<()> {
    let mut torn = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut torn, at.offset.into())?;
    // Keeping them is a courtesy: on a full disk the cut must work all the same.
    match fs::write(folder.join(format!("torn-{}.bin", at.sequence + 1)), &torn) {
        Ok(()) => {}
        Err(error) if is_full(&error) => {}
        Err(error) => return Err(error),
    }
    file.set_len(at.offset.into())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_write_error_nothing_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(dir.path(), Options::default()).unwrap();
        let mut batch = Batch::new();
        batch.record(|out| out.push(1));
        journal.append(&mut batch, 0).unwrap();
        // A file that cannot be written stands for a broken disk.
        let good = std::mem::replace(&mut journal.file, Arc::new(File::open(segment::path(dir.path(), 1)).unwrap()));
        assert!(matches!(journal.append(&mut batch, 0), Err(AppendError::Failed(_))));
        journal.file = good;
        assert!(journal.is_dead());
        assert!(matches!(journal.append(&mut batch, 0), Err(AppendError::Dead)));
        assert_eq!(journal.position().sequence, 1);
    }
}
