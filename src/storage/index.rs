//! The index on disk: pages in sled. It can be lost at any time; the journal has everything.
//!
//! Every batch of pages carries a summary of all pages (how many, and a sum over their checksums), so that an index from which the engine lost a part
//! without noticing is found out when it is opened. No call into the engine panics out of this module.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::IndexFault;
use super::memory::{Direction, Entries, Slot};
use super::page::{self, Page};

/// The engine's key of the summary; pages stand behind it.
const SUMMARY: [u8; 1] = [0];
const PAGE: u8 = 1;
/// How many pages are written at once: reads wait meanwhile.
const PAGES_AT_ONCE: usize = 32;

#[derive(Debug)]
pub(super) struct Index {
    db: sled::Db,
    /// The engine's file, to be synced: its own flush does not.
    file: File,
    summary: Mutex<Summary>,
}

/// What all pages together are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Summary {
    pages: u64,
    sum: u64,
    /// Every record up to this sequence is in the pages.
    sequence: u64,
}

impl Index {
    /// Opens the index, making an empty one when there is none, and checks every page.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, IndexFault> {
        remove_unfinished_snapshots(folder).map_err(sled::Error::from)?;
        wait_for_lock(folder).map_err(sled::Error::from)?;
        let db = guarded(|| sled::Config::new().path(folder).flush_every_ms(None).cache_capacity(cache_bytes).open())?;
        let file = File::open(folder.join("db")).map_err(sled::Error::from)?;
        let index = Self { db, file, summary: Mutex::new(Summary::default()) };
        let summary = match guarded(|| index.db.get(SUMMARY))? {
            Some(bytes) => {
                let summary = Summary::read(&bytes).ok_or(IndexFault::Page)?;
                index.check(summary)?;
                summary
            }
            // An index without a summary may only be one without anything.
            None if guarded(|| index.db.first())?.is_none() => index.begin()?,
            None => return Err(IndexFault::MissingPage),
        };
        *index.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
        Ok(index)
    }

    /// Every record up to this sequence is in it.
    pub fn sequence(&self) -> u64 {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner).sequence
    }

    /// The slot of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Slot>, IndexFault> {
        let (low, bytes) = self.page_of(key)?;
        let page = Page::read(low.get(1..).unwrap_or_default(), &bytes)?;
        Ok(page.get(key)?.map(|slot| slot.to_slot()))
    }

    /// Copies at most `limit` entries between two bounds, the nearest to the scan's beginning first.
    pub fn copy(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        limit: usize,
        direction: Direction,
        out: &mut Vec<(Box<[u8]>, Option<Slot>)>,
    ) -> Result<(), IndexFault> {
        match direction {
            Direction::Forward => self.copy_forward(low, high, limit, out),
            Direction::Backward => self.copy_backward(low, high, limit, out),
        }
    }

    /// Writes the entries into their pages and makes them durable.
    pub fn apply(&self, entries: &Entries, sequence: u64) -> Result<(), IndexFault> {
        let mut summary = *self.summary.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::with_capacity(PAGES_AT_ONCE + 1);
        let mut rest = entries.iter().peekable();
        while let Some((key, _)) = rest.peek() {
            let (low, bytes) = self.page_of(key)?;
            let page = Page::read(low.get(1..).unwrap_or_default(), &bytes)?;
            let mut changes = Vec::new();
            while let Some((key, slot)) = rest.next_if(|(key, _)| page.upper().is_none_or(|upper| key.as_ref() < upper)) {
                changes.push((key.as_ref(), slot.as_ref()));
            }
            summary.remove(page.mark());
            for (low, bytes) in page.merge(&changes)? {
                summary.add(page::mark(&low, &bytes));
                batch.push((low, bytes));
            }
            if batch.len() >= PAGES_AT_ONCE {
                self.write(&mut batch, summary)?;
            }
        }
        summary.sequence = sequence;
        self.write(&mut batch, summary)?;
        guarded(|| self.db.flush())?;
        Ok(self.file.sync_data().map_err(sled::Error::from)?)
    }

    fn begin(&self) -> Result<Summary, IndexFault> {
        let (low, bytes) = page::empty();
        let mut summary = Summary::default();
        summary.add(page::mark(&low, &bytes));
        self.write(&mut vec![(low, bytes)], summary)?;
        Ok(summary)
    }

    fn write(&self, pages: &mut Vec<page::Encoded>, summary: Summary) -> Result<(), IndexFault> {
        let mut batch = sled::Batch::default();
        for (low, bytes) in pages.drain(..) {
            batch.insert(page_key(&low), bytes);
        }
        batch.insert(&SUMMARY, &summary.to_bytes());
        guarded(|| self.db.apply_batch(batch))?;
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner) = summary;
        Ok(())
    }

    /// The page a key belongs to.
    fn page_of(&self, key: &[u8]) -> Result<(sled::IVec, sled::IVec), IndexFault> {
        let key = page_key(key);
        guarded(|| self.db.range(PAGE_START..=key.as_slice()).next_back().transpose())?.ok_or(IndexFault::MissingPage)
    }

    fn copy_forward(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        limit: usize,
        out: &mut Vec<(Box<[u8]>, Option<Slot>)>,
    ) -> Result<(), IndexFault> {
        let target = out.len() + limit;
        let (start, includes_start) = match low {
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
            Bound::Unbounded => (&[][..], true),
        };
        let (first, bytes) = self.page_of(start)?;
        let mut pages = self.db.range(first.clone()..);
        let mut current = Some((first, bytes));
        // The first of the iterator is the page that is already here; when that was split meanwhile, only its upper part is missing there.
        let mut from = start.to_vec();
        let _first_again = guarded(|| pages.next().transpose())?;
        while let Some((low, bytes)) = current.take() {
            let page = Page::read(low.get(1..).unwrap_or_default(), &bytes)?;
            for at in page.position(&from)?..page.len() {
                let Some((key, slot)) = page.entry(at)? else { break };
                if is_beyond(key, high) {
                    return Ok(());
                }
                if key == start && !includes_start {
                    continue;
                }
                if out.len() == target {
                    return Ok(());
                }
                out.push((key.into(), Some(slot.to_slot())));
            }
            let Some(upper) = page.upper() else { return Ok(()) };
            if is_beyond(upper, high) || out.len() == target {
                return Ok(());
            }
            // A page that is split while we walk gives its upper half again.
            if upper > from.as_slice() {
                from = upper.to_vec();
            }
            current = guarded(|| pages.next().transpose())?;
            if current.is_none() {
                return Err(IndexFault::MissingPage);
            }
        }
        Ok(())
    }

    fn copy_backward(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        limit: usize,
        out: &mut Vec<(Box<[u8]>, Option<Slot>)>,
    ) -> Result<(), IndexFault> {
        let target = out.len() + limit;
        let last = match high {
            Bound::Included(key) | Bound::Excluded(key) => Bound::Included(page_key(key)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let mut pages = self.db.range((Bound::Included(PAGE_START.to_vec()), last));
        while let Some((page_low, bytes)) = guarded(|| pages.next_back().transpose())? {
            let page = Page::read(page_low.get(1..).unwrap_or_default(), &bytes)?;
            for at in (0..page.len()).rev() {
                let Some((key, slot)) = page.entry(at)? else { break };
                if is_beyond(key, high) {
                    continue;
                }
                if is_before(key, low) || out.len() == target {
                    return Ok(());
                }
                out.push((key.into(), Some(slot.to_slot())));
            }
        }
        Ok(())
    }

    /// Reads all pages: they must join without a gap and be those the summary counts.
    fn check(&self, expected: Summary) -> Result<(), IndexFault> {
        let mut found = Summary { sequence: expected.sequence, ..Summary::default() };
        let mut next: Option<Vec<u8>> = Some(Vec::new());
        let mut pages = self.db.range(PAGE_START..);
        while let Some((key, bytes)) = guarded(|| pages.next().transpose())? {
            let low = key.get(1..).unwrap_or_default();
            if next.as_deref() != Some(low) {
                return Err(IndexFault::MissingPage);
            }
            let page = Page::read(low, &bytes)?;
            found.add(page.mark());
            next = page.upper().map(<[u8]>::to_vec);
        }
        match (next, found == expected) {
            (Some(_), _) => Err(IndexFault::MissingPage),
            (None, false) => Err(IndexFault::Stale),
            (None, true) => Ok(()),
        }
    }
}

impl Summary {
    fn add(&mut self, mark: u64) {
        self.pages += 1;
        self.sum = self.sum.wrapping_add(mark);
    }

    fn remove(&mut self, mark: u64) {
        self.pages = self.pages.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(mark);
    }

    fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.pages.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.sum.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        let check = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 28] = bytes.try_into().ok()?;
        let number = |at: usize| bytes[at..].first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
        let check = bytes[24..].first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))?;
        let summary = Self { pages: number(0)?, sum: number(8)?, sequence: number(16)? };
        (check == crc32fast::hash(&bytes[..24])).then_some(summary)
    }
}

const PAGE_START: &[u8] = &[PAGE];

fn page_key(low: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + low.len());
    key.push(PAGE);
    key.extend_from_slice(low);
    key
}

fn is_beyond(key: &[u8], high: Bound<&[u8]>) -> bool {
    match high {
        Bound::Included(high) => key > high,
        Bound::Excluded(high) => key >= high,
        Bound::Unbounded => false,
    }
}

fn is_before(key: &[u8], low: Bound<&[u8]>) -> bool {
    match low {
        Bound::Included(low) => key < low,
        Bound::Excluded(low) => key <= low,
        Bound::Unbounded => false,
    }
}

/// Calls the engine. It has assertions on what it reads from disk, and they must not take the daemon down.
fn guarded<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, IndexFault> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(IndexFault::Panic),
    }
}

/// After an index was closed, the engine's threads keep its file locked for a moment. Nobody else can have it: the store has its own lock.
fn wait_for_lock(folder: &Path) -> io::Result<()> {
    let file = match File::open(folder.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let until = Instant::now() + Duration::from_secs(10);
    while let Err(TryLockError::WouldBlock) = file.try_lock() {
        if Instant::now() >= until {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// A snapshot that a crash left half-written makes the engine refuse to open for ever (spacejam/sled#1527).
fn remove_unfinished_snapshots(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
