//! What a restored backup must not undo: every revocation and lifting, and the highest CRL numbers, a second time, in a small file of their own that
//! is only ever added to. It lies beside the journal and is not part of a backup of it.
//!
//! ```text
//! "CHR1"   for each line:  length (4 bytes)   CRC-32 of the line (4)   the line
//! ```
//! Guarantees: a revocation is in it before it is answered, unless the file cannot be written, which keeps no revocation from being made and is made
//! up for later. What it knows and the store does not is applied to the store at the start.
//!
//! Never does: overrule a store that knows more than it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{InventoryError, LogEntry, Revocation, revocation_key};
use crate::audit::{self, Action, Actor, Entry, Field, Ledger};
use crate::base::id::CaId;
use crate::storage::{Change, Class, Storage, Table, counter};
use crate::x509::serial::Serial;

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

/// One line.
#[derive(Serialize, Deserialize)]
enum Line<'a> {
    V1Log {
        ca: [u8; 16],
        /// The change in the store.
        sequence: u64,
        entry: &'a [u8],
    },
    /// The highest CRL number that may have been used.
    V1Number { ca: [u8; 16], number: u64 },
}

const MAGIC: &[u8; 4] = b"CHR1";
const LONGEST_LINE: usize = 4 << 10;

impl RevocationJournal {
    /// Opens the file, making it when it is new, and brings the store and it to the same state.
    pub async fn open(
        path: PathBuf,
        ledger: &Ledger,
        authorities: &[CaId],
        now: Timestamp,
    ) -> Result<(Self, Merged), RevocationJournalError> {
        let failed = |source| RevocationJournalError::File { path: path.clone(), source };
        let mut file = File::options().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let storage = ledger.storage().clone();
        if file.metadata().map_err(failed)?.len() < MAGIC.len() as u64 {
            file.set_len(0).and_then(|()| file.write_all(MAGIC)).and_then(|()| file.sync_all()).map_err(failed)?;
        }
        let mut last: HashMap<CaId, (u64, Vec<u8>)> = HashMap::new();
        let mut numbers: HashMap<CaId, u64> = HashMap::new();
        let length = each_line(&path, &mut file, |line| match line {
            Line::V1Log { ca, sequence, entry } => drop(last.insert(CaId::from_bytes(ca), (sequence, entry.to_vec()))),
            Line::V1Number { ca, number } => {
                let highest = numbers.entry(CaId::from_bytes(ca)).or_default();
                *highest = number.max(*highest);
            }
        })?;
        file.set_len(length).map_err(failed)?;
        let mut merged = Merged::default();
        for (ca, number) in numbers {
            merged.numbers += usize::from(raise(ledger, ca, number, now).await?);
        }
        let mut known = HashMap::new();
        let mut lost = HashSet::new();
        for (ca, (sequence, entry)) in &last {
            match storage.get(Table::RevocationLog, &log_key(*ca, *sequence)).map_err(InventoryError::from)? {
                Some(stored) if stored == *entry => drop(known.insert(*ca, *sequence)),
                _ => drop(lost.insert(*ca)),
            }
        }
        if !lost.is_empty() {
            let (restored, common) = restore(&path, &mut file, ledger, &lost, now).await?;
            merged.revocations = restored;
            known.extend(common);
        }
        let inner = Inner { path, file, length, last: known };
        let journal = Self { inner: Arc::new(Mutex::new(inner)), storage };
        for ca in authorities {
            journal.follow(*ca).await;
        }
        Ok((journal, merged))
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

/// Hands on every whole line; the length up to the last of them. A line that was cut by a crash is the end.
fn each_line(path: &Path, file: &mut File, mut hand: impl FnMut(Line<'_>)) -> Result<u64, RevocationJournalError> {
    let failed = |source| RevocationJournalError::File { path: path.to_owned(), source };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).map_err(failed)?;
    if magic != *MAGIC {
        return Err(RevocationJournalError::Form(path.to_owned()));
    }
    let mut length = MAGIC.len() as u64;
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line).map_err(failed)? {
        match postcard::from_bytes(&line) {
            Ok(read) => hand(read),
            // Its checksum is right, so it was written so, by a version that knows more.
            Err(_) => return Err(RevocationJournalError::Form(path.to_owned())),
        }
        length += 8 + line.len() as u64;
    }
    Ok(length)
}

fn read_line(reader: &mut impl Read, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut head = [0; 8];
    let whole = |read: io::Result<()>| match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    };
    if !whole(reader.read_exact(&mut head))? {
        return Ok(false);
    }
    let [a, b, c, d, crc @ ..] = head;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length == 0 || length > LONGEST_LINE {
        return Ok(false);
    }
    line.resize(length, 0);
    Ok(whole(reader.read_exact(line))? && crc32fast::hash(line) == u32::from_be_bytes(crc))
}

fn write_line(out: &mut Vec<u8>, line: &Line<'_>) -> io::Result<()> {
    let bytes = postcard::to_allocvec(line).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

fn log_key(ca: CaId, sequence: u64) -> Vec<u8> {
    [ca.as_bytes().as_slice(), &sequence.to_be_bytes()].concat()
}

/// Lets CRL numbers go on above the highest that may have been used; whether they were below it.
async fn raise(ledger: &Ledger, ca: CaId, number: u64, now: Timestamp) -> Result<bool, InventoryError> {
    let key = [b"crl/".as_slice(), ca.as_bytes()].concat();
    let last = ledger.storage().get(Table::Counters, &key)?.and_then(|value| counter(&value)).unwrap_or(0);
    let behind = i64::try_from(number).unwrap_or(i64::MAX).saturating_sub(last);
    if behind <= 0 {
        return Ok(false);
    }
    let entry = Entry::done(now, Actor::System, Action::RevocationRestore).object(ca).detail(Field::CrlNumber, number);
    let change = Change::new(Class::Essential).add(Table::Counters, &key, behind);
    ledger.commit(audit::Change::new(change, entry)).await.map_err(InventoryError::Commit)?;
    Ok(true)
}

/// Applies what the store of these authorities lacks. How many certificates that were, and the last change of each that file and store have in
/// common.
async fn restore(
    path: &Path,
    file: &mut File,
    ledger: &Ledger,
    authorities: &HashSet<CaId>,
    now: Timestamp,
) -> Result<(usize, HashMap<CaId, u64>), RevocationJournalError> {
    let storage = ledger.storage();
    let mut states: HashMap<(CaId, Serial, bool), LogEntry> = HashMap::new();
    let mut common: HashMap<CaId, u64> = HashMap::new();
    let mut fault = None;
    each_line(path, file, |line| {
        let Line::V1Log { ca, sequence, entry } = line else { return };
        let ca = CaId::from_bytes(ca);
        if !authorities.contains(&ca) {
            return;
        }
        match storage.get(Table::RevocationLog, &log_key(ca, sequence)) {
            Ok(Some(stored)) if stored == entry => drop(common.insert(ca, sequence)),
            Ok(_) => {}
            Err(error) => fault = Some(InventoryError::from(error)),
        }
        match LogEntry::decode(entry) {
            Ok(entry) => drop(states.insert((ca, entry.serial, entry.is_of_authority), entry)),
            Err(error) => fault = Some(error),
        }
    })?;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let mut restored = 0;
    for ((ca, ..), entry) in states {
        restored += usize::from(apply(ledger, ca, &entry, now).await?);
    }
    Ok((restored, common))
}

/// Makes the store say what the file says of one certificate or authority; whether it said otherwise.
async fn apply(ledger: &Ledger, ca: CaId, entry: &LogEntry, now: Timestamp) -> Result<bool, InventoryError> {
    let (table, key) = match entry.is_of_authority {
        true => (Table::AuthorityState, ca.as_bytes().to_vec()),
        false => (Table::Revocations, revocation_key(ca, &entry.serial)),
    };
    let before = ledger.storage().get(table, &key)?;
    let stored = before.as_deref().map(Revocation::decode).transpose()?;
    let change = Change::new(Class::Essential).expect(table, &key, before.as_deref());
    let change = match (&entry.revocation, &stored) {
        (Some(revocation), None) => change.put(table, &key, &revocation.encode()?),
        (Some(revocation), Some(stored)) if stored.is_hold() && stored != revocation => change.put(table, &key, &revocation.encode()?),
        (None, Some(stored)) if stored.is_hold() => change.delete(table, &key),
        // What is revoked for good stays as it is.
        (Some(_), Some(_)) | (None, Some(_) | None) => return Ok(false),
    };
    let change = match entry.blocked_key {
        Some(hash) => change.put(Table::BlockedKeys, &hash, &[]),
        None => change,
    };
    let told = Entry::done(now, Actor::System, Action::RevocationRestore).object(ca).detail(Field::SerialNumber, entry.serial);
    let told = told.detail(Field::Reason, entry.revocation.as_ref().map_or("remove_from_crl", |revocation| revocation.reason.name()));
    ledger.commit(audit::Change::new(entry.logged(change, ca)?, told)).await.map_err(InventoryError::Commit)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
