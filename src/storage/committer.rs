//! The one thread that writes. It takes all changes that wait, checks their preconditions, appends one frame, and answers.
//!
//! ```text
//! waiting ──take──▶ checked ──append, fdatasync──▶ durable ──memory──▶ visible ──▶ answered
//!                      └──▶ conflict                  └──▶ full, failed
//! ```
//! What is visible is durable: readers see a change only after the `fdatasync`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::change::{Op, OpKind};
use super::checkpoint::Checkpoint;
use super::checkpointer::{Checkpointer, Job};
use super::memory::{Slot, is_placed};
use super::queue::{Answer, Task, Waiting};
use super::shared::Shared;
use super::space::Space;
use super::{Change, Class, CommitError, Committed, ReadError, counter, notes, record};
use crate::journal::{AppendError, Appended, Batch, Journal, Place};

/// The most changes, and about the most bytes, of one frame.
const MOST_CHANGES: usize = 256;
const MOST_BYTES: usize = 4 << 20;
/// The part of a full memory that a start may find in the journal and leave there for the next start to replay again.
const MUCH: usize = 16;

pub(super) struct Committer {
    shared: Arc<Shared>,
    journal: Journal,
    space: Space,
    checkpointer: Checkpointer,
    batch: Batch,
    overlay: HashMap<Box<[u8]>, Pending>,
    accepted: Vec<Answer>,
    last_time: i64,
    checkpoint_due: Option<Instant>,
}

/// A write of the batch that is being made.
enum Pending {
    Delete,
    Inline(Box<[u8]>),
    /// The checksum and the value, by their offset in the frame.
    Placed {
        offset: u32,
        length: u32,
    },
}

impl Committer {
    pub fn new(shared: Arc<Shared>, journal: Journal, space: Space, checkpointer: Checkpointer, last_time: i64) -> Self {
        let (batch, overlay) = (Batch::new(), HashMap::with_capacity(1024));
        // What took long to replay goes into the index at once: a daemon that never lives long enough for a checkpoint would start later each time.
        let is_much = shared.memory().active.bytes >= shared.options.checkpoint_bytes / MUCH;
        let checkpoint_due = is_much.then(Instant::now);
        Self { shared, journal, space, checkpointer, batch, overlay, accepted: Vec::new(), last_time, checkpoint_due }
    }

    /// Works until the storage is closed.
    pub fn run(mut self) {
        let mut taken = Vec::with_capacity(MOST_CHANGES);
        loop {
            match self.shared.queue.take(&mut taken, MOST_CHANGES, MOST_BYTES, self.checkpoint_due) {
                Task::Commit => self.commit(&mut taken),
                Task::Checkpoint(answer) => {
                    let done = self.checkpoint_now();
                    // Who asked may have stopped waiting.
                    let _ = answer.send(done);
                }
                Task::Room(answer) => {
                    let _ = answer.send(self.release_reserve());
                }
                Task::Ping(answer) => {
                    let _ = answer.send(true);
                }
                Task::Idle => {}
                Task::Close => break,
            }
            self.checkpoint_if_due();
        }
        self.checkpoint_now();
    }

    /// Commits the changes that can be, and answers all.
    fn commit(&mut self, taken: &mut Vec<Waiting>) {
        self.shared.queue.company.together(taken.len());
        let is_low = self.look_at_space();
        let mut essential = Vec::new();
        for Waiting { change, answer } in taken.drain(..) {
            if is_low && change.class == Class::Normal {
                reply(answer, Err(CommitError::Full));
                continue;
            }
            match self.accept(&change) {
                Ok(()) if change.class == Class::Essential => {
                    self.accepted.push(None);
                    essential.push((self.accepted.len() - 1, Waiting { change, answer }));
                }
                Ok(()) => self.accepted.push(answer),
                Err(error) => reply(answer, Err(error)),
            }
        }
        match self.append() {
            Ok(appended) => {
                for (at, waiting) in essential {
                    if let Some(answer) = self.accepted.get_mut(at) {
                        *answer = waiting.answer;
                    }
                }
                self.finish(appended);
            }
            Err(AppendError::Full) => {
                self.refuse(|| CommitError::Full);
                self.commit_essential(essential.into_iter().map(|(_, waiting)| waiting));
            }
            Err(AppendError::TooLarge) => {
                self.refuse(|| CommitError::TooLarge);
                essential.into_iter().for_each(|(_, waiting)| reply(waiting.answer, Err(CommitError::TooLarge)));
            }
            Err(error @ (AppendError::Failed(_) | AppendError::Dead)) => {
                self.fail(&error);
                essential.into_iter().for_each(|(_, waiting)| reply(waiting.answer, Err(CommitError::Failed)));
            }
        }
    }

    /// Tries what must not fail for want of space again, with the reserve's room.
    fn commit_essential(&mut self, essential: impl Iterator<Item = Waiting>) {
        for Waiting { change, answer } in essential {
            match self.accept(&change) {
                Ok(()) => self.accepted.push(answer),
                Err(error) => reply(answer, Err(error)),
            }
        }
        if self.accepted.is_empty() {
            return;
        }
        self.release_reserve();
        match self.append() {
            Ok(appended) => self.finish(appended),
            Err(AppendError::Full) => self.refuse(|| CommitError::Full),
            Err(AppendError::TooLarge) => self.refuse(|| CommitError::TooLarge),
            Err(error @ (AppendError::Failed(_) | AppendError::Dead)) => self.fail(&error),
        }
    }

    /// Whether there was a reserve, and its room is free now.
    fn release_reserve(&mut self) -> bool {
        match self.space.release() {
            Ok(released) => {
                if released {
                    tracing::warn!("the disk is full; the reserve was released for what must not fail");
                }
                released
            }
            Err(error) => {
                tracing::error!(%error, "the reserve cannot be released");
                false
            }
        }
    }

    /// Checks a change and adds its record to the batch.
    fn accept(&mut self, change: &Change) -> Result<(), CommitError> {
        if change.is_too_large() {
            return Err(CommitError::TooLarge);
        }
        for op in &change.ops {
            let holds = match op.kind {
                OpKind::ExpectAbsent => self.current(&op.table.full_key(change.slice(op.key)))?.is_none(),
                OpKind::Expect(value) => self.current(&op.table.full_key(change.slice(op.key)))?.as_deref() == Some(change.slice(value)),
                OpKind::Put(_) | OpKind::Append(_) | OpKind::Delete | OpKind::Add(_) => true,
            };
            if !holds {
                return Err(CommitError::Conflict { table: op.table, key: change.slice(op.key).to_vec() });
            }
        }
        let sums = self.sums(change)?;
        self.write(change, &sums);
        Ok(())
    }

    /// What the counters of a change come to, in order; read before anything is written, because reading can fail.
    fn sums(&self, change: &Change) -> Result<Vec<i64>, CommitError> {
        let mut sums: Vec<(Box<[u8]>, i64)> = Vec::new();
        for op in &change.ops {
            let OpKind::Add(delta) = op.kind else { continue };
            let key = op.table.full_key(change.slice(op.key));
            let before = match sums.iter().rev().find(|(known, _)| *known == key) {
                Some((_, sum)) => *sum,
                None => match self.current(&key)? {
                    Some(value) => counter(&value).ok_or(ReadError::NotACounter)?,
                    None => 0,
                },
            };
            sums.push((key, before.saturating_add(delta)));
        }
        Ok(sums.into_iter().map(|(_, sum)| sum).collect())
    }

    fn write(&mut self, change: &Change, sums: &[i64]) {
        // The number its record will have: those of this batch follow the last that is durable.
        let sequence = self.journal.position().sequence + 1 + u64::from(self.batch.count());
        let Self { batch, overlay, .. } = self;
        let is_write = |op: &&Op| matches!(op.kind, OpKind::Put(_) | OpKind::Append(_) | OpKind::Delete | OpKind::Add(_));
        let writes = change.ops.iter().filter(is_write).count();
        let mut sums = sums.iter();
        batch.record(|out| {
            // Both numbers are bounded by the size of a change.
            record::begin(out, writes as u16, change.note.len() as u32);
            for op in change.ops.iter().filter(is_write) {
                let appended;
                let mut key = change.slice(op.key);
                if let OpKind::Append(_) = op.kind {
                    appended = [key, &sequence.to_be_bytes()].concat();
                    key = &appended;
                }
                let pending = match op.kind {
                    OpKind::Put(value) | OpKind::Append(value) => put(out, op, key, change.slice(value)),
                    OpKind::Add(_) => put(out, op, key, &sums.next().copied().unwrap_or_default().to_be_bytes()),
                    OpKind::Delete | OpKind::ExpectAbsent | OpKind::Expect(_) => {
                        record::delete(out, op.table, key);
                        Pending::Delete
                    }
                };
                overlay.insert(op.table.full_key(key), pending);
            }
            out.extend_from_slice(&change.note);
        });
    }

    /// The value of a key as the next change of this batch finds it.
    fn current(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.overlay.get(key) {
            Some(Pending::Delete) => Ok(None),
            Some(Pending::Inline(value)) => Ok(Some(value.to_vec())),
            Some(Pending::Placed { offset, length }) => {
                let placed = self.batch.bytes(*offset, *length);
                Ok(Some(placed.get(record::CHECK..).unwrap_or_default().to_vec()))
            }
            None => match self.shared.slot(key)? {
                Some(slot) => self.shared.value(key, slot).map(Some),
                None => Ok(None),
            },
        }
    }

    fn append(&mut self) -> Result<Option<Appended>, AppendError> {
        if self.batch.count() == 0 {
            return Ok(None);
        }
        self.last_time = self.last_time.max(self.shared.options.clock.now().as_microsecond());
        self.journal.append(&mut self.batch, self.last_time).map(Some)
    }

    /// Makes durable changes visible and answers.
    fn finish(&mut self, appended: Option<Appended>) {
        let Some(Appended { first, segment, offset, .. }) = appended else { return };
        {
            let mut memory = self.shared.memory_mut();
            for (key, pending) in self.overlay.drain() {
                let slot = match pending {
                    Pending::Delete => None,
                    Pending::Inline(value) => Some(Slot::Inline(value)),
                    Pending::Placed { offset: within, length } => Some(Slot::Placed(Place { segment, offset: offset + within, length })),
                };
                memory.active.set(key, slot);
            }
        }
        *self.shared.end() = self.journal.position();
        let time = notes::time_of(self.last_time);
        for (sequence, answer) in (first..).zip(self.accepted.drain(..)) {
            reply(answer, Ok(Committed { sequence, time }));
        }
        self.batch.clear();
        if self.checkpoint_due.is_none() {
            self.checkpoint_due = Some(Instant::now() + self.shared.options.checkpoint_every);
        }
    }

    fn refuse(&mut self, error: impl Fn() -> CommitError) {
        for answer in self.accepted.drain(..) {
            reply(answer, Err(error()));
        }
        self.batch.clear();
        self.overlay.clear();
    }

    fn fail(&mut self, error: &AppendError) {
        if !self.shared.is_journal_dead.swap(true, Ordering::SeqCst) {
            tracing::error!(%error, "the journal cannot be written; nothing more is accepted");
        }
        self.refuse(|| CommitError::Failed);
    }

    /// Whether changes that can wait are to be refused.
    fn look_at_space(&mut self) -> bool {
        // When the disk cannot be asked, the journal's own error decides.
        let is_low = self.space.is_low().unwrap_or(false);
        self.shared.free_bytes.store(self.space.free(), Ordering::Relaxed);
        self.shared.is_reserve_held.store(self.space.is_held(), Ordering::Relaxed);
        if self.shared.is_low.swap(is_low, Ordering::Relaxed) != is_low {
            if is_low {
                tracing::warn!(free = self.space.free(), "little space is left; only what must not fail is accepted");
            } else {
                tracing::info!(free = self.space.free(), "there is space again");
            }
        }
        is_low
    }

    fn checkpoint_if_due(&mut self) {
        let bytes = self.shared.memory().active.bytes;
        let is_large = bytes >= self.shared.options.checkpoint_bytes;
        let is_late = self.checkpoint_due.is_some_and(|due| due <= Instant::now());
        if !is_large && !is_late {
            return;
        }
        if self.start_checkpoint(None) {
            self.checkpoint_due = None;
        } else {
            self.checkpoint_due = Some(Instant::now() + Duration::from_millis(500));
            // Memory is bounded: when the index is much slower than the journal, the journal waits.
            if bytes >= 4 * self.shared.options.checkpoint_bytes {
                self.checkpointer.wait();
            }
        }
    }

    /// A checkpoint that is complete on return; whether there is one.
    fn checkpoint_now(&mut self) -> bool {
        self.checkpointer.wait();
        let (done, result) = oneshot::channel();
        self.checkpoint_due = None;
        self.start_checkpoint(Some(done)) && result.blocking_recv().unwrap_or(false)
    }

    fn start_checkpoint(&mut self, done: Option<oneshot::Sender<bool>>) -> bool {
        // The engine does not survive a full disk, and an old checkpoint only costs time at the next start.
        if self.shared.is_index_suspect.load(Ordering::SeqCst) || self.space.is_low_now().unwrap_or(false) {
            return false;
        }
        let Some(from) = self.journal.position_before() else { return true };
        let Some(frozen) = self.shared.freeze() else { return false };
        self.checkpointer.start(Job { frozen, checkpoint: Checkpoint { from, end: self.journal.position() }, done })
    }
}

fn put(out: &mut Vec<u8>, op: &Op, key: &[u8], value: &[u8]) -> Pending {
    let offset = record::put(out, op.table, key, value);
    if is_placed(op.table.placement(), value.len()) {
        Pending::Placed { offset, length: (record::CHECK + value.len()) as u32 }
    } else {
        Pending::Inline(value.into())
    }
}

fn reply(answer: Answer, result: Result<Committed, CommitError>) {
    if let Some(answer) = answer {
        // Who asked may have stopped waiting; the change is committed all the same.
        let _ = answer.send(result);
    }
}
