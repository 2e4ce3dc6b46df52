//! What a restored backup must not undo: every revocation and lifting, and the highest CRL numbers, a second time, in a small file of their own. It
//! lies beside the journal and is not part of a backup of it. Lines are only ever added; when half of them are of no use to any restore, the file is
//! written anew without those and takes the old one's place.
//!
//! ```text
//! "CHR1"   for each line:  length (4 bytes)   CRC-32 of the line (4)   the line
//! ```
//! Guarantees: a revocation is in it before it is answered, unless the file cannot be written, which keeps no revocation from being made and is made
//! up for later. What it knows and the store does not is applied to the store at the start. What was revoked before there was such a file is entered in
//! it when it is made.
//!
//! Never does: overrule a store that knows more than it.

mod compaction;
mod earlier;
mod lines;
mod restore;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{InventoryError, LogEntry};
use crate::audit::Ledger;
use crate::base::id::CaId;
use crate::storage::{Storage, Table};
use crate::x509::serial::Serial;
use lines::{Extent, Line, MAGIC, each_line, write_line};
use restore::{raise, restore};

/// The file; clones share it.
#[derive(Clone, Debug)]
pub struct RevocationJournal {
    inner: Arc<Mutex<Inner>>,
    storage: Storage,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    /// Its length up to the last whole line.
    length: u64,
    /// The last change of each authority's log that is in it.
    last: HashMap<CaId, u64>,
    /// Its length when it was last written anew.
    compacted: u64,
}

/// The lines that tell whether the store has forgotten anything.
#[derive(Default)]
struct Newest {
    /// The last line of each authority's log.
    logged: HashMap<CaId, (u64, Vec<u8>)>,
    /// Of what was revoked before there was a log, the last.
    earlier: HashMap<CaId, LogEntry>,
    numbers: HashMap<CaId, u64>,
    is_complete: bool,
}

/// What was given back to a store that had been restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub revocations: usize,
    pub numbers: usize,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RevocationJournalError {
    #[error("{path} cannot be read or written")]
    File { path: PathBuf, source: io::Error },
    /// It is better to look than to begin another one over it.
    #[error("{0} is no journal of revocations of this version")]
    Form(PathBuf),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

impl RevocationJournal {
    /// Opens the file, making it when it is new, and brings the store and it to the same state. Each authority comes with its serial number.
    pub async fn open(
        path: PathBuf,
        ledger: &Ledger,
        authorities: &[(CaId, Serial)],
        now: Timestamp,
    ) -> Result<(Self, Merged), RevocationJournalError> {
        let failed = |source| RevocationJournalError::File { path: path.clone(), source };
        let mut file = File::options().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let storage = ledger.storage().clone();
        if file.metadata().map_err(failed)?.len() < MAGIC.len() as u64 {
            file.set_len(0).and_then(|()| file.write_all(MAGIC)).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let mut newest = Newest::default();
        let Extent { length, damaged, cut } = each_line(&path, &mut file, |line| newest.take(line))?;
        if cut > 0 {
            tracing::warn!(path = %path.display(), bytes = cut, "a line at the end of the journal of revocations was cut by a crash and is left out");
        }
        if damaged > 0 {
            // What those lines told is in the store, if it is not an earlier one.
            newest.is_complete = false;
        }
        let is_kept = damaged > 0 && keep_damaged(&path, damaged);
        file.set_len(length).map_err(failed)?;
        let mut merged = Merged::default();
        for (ca, number) in &newest.numbers {
            merged.numbers += usize::from(raise(ledger, *ca, *number, now).await?);
        }
        let (mut known, lost) = newest.held_against(&storage)?;
        if !lost.is_empty() {
            let (restored, common) = restore(&path, &mut file, ledger, &lost, now).await?;
            merged.revocations = restored;
            known.extend(common);
        }
        let inner = Inner { path, file, length, last: known, compacted: 0 };
        let journal = Self { inner: Arc::new(Mutex::new(inner)), storage };
        for (ca, _) in authorities {
            journal.follow(*ca).await;
        }
        if !newest.is_complete {
            journal.enter_earlier(authorities.to_vec()).await;
        }
        if is_kept {
            journal.inner.lock().unwrap_or_else(PoisonError::into_inner).compact(now)?;
        }
        Ok((journal, merged))
    }

    /// The last change of an authority's log that is in the file.
    pub fn followed(&self, ca: CaId) -> Option<u64> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last.get(&ca).copied()
    }

    /// Writes down what was revoked or lifted since, durably. A failure is told in the log and made up for by the next one.
    pub async fn follow(&self, ca: CaId) {
        let journal = self.clone();
        let work = tokio::task::spawn_blocking(move || journal.write(ca, None));
        Self::told(work.await.map_err(io::Error::other).and_then(|written| written), ca);
    }

    /// Writes down that CRL numbers up to this one may have been used.
    pub async fn note_number(&self, ca: CaId, number: u64) {
        let journal = self.clone();
        let work = tokio::task::spawn_blocking(move || journal.write(ca, Some(number)));
        Self::told(work.await.map_err(io::Error::other).and_then(|written| written), ca);
    }

    fn told(written: io::Result<()>, ca: CaId) {
        if let Err(error) = written {
            tracing::error!(%ca, %error, "the journal of revocations cannot be written; a restored backup would not know what was revoked since");
        }
    }

    fn write(&self, ca: CaId, number: Option<u64>) -> io::Result<()> {
        // Whoever waited here may find that it was done by who went before.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        let mut last = inner.last.get(&ca).copied().unwrap_or(0);
        for item in LogEntry::since(&self.storage, ca, last) {
            let (sequence, entry) = item.map_err(io::Error::other)?;
            let entry = entry.encode().map_err(io::Error::other)?;
            write_line(&mut bytes, &Line::V1Log { ca: *ca.as_bytes(), sequence, entry: &entry })?;
            last = sequence;
            // A store that was served by an earlier version may have very many.
            if bytes.len() > 1 << 20 {
                inner.append(&bytes)?;
                bytes.clear();
                inner.last.insert(ca, last);
            }
        }
        if let Some(number) = number {
            write_line(&mut bytes, &Line::V1Number { ca: *ca.as_bytes(), number })?;
        }
        if !bytes.is_empty() {
            inner.append(&bytes)?;
            inner.last.insert(ca, last);
        }
        Ok(())
    }
}

impl Newest {
    fn take(&mut self, line: Line<'_>) {
        match line {
            Line::V1Log { ca, sequence, entry } => drop(self.logged.insert(CaId::from_bytes(ca), (sequence, entry.to_vec()))),
            Line::V1Number { ca, number } => {
                let highest = self.numbers.entry(CaId::from_bytes(ca)).or_default();
                *highest = number.max(*highest);
            }
            Line::V1Earlier { ca, entry } => {
                let ca = CaId::from_bytes(ca);
                // What cannot be read is found again, and said, when it is needed.
                if let Ok(entry) = LogEntry::decode(entry)
                    && self.earlier.get(&ca).is_none_or(|before| before.at <= entry.at)
                {
                    self.earlier.insert(ca, entry);
                }
            }
            Line::V1Complete => self.is_complete = true,
        }
    }

    /// The last change of each authority that the store has too, and the authorities of which it has forgotten something.
    fn held_against(&self, storage: &Storage) -> Result<(HashMap<CaId, u64>, HashSet<CaId>), InventoryError> {
        let (mut known, mut lost) = (HashMap::new(), HashSet::new());
        for (ca, (sequence, entry)) in &self.logged {
            match storage.get(Table::RevocationLog, &log_key(*ca, *sequence))? {
                Some(stored) if stored == *entry => drop(known.insert(*ca, *sequence)),
                _ => drop(lost.insert(*ca)),
            }
        }
        // A store that has the newest has those before it, and what changed since stands in the log.
        for (ca, entry) in self.earlier.iter().filter(|(ca, _)| !self.logged.contains_key(ca)) {
            let (table, key) = restore::place(*ca, entry);
            if !storage.contains(table, &key)? {
                lost.insert(*ca);
            }
        }
        Ok((known, lost))
    }
}

impl Inner {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a line would hide those that come behind it.
                self.file.set_len(self.length)?;
                Err(io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
            }
        }
    }
}

/// Tells of lines that cannot be read, and keeps a copy for those who want to look; with it the file itself may be written anew without them.
fn keep_damaged(path: &Path, bytes: u64) -> bool {
    tracing::error!(
        path = %path.display(), bytes,
        "the journal of revocations is damaged before its end; what can be read of it is used, and the store's revocations are entered again"
    );
    let copy = path.with_extension("damaged");
    match std::fs::copy(path, &copy) {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(%error, copy = %copy.display(), "the damaged file cannot be copied and stays as it is");
            false
        }
    }
}

fn log_key(ca: CaId, sequence: u64) -> Vec<u8> {
    [ca.as_bytes().as_slice(), &sequence.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
