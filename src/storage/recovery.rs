//! Opening a store: the index as far as it can be trusted, and the journal for everything else.
//!
//! The index is believed when the engine opens it, all its pages are those that were written, it is not behind its checkpoint, and the journal has the
//! frame the checkpoint names. Otherwise it is moved aside and made anew from the journal. The journal itself is never repaired beyond cutting off a
//! torn frame that was not acknowledged.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::index::Index;
use super::memory::{Memory, Slot};
use super::shared::Shared;
use super::{IndexFault, OpenError, Opened, Options, ReadError, RebuildReason, Table, record, space};
use crate::journal::{Batch, Frame, Frames, Journal, JournalError, Position, Resumed};

/// The format of what the tables hold; a store with a higher number is refused.
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";
const SUSPECT: &str = "index.suspect";
const INDEX: &str = "index";

/// A store that is ready for its committer.
pub(super) struct Recovered {
    pub shared: Shared,
    pub journal: Journal,
    pub last_time: i64,
    pub opened: Opened,
}

/// Opens a store, making it when the folder is new.
pub(super) fn open(folder: &Path, options: Options) -> Result<Recovered, OpenError> {
    let lock = prepare(folder)?;
    let checkpoint = Checkpoint::read(folder).map_err(failed(folder))?;
    let acknowledged = checkpoint.map_or(0, |checkpoint| checkpoint.end.sequence);
    let mut replay = match usable_index(folder, &options, checkpoint)? {
        Usable::Index(index, frames, from) => {
            Replay { index: *index, frames: *frames, memory: Memory::default(), from, last_time: i64::MIN, reason: None }
        }
        Usable::Rebuild(reason) => rebuild(folder, &options, reason)?,
    };
    replay.run(folder, &options)?;
    let Replay { index, frames, mut memory, from, mut last_time, reason } = replay;
    let acknowledged = acknowledged.max(index.sequence());
    let (mut journal, Resumed { torn_bytes }) = Journal::resume(frames, options.journal, acknowledged)?;
    if journal.position().sequence == 0 {
        last_time = options.clock.now().as_microsecond();
        write_format(&mut journal, &mut memory, last_time)?;
    }
    let opened = Opened { replayed: journal.position().sequence - from, rebuilt: reason, torn_bytes };
    let end = journal.position();
    let shared = Shared::new(folder.to_owned(), options, lock, journal.reader(), index, memory, end);
    check_format(&shared)?;
    if opened.rebuilt.is_some() || checkpoint.is_none() {
        complete(&shared, &journal)?;
    }
    Ok(Recovered { shared, journal, last_time, opened })
}

/// Whether this program can serve a store in which `Meta` holds that.
pub fn reads(key: &[u8], value: &[u8]) -> bool {
    key != FORMAT_KEY || value.try_into().is_ok_and(|format| u32::from_be_bytes(format) <= FORMAT)
}

/// Makes the next start rebuild the index.
pub(super) fn mark_suspect(folder: &Path) -> io::Result<()> {
    File::create(folder.join(SUSPECT))?.sync_all()?;
    File::open(folder)?.sync_all()
}

enum Usable {
    /// The index, what is to be replayed over it, and the sequence before that.
    Index(Box<Index>, Box<Frames>, u64),
    /// A store without an index has none to give a reason for.
    Rebuild(Option<RebuildReason>),
}

fn prepare(folder: &Path) -> Result<File, OpenError> {
    fs::create_dir_all(folder.join("journal")).map_err(failed(folder))?;
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(failed(&path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(OpenError::Locked { path: folder.to_owned() }),
        Err(fs::TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
    Ok(lock)
}

/// Decides whether the index can be believed.
fn usable_index(folder: &Path, options: &Options, checkpoint: Option<Checkpoint>) -> Result<Usable, OpenError> {
    let rebuild = |reason| Ok(Usable::Rebuild(Some(reason)));
    if folder.join(SUSPECT).exists() {
        return rebuild(RebuildReason::Suspect);
    }
    let checkpoint = match (checkpoint, folder.join(INDEX)) {
        (None, path) if !path.exists() => return Ok(Usable::Rebuild(None)),
        (None, _) => return rebuild(RebuildReason::NoCheckpoint),
        (Some(_), path) if !path.exists() => return rebuild(RebuildReason::Missing),
        (Some(checkpoint), _) => checkpoint,
    };
    let index = match open_index(folder, options) {
        Ok(index) => index,
        // A full disk is no reason to throw a good index away.
        Err(fault) if fault.is_full() => return Err(OpenError::Index(ReadError::Index(fault))),
        Err(fault) => return rebuild(RebuildReason::Damaged(fault)),
    };
    if index.sequence() < checkpoint.end.sequence {
        return rebuild(RebuildReason::Behind);
    }
    let journal = folder.join("journal");
    if let Ok(mut frames) = Frames::open(&journal, checkpoint.from)
        && frames.next_frame().is_ok_and(|frame| frame.is_some())
        && frames.position() == checkpoint.end
    {
        // That frame is replayed once more: what it writes, it wrote before.
        let frames = Frames::open(&journal, checkpoint.from)?;
        return Ok(Usable::Index(Box::new(index), Box::new(frames), checkpoint.from.sequence));
    }
    // The checkpoint is of another journal, or the journal is damaged: only the first may cost the index.
    let mut frames = Frames::open(&journal, Position::START)?;
    while frames.next_frame()?.is_some() {}
    if frames.position().sequence < checkpoint.end.sequence {
        let Position { segment, offset, .. } = frames.position();
        return Err(JournalError::Corrupt { segment, offset: offset.into(), fault: crate::journal::Fault::Acknowledged }.into());
    }
    rebuild(RebuildReason::OtherJournal)
}

/// Opens the index. The engine writes when it is opened; on a full disk the reserve makes room for that, and it is taken again when there is plenty.
fn open_index(folder: &Path, options: &Options) -> Result<Index, IndexFault> {
    let path = folder.join(INDEX);
    match Index::open(&path, options.cache_bytes) {
        Err(fault) if fault.is_full() && fs::remove_file(folder.join(space::RESERVE)).is_ok() => Index::open(&path, options.cache_bytes),
        other => other,
    }
}

/// Sets the old index aside and begins with an empty one.
fn rebuild(folder: &Path, options: &Options, reason: Option<RebuildReason>) -> Result<Replay, OpenError> {
    if let Some(reason) = &reason {
        tracing::warn!(%reason, "the index is rebuilt from the journal");
        mark_suspect(folder).map_err(failed(folder))?;
    }
    let path = folder.join(INDEX);
    if path.exists() {
        set_aside(folder, &path).map_err(failed(&path))?;
    }
    let index = open_index(folder, options).map_err(|fault| OpenError::Index(ReadError::Index(fault)))?;
    let frames = Frames::open(&folder.join("journal"), Position::START)?;
    Ok(Replay { index, frames, memory: Memory::default(), from: 0, last_time: i64::MIN, reason })
}

/// Moves the index away. One such copy is enough to look at, so older ones make room.
fn set_aside(folder: &Path, path: &Path) -> io::Result<()> {
    const PREFIX: &str = "index.quarantine-";
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let time = jiff::Timestamp::now().as_second();
    fs::rename(path, folder.join(format!("{PREFIX}{time}")))?;
    File::open(folder)?.sync_all()
}

/// What is read from the journal and where it goes.
struct Replay {
    index: Index,
    frames: Frames,
    memory: Memory,
    /// The sequence before the first frame.
    from: u64,
    last_time: i64,
    reason: Option<RebuildReason>,
}

impl Replay {
    fn run(&mut self, folder: &Path, options: &Options) -> Result<(), OpenError> {
        while let Some(frame) = self.frames.next_frame()? {
            self.last_time = frame.time;
            absorb(&frame, &mut self.memory)?;
            if self.memory.active.bytes >= options.checkpoint_bytes
                && space::free_bytes(folder).is_ok_and(|free| free >= options.low_water_bytes)
            {
                let sequence = self.frames.position().sequence;
                let full = std::mem::take(&mut self.memory.active);
                self.index.apply(&full.entries, sequence).map_err(|fault| OpenError::Index(ReadError::Index(fault)))?;
            }
        }
        Ok(())
    }
}

fn absorb(frame: &Frame<'_>, memory: &mut Memory) -> Result<(), OpenError> {
    for found in frame.records() {
        let each = |write: record::Write<'_>| memory.active.set(write.table.full_key(write.key), Slot::of(&write));
        record::read(found.bytes, frame.segment, found.offset, each)
            .map_err(|fault| OpenError::Record { sequence: found.sequence, fault })?;
    }
    Ok(())
}

/// The first record of every store.
fn write_format(journal: &mut Journal, memory: &mut Memory, time: i64) -> Result<(), OpenError> {
    let mut batch = Batch::new();
    batch.record(|out| {
        record::begin(out, 1, 0);
        record::put(out, Table::Meta, FORMAT_KEY, &FORMAT.to_be_bytes());
    });
    journal.append(&mut batch, time).map_err(OpenError::Begin)?;
    memory.active.set(Table::Meta.full_key(FORMAT_KEY), Some(Slot::Inline(Box::new(FORMAT.to_be_bytes()))));
    Ok(())
}

fn check_format(shared: &Shared) -> Result<(), OpenError> {
    let key = Table::Meta.full_key(FORMAT_KEY);
    let slot = shared.slot(&key).map_err(OpenError::Index)?;
    let Some(slot) = slot else { return Err(OpenError::Index(ReadError::Index(IndexFault::Stale))) };
    let value = shared.value(&key, slot).map_err(OpenError::Index)?;
    let found = value.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    if found > FORMAT { Err(OpenError::Newer { found, known: FORMAT }) } else { Ok(()) }
}

/// Finishes a rebuild: everything into the index, the checkpoint, and the mark away.
fn complete(shared: &Shared, journal: &Journal) -> Result<(), OpenError> {
    let end = journal.position();
    if let (Some(from), Some(frozen)) = (journal.position_before(), shared.freeze()) {
        shared.settle(&frozen, end.sequence).map_err(|fault| OpenError::Index(ReadError::Index(fault)))?;
        Checkpoint { from, end }.write(&shared.folder).map_err(failed(&shared.folder))?;
    }
    match fs::remove_file(shared.folder.join(SUSPECT)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::Io { path: shared.folder.join(SUSPECT), source: error }),
        _ => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}
