//! Checking the whole log without a daemon, or beside a running one.

use std::path::Path;

use jiff::Timestamp;

use super::{EntryFault, record};
use crate::journal::{self, Chain, JournalError};
use crate::storage::{RecordFault, Table, read_record};

/// What a valid log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The first and the last sequence; 0 when the log is empty.
    pub first: u64,
    pub last: u64,
    /// How many changes have an entry. All but those the store makes for itself do.
    pub entries: u64,
    pub frames: u64,
    /// The hash that vouches for all of it: whoever noted it once can tell later whether anything before was altered.
    pub head: Chain,
    /// The times of the first and the last entry.
    pub first_time: Option<Timestamp>,
    pub last_time: Option<Timestamp>,
    /// Bytes at the end that were never acknowledged, or are being written at this moment.
    pub torn_bytes: u64,
}

/// Why a log is not valid, and where.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("record {sequence} in segment {segment} at offset {offset}: {fault}")]
    Record { sequence: u64, segment: u32, offset: u32, fault: RecordFault },
    #[error("the entry of record {sequence} in segment {segment} at offset {offset}: {fault}")]
    Entry { sequence: u64, segment: u32, offset: u32, fault: EntryFault },
    /// Damage would have been found by the checksums before, so a newer program wrote it.
    #[error("record {sequence} in segment {segment} at offset {offset} puts into the table {table} what this version cannot read")]
    Unreadable { sequence: u64, segment: u32, offset: u32, table: &'static str },
}

/// Reads the log of the store in a folder: every frame, the hash chain, the sequence, every entry.
pub fn verify(dir: &Path) -> Result<Report, VerifyError> {
    verify_with(dir, |_, _, _| true)
}

/// The same, and shows every write of every change to `reads`: its table, its key, and the value unless the key was deleted. What that cannot
/// read ends the reading.
pub fn verify_with(dir: &Path, mut reads: impl FnMut(Table, &[u8], Option<&[u8]>) -> bool) -> Result<Report, VerifyError> {
    let (mut entries, mut first_time, mut last_time) = (0, None, None);
    let summary = journal::verify(&dir.join("journal"), |frame| {
        for found in frame.records() {
            let (sequence, segment, offset) = (found.sequence, frame.segment, found.offset);
            let mut unreadable = None;
            let each = |table: Table, key: &[u8], value: Option<&[u8]>| {
                if !reads(table, key, value) {
                    unreadable.get_or_insert(table.name());
                }
            };
            let note = read_record(&found, each).map_err(|fault| VerifyError::Record { sequence, segment, offset, fault })?;
            if let Some(table) = unreadable {
                return Err(VerifyError::Unreadable { sequence, segment, offset, table });
            }
            if note.is_empty() {
                continue;
            }
            let entry = record::decode(note).map_err(|fault| VerifyError::Entry { sequence, segment, offset, fault })?;
            entries += 1;
            first_time.get_or_insert(entry.time);
            last_time = Some(entry.time);
        }
        Ok::<_, VerifyError>(())
    })?;
    let journal::Summary { frames, first, last, head, torn_bytes } = summary;
    Ok(Report { first, last, entries, frames, head, first_time, last_time, torn_bytes })
}
