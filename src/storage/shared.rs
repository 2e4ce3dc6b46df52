//! What the committer, the checkpointer and the readers share.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::index::Index;
use super::memory::{Generation, Memory, Slot};
use super::notes::Marks;
use super::queue::Queue;
use super::{IndexFault, Options, ReadError, record};
use crate::journal::{Position, Reader};

#[derive(Debug)]
pub(super) struct Shared {
    pub folder: PathBuf,
    pub options: Options,
    pub queue: Queue,
    pub reader: Reader,
    pub index: Index,
    pub marks: Marks,
    memory: RwLock<Memory>,
    /// Up to here everything is durable and in memory or in the index.
    end: Mutex<Position>,
    pub free_bytes: AtomicU64,
    pub is_reserve_held: AtomicBool,
    pub is_low: AtomicBool,
    pub is_journal_dead: AtomicBool,
    pub is_index_suspect: AtomicBool,
    /// Held as long as anyone can still write: a second process would tear the journal.
    pub _lock: File,
}

impl Shared {
    pub fn new(folder: PathBuf, options: Options, lock: File, reader: Reader, index: Index, memory: Memory, end: Position) -> Self {
        Self {
            folder,
            options,
            queue: Queue::default(),
            reader,
            index,
            marks: Marks::default(),
            memory: RwLock::new(memory),
            end: Mutex::new(end),
            free_bytes: AtomicU64::new(u64::MAX),
            is_reserve_held: AtomicBool::new(false),
            is_low: AtomicBool::new(false),
            is_journal_dead: AtomicBool::new(false),
            is_index_suspect: AtomicBool::new(false),
            _lock: lock,
        }
    }

    pub fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn end(&self) -> MutexGuard<'_, Position> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a key.
    pub fn slot(&self, key: &[u8]) -> Result<Option<Slot>, ReadError> {
        let known = self.memory().get(key);
        match known {
            Some(slot) => Ok(slot),
            None => self.indexed(|index| index.get(key)),
        }
    }

    /// The value a slot of this key stands for.
    pub fn value(&self, key: &[u8], slot: Slot) -> Result<Vec<u8>, ReadError> {
        match slot {
            Slot::Inline(value) => Ok(value.into_vec()),
            Slot::Placed(place) => {
                let mut placed = self.reader.read(place)?;
                if record::checked(key, &placed).is_none() {
                    return Err(ReadError::Value { segment: place.segment, offset: place.offset });
                }
                placed.drain(..record::CHECK);
                Ok(placed)
            }
        }
    }

    /// Asks the index. When it is found damaged, the next start rebuilds it.
    pub fn indexed<T>(&self, ask: impl FnOnce(&Index) -> Result<T, IndexFault>) -> Result<T, ReadError> {
        ask(&self.index).map_err(|fault| {
            self.suspect(&fault);
            ReadError::Index(fault)
        })
    }

    /// Trusts the index no more, and leaves a mark for the next start.
    pub fn suspect(&self, fault: &IndexFault) {
        if self.is_index_suspect.swap(true, Ordering::SeqCst) {
            return;
        }
        if fault.is_full() {
            // What is in the index is as good as before, but the engine writes nothing more after such an error.
            tracing::error!("the disk is full; the index takes nothing more until the next start");
            return;
        }
        tracing::error!(%fault, "the index is damaged; it will be rebuilt from the journal at the next start");
        if let Err(error) = super::recovery::mark_suspect(&self.folder) {
            tracing::error!(%error, "the mark for rebuilding the index cannot be written");
        }
    }

    /// Puts a generation into the index; then memory can forget it.
    pub fn settle(&self, frozen: &Generation, sequence: u64) -> Result<(), IndexFault> {
        let applied = self.index.apply(&frozen.entries, sequence);
        match &applied {
            Ok(()) => self.memory_mut().frozen = None,
            Err(fault) => self.suspect(fault),
        }
        applied
    }

    /// Takes what was collected aside for the index, unless something is aside already.
    pub fn freeze(&self) -> Option<Arc<Generation>> {
        let mut memory = self.memory_mut();
        memory.frozen.is_none().then(|| memory.freeze())
    }
}
