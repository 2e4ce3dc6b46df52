//! Tables over the journal: the journal is the truth, sled is an index that can be made from it again.
//!
//! A [`Change`] commits as a whole or not at all, in one order, with a note (its audit entry). One thread commits: it takes all changes that wait,
//! checks their preconditions, writes one frame of the journal, makes it durable with one `fdatasync`, shows the writes to readers and answers.
//!
//! ```text
//! commit ─▶ queue ─▶ committer ─▶ journal (durable) ─▶ memory ─▶ answer
//!                                                        └─ checkpoint, every few seconds ─▶ pages in sled
//! get, scan:  memory, then pages; large values from the journal by their place
//! ```
//!
//! Guarantees: what was acknowledged, and what a reader was shown, is durable. A damaged index is found out when it is opened or read, and is rebuilt
//! from the journal; a damaged journal is refused. When the disk fills up, what can wait is refused first. Nothing here panics on what is on disk, and
//! nothing here knows what the values mean.

mod change;
mod checkpoint;
mod checkpointer;
mod committer;
mod company;
mod error;
mod index;
mod memory;
mod notes;
mod page;
mod queue;
mod record;
mod recovery;
mod scan;
mod shared;
mod space;
mod table;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use checkpointer::Checkpointer;
use committer::Committer;
use memory::Direction;
use queue::Waiting;
use recovery::Recovered;
use scan::Scan;
use shared::Shared;
use space::Space;

pub use change::{Change, Class, CommitError, Committed, MAX_CHANGE, MAX_KEY, counter};
pub use error::{IndexFault, OpenError, ReadError, RebuildReason, RecordFault};
pub use notes::{Record, read_record};
pub use recovery::reads;
pub use table::{Placement, Table};

use crate::base::clock::Clock;
use crate::journal;

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The ballast that is let go for changes that must not fail.
    pub reserve_bytes: u64,
    /// Below this much free space, what can wait is refused.
    pub low_water_bytes: u64,
    /// How much memory the index may use for pages.
    pub cache_bytes: u64,
    /// A checkpoint is made at least this long after a change …
    pub checkpoint_every: Duration,
    /// … or when this much memory is used by changes.
    pub checkpoint_bytes: usize,
    pub journal: journal::Options,
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reserve_bytes: 32 << 20,
            low_water_bytes: 64 << 20,
            cache_bytes: 32 << 20,
            checkpoint_every: Duration::from_secs(10),
            checkpoint_bytes: 24 << 20,
            journal: journal::Options::default(),
            clock: Clock::System,
        }
    }
}

/// How a store was found.
#[derive(Debug)]
pub struct Opened {
    /// How many records were read from the journal.
    pub replayed: u64,
    /// Why the index was made anew, when it was.
    pub rebuilt: Option<RebuildReason>,
    /// Bytes of a frame that was never acknowledged and was cut off.
    pub torn_bytes: u64,
}

/// The store's state at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Free bytes on the store's disk.
    pub free_bytes: u64,
    /// Whether what can wait is refused for want of space.
    pub is_low: bool,
    /// Whether the reserve is there.
    pub is_reserve_held: bool,
    /// Whether nothing is accepted any more until the next start.
    pub is_dead: bool,
    /// Whether the index is damaged and will be rebuilt at the next start.
    pub is_index_suspect: bool,
    /// The sequence of the last durable change.
    pub last_sequence: u64,
}

/// A store. Clones share it; when the last is dropped, what waits is committed and the store is closed.
#[derive(Clone, Debug)]
pub struct Storage {
    shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

/// While it is held, somebody is at work who will commit.
#[derive(Debug)]
#[must_use = "the work is over when this is dropped"]
pub struct AtWork {
    shared: Arc<Shared>,
    since: Instant,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.shared.queue.company.ends(self.since.elapsed());
        self.shared.queue.one_less();
    }
}

#[derive(Debug)]
struct Closer {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl Storage {
    /// Opens the store in a folder, making it when it is new.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), OpenError> {
        let (reserve_bytes, low_water_bytes) = (options.reserve_bytes, options.low_water_bytes);
        let Recovered { shared, journal, last_time, opened } = recovery::open(dir, options)?;
        let failed = |source| OpenError::Io { path: dir.to_owned(), source };
        let shared = Arc::new(shared);
        let space = Space::open(dir, reserve_bytes, low_water_bytes).map_err(failed)?;
        let checkpointer = Checkpointer::begin(Arc::clone(&shared)).map_err(failed)?;
        let committer = Committer::new(Arc::clone(&shared), journal, space, checkpointer, last_time);
        let theirs = Arc::clone(&shared);
        let run = move || {
            let _abandon = Abandon(&theirs);
            committer.run();
        };
        let committer = std::thread::Builder::new().name("committer".to_owned()).spawn(run).map_err(failed)?;
        let closer = Arc::new(Closer { shared: Arc::clone(&shared), committer: Mutex::new(Some(committer)) });
        Ok((Self { shared, _closer: closer }, opened))
    }

    /// The value of a key.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let key = table.full_key(key);
        match self.shared.slot(&key)? {
            Some(slot) => self.shared.value(&key, slot).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a key is there; its value is not read.
    pub fn contains(&self, table: Table, key: &[u8]) -> Result<bool, ReadError> {
        Ok(self.shared.slot(&table.full_key(key))?.is_some())
    }

    /// The entries whose keys begin with `prefix`, in order, those up to and with `after` left out.
    pub fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), ReadError>> + Send + use<> {
        self.walk(Scan::new(Arc::clone(&self.shared), table, prefix, after, Direction::Forward))
    }

    /// The same from the last key down, those from `before` on left out.
    pub fn scan_reverse(
        &self,
        table: Table,
        prefix: &[u8],
        before: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), ReadError>> + Send + use<> {
        self.walk(Scan::new(Arc::clone(&self.shared), table, prefix, before, Direction::Backward))
    }

    /// The keys that begin with `prefix`, in order, those up to and with `after` left out. No value is read.
    pub fn scan_keys(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Vec<u8>, ReadError>> + Send + use<> {
        keys(Scan::new(Arc::clone(&self.shared), table, prefix, after, Direction::Forward))
    }

    /// The same from the last key down, those from `before` on left out.
    pub fn scan_keys_reverse(
        &self,
        table: Table,
        prefix: &[u8],
        before: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Vec<u8>, ReadError>> + Send + use<> {
        keys(Scan::new(Arc::clone(&self.shared), table, prefix, before, Direction::Backward))
    }

    /// The notes of the changes behind a sequence, oldest first, up to the last change there is now.
    pub fn records(&self, after: u64) -> impl Iterator<Item = Result<Record, ReadError>> + Send + use<> {
        notes::Forward::new(Arc::clone(&self.shared), after)
    }

    /// The notes of the changes before a sequence, newest first; `u64::MAX` begins at the last.
    pub fn records_before(&self, before: u64) -> impl Iterator<Item = Result<Record, ReadError>> + Send + use<> {
        notes::Backward::new(Arc::clone(&self.shared), before)
    }

    /// Commits a change. When this returns `Ok`, the change survives a power cut.
    pub async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        // A sender that is dropped without an answer means that the committer is gone.
        self.enqueue(change)?.await.unwrap_or(Err(CommitError::Closed))
    }

    /// The same for a thread that may block.
    pub fn commit_blocking(&self, change: Change) -> Result<Committed, CommitError> {
        self.enqueue(change)?.blocking_recv().unwrap_or(Err(CommitError::Closed))
    }

    /// Commits a change that nobody waits for. Whether it was accepted for that.
    pub fn commit_later(&self, change: Change) -> bool {
        self.shared.queue.push(Waiting { change, answer: None }).is_ok()
    }

    /// To be held while something is done that commits on its way: where much is at work, changes wait for each other a little
    /// ([`company`]).
    pub fn at_work(&self) -> AtWork {
        self.shared.queue.company.begins();
        AtWork { shared: Arc::clone(&self.shared), since: Instant::now() }
    }

    /// The store's state at this moment.
    pub fn health(&self) -> Health {
        // The committer looks when it commits; who waits for space to be made must see it before anybody dares to ask for a certificate.
        let free_bytes = space::free_bytes(&self.shared.folder).unwrap_or_else(|_| self.shared.free_bytes.load(Ordering::Relaxed));
        Health {
            free_bytes,
            is_low: free_bytes < self.shared.options.low_water_bytes,
            is_reserve_held: self.shared.is_reserve_held.load(Ordering::Relaxed),
            is_dead: self.shared.is_journal_dead.load(Ordering::SeqCst),
            is_index_suspect: self.shared.is_index_suspect.load(Ordering::SeqCst),
            last_sequence: self.shared.end().sequence,
        }
    }

    /// The number of the last change that readers see: what is read after this was asked has all changes up to it.
    pub fn last_sequence(&self) -> u64 {
        self.shared.end().sequence
    }

    /// Writes what is in memory to the index and waits for it; whether that was possible. It happens by itself every few seconds.
    pub fn checkpoint(&self) -> bool {
        let (answer, result) = oneshot::channel();
        self.shared.queue.push_checkpoint(answer);
        result.blocking_recv().unwrap_or(false)
    }

    /// Frees the reserve for a file beside the store that must not fail for want of space, such as a CRL; whether there was one. It is taken again by
    /// itself when there is plenty of space.
    pub async fn release_reserve(&self) -> bool {
        let (answer, result) = oneshot::channel();
        self.shared.queue.push_room(answer);
        result.await.unwrap_or(false)
    }

    /// Waits until the committer has done what it is doing; false when it is gone.
    pub async fn responds(&self) -> bool {
        let (answer, result) = oneshot::channel();
        self.shared.queue.push_ping(answer);
        result.await.unwrap_or(false)
    }

    fn enqueue(&self, change: Change) -> Result<oneshot::Receiver<Result<Committed, CommitError>>, CommitError> {
        let (answer, result) = oneshot::channel();
        self.shared.queue.push(Waiting { change, answer: Some(answer) }).map_err(|_| CommitError::Closed)?;
        Ok(result)
    }

    fn walk(&self, mut scan: Scan) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), ReadError>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        std::iter::from_fn(move || {
            Some(scan.next_slot()?.and_then(|(key, slot)| {
                let value = shared.value(&key, slot)?;
                Ok((without_table(key), value))
            }))
        })
    }
}

fn keys(mut scan: Scan) -> impl Iterator<Item = Result<Vec<u8>, ReadError>> + Send + use<> {
    std::iter::from_fn(move || Some(scan.next_slot()?.map(|(key, _)| without_table(key))))
}

fn without_table(key: Box<[u8]>) -> Vec<u8> {
    let mut key = key.into_vec();
    key.drain(..1);
    key
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.shared.queue.close();
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            // A panic in there was reported by the panic hook already.
            let _ = committer.join();
        }
    }
}

/// Lets nobody wait for a committer that is gone, however it went.
struct Abandon<'a>(&'a Shared);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}
