//! Writing the file anew without what no restore needs any more.
//!
//! What stays: of each certificate that has not ended, or not long ago, all that says how it is; every key that was compromised; the last line of each
//! authority, which tells whether a store was restored; and the highest CRL numbers. What goes: what ended long ago, holds that were lifted and became
//! holds again, and numbers below the highest.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::PoisonError;

use jiff::Timestamp;

use super::lines::{Line, MAGIC, each_line, write_line};
use super::{Inner, RevocationJournal, RevocationJournalError};
use crate::base::id::CaId;
use crate::inventory::{InventoryError, LogEntry};
use crate::x509::serial::Serial;

/// So long after its end a certificate may still be missed: the life of a CRL, and of a backup that is put back, and time for a clock to be put right.
const BEYOND_END_SECONDS: i64 = 90 * 86_400;
/// Below this nobody minds what is in it.
const SMALL: u64 = 16 << 10;
/// What is written at a time.
const CHUNK: usize = 1 << 18;

/// What one certificate went through, by the numbers of lines.
struct History {
    last: u64,
    /// The last line that says until when it is valid.
    revoked: Option<u64>,
    until: Option<Timestamp>,
}

/// What is needed to know which lines stay.
#[derive(Default)]
struct Plan {
    numbers: BTreeMap<CaId, u64>,
    /// The last line of each authority's log.
    newest: HashMap<CaId, u64>,
    /// The certificates that were ever on hold.
    held: HashMap<(CaId, Serial, bool), History>,
    is_complete: bool,
}

impl RevocationJournal {
    /// Writes the file anew when it has doubled since that was last done; revocations wait for it. How many bytes that has spared.
    pub async fn compact(&self, now: Timestamp) -> Result<u64, RevocationJournalError> {
        let inner = self.inner.clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.length < SMALL.max(2 * inner.compacted) { Ok(0) } else { inner.compact(now) }
        });
        work.await.unwrap_or(Ok(0))
    }
}

impl Inner {
    /// Does it, however small the file is.
    pub(super) fn compact(&mut self, now: Timestamp) -> Result<u64, RevocationJournalError> {
        let beside = self.path.with_extension("new");
        let failed = |source| RevocationJournalError::File { path: beside.clone(), source };
        let plan = Plan::read(&self.path, &mut self.file)?;
        let mut file = File::options().read(true).append(true).create(true).open(&beside).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        let written = match self.copy(&plan, &mut file, now).and_then(|length| file.sync_all().map(|()| length).map_err(failed)) {
            Ok(written) => written,
            Err(error) => {
                // The old one is as it was.
                let _ = std::fs::remove_file(&beside);
                return Err(error);
            }
        };
        std::fs::rename(&beside, &self.path).map_err(failed)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        let spared = self.length.saturating_sub(written);
        (self.file, self.length, self.compacted) = (file, written, written);
        Ok(spared)
    }

    /// The length of what was written.
    fn copy(&mut self, plan: &Plan, to: &mut File, now: Timestamp) -> Result<u64, RevocationJournalError> {
        let failed = |source| RevocationJournalError::File { path: self.path.clone(), source };
        let mut bytes = MAGIC.to_vec();
        let mut written = 0;
        plan.write_head(&mut bytes).map_err(failed)?;
        let mut index = 0;
        let mut fault = Ok(());
        let mut copy = |line: Line<'_>| -> Result<(), RevocationJournalError> {
            let is_kept = match line {
                Line::V1Log { ca, entry, .. } => plan.keeps(index, CaId::from_bytes(ca), &LogEntry::decode(entry)?, now),
                Line::V1Earlier { ca, entry } => plan.keeps(index, CaId::from_bytes(ca), &LogEntry::decode(entry)?, now),
                Line::V1Number { .. } | Line::V1Complete => false,
            };
            index += 1;
            if is_kept {
                write_line(&mut bytes, &line).map_err(failed)?;
            }
            if bytes.len() > CHUNK {
                to.write_all(&bytes).map_err(failed)?;
                written += bytes.len() as u64;
                bytes.clear();
            }
            Ok(())
        };
        each_line(&self.path, &mut self.file, |line| {
            if fault.is_ok() {
                fault = copy(line);
            }
        })?;
        fault?;
        to.write_all(&bytes).map_err(failed)?;
        Ok(written + bytes.len() as u64)
    }
}

impl Plan {
    fn read(path: &Path, file: &mut File) -> Result<Self, RevocationJournalError> {
        let mut plan = Self::default();
        let mut index = 0;
        let mut fault: Result<(), InventoryError> = Ok(());
        each_line(path, file, |line| {
            let taken = match line {
                Line::V1Log { ca, sequence: _, entry } => {
                    plan.newest.insert(CaId::from_bytes(ca), index);
                    LogEntry::decode(entry).map(|entry| plan.follow(index, CaId::from_bytes(ca), &entry))
                }
                Line::V1Earlier { ca, entry } => LogEntry::decode(entry).map(|entry| plan.follow(index, CaId::from_bytes(ca), &entry)),
                Line::V1Number { ca, number } => {
                    let highest = plan.numbers.entry(CaId::from_bytes(ca)).or_default();
                    *highest = number.max(*highest);
                    Ok(())
                }
                Line::V1Complete => {
                    plan.is_complete = true;
                    Ok(())
                }
            };
            index += 1;
            if let Err(error) = taken {
                fault = Err(error);
            }
        })?;
        fault?;
        Ok(plan)
    }

    fn follow(&mut self, index: u64, ca: CaId, entry: &LogEntry) {
        let key = (ca, entry.serial, entry.is_of_authority);
        let is_of_hold = entry.revocation.as_ref().is_none_or(|revocation| revocation.is_hold());
        // Whatever comes before a hold or its end is one of the two.
        if !is_of_hold && !self.held.contains_key(&key) {
            return;
        }
        let history = self.held.entry(key).or_insert(History { last: index, revoked: None, until: None });
        history.last = index;
        if let Some(revocation) = &entry.revocation {
            (history.revoked, history.until) = (Some(index), Some(revocation.not_after));
        }
    }

    fn keeps(&self, index: u64, ca: CaId, entry: &LogEntry, now: Timestamp) -> bool {
        let has_ended = |until: Timestamp| until.as_second().saturating_add(BEYOND_END_SECONDS) <= now.as_second();
        if self.newest.get(&ca) == Some(&index) || entry.blocked_key.is_some() {
            return true;
        }
        match self.held.get(&(ca, entry.serial, entry.is_of_authority)) {
            // When it ends is told by the line before its hold was lifted, which stays with that.
            Some(history) => (index == history.last || history.revoked == Some(index)) && !history.until.is_some_and(has_ended),
            None => !entry.revocation.as_ref().is_some_and(|revocation| has_ended(revocation.not_after)),
        }
    }

    fn write_head(&self, out: &mut Vec<u8>) -> io::Result<()> {
        for (ca, number) in &self.numbers {
            write_line(out, &Line::V1Number { ca: *ca.as_bytes(), number: *number })?;
        }
        if self.is_complete { write_line(out, &Line::V1Complete) } else { Ok(()) }
    }
}
