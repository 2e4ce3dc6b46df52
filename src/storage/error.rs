//! What can go wrong when storage is opened or read.

use std::io;
use std::path::PathBuf;

use crate::journal::{AppendError, JournalError};

/// Why a store was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// Another program has the folder open.
    #[error("{} is in use by another process", path.display())]
    Locked { path: PathBuf },
    /// The journal is damaged, newer than this program, or unreadable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record of the journal is not one this program can read.
    #[error("record {sequence} of the journal cannot be read: {fault}")]
    Record { sequence: u64, fault: RecordFault },
    /// A newer program wrote this store.
    #[error("the store has format {found}, and this program knows formats up to {known}; use the newer program")]
    Newer { found: u32, known: u32 },
    /// A new store could not write its first record.
    #[error("the store cannot be begun: {0}")]
    Begin(#[source] AppendError),
    /// The index could not be made even from nothing.
    #[error("the index cannot be opened: {0}")]
    Index(#[source] ReadError),
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    #[error("it has version {0}, which this program does not know")]
    Version(u8),
    #[error("it names table {0}, which this program does not know")]
    Table(u8),
    #[error("its form is wrong")]
    Form,
}

/// Why something could not be read. What was written is not lost: the journal has it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The index is damaged; it will be rebuilt at the next start.
    #[error("the index is damaged: {0}")]
    Index(IndexFault),
    /// The value's bytes in the journal are not those that were written.
    #[error("a value in segment {segment} at offset {offset} of the journal is damaged")]
    Value { segment: u32, offset: u32 },
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record is not one this program can read.
    #[error("record {sequence} of the journal cannot be read: {fault}")]
    Record { sequence: u64, fault: RecordFault },
    /// A counter holds something else.
    #[error("a counter does not hold a number")]
    NotACounter,
}

/// What is wrong with the index.
#[derive(Debug, thiserror::Error)]
pub enum IndexFault {
    #[error(transparent)]
    Engine(#[from] sled::Error),
    #[error("the engine panicked")]
    Panic,
    #[error("a page fails its check")]
    Page,
    #[error("a page is missing")]
    MissingPage,
    #[error("the pages are not those that were written last")]
    Stale,
}

impl IndexFault {
    /// Whether the disk was full, which says nothing about the index.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Engine(sled::Error::Io(error)) => matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded),
            Self::Engine(_) | Self::Panic | Self::Page | Self::MissingPage | Self::Stale => false,
        }
    }
}

/// Why the index was made anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildReason {
    #[error("it was found damaged while it was in use")]
    Suspect,
    #[error("there is no checkpoint for it")]
    NoCheckpoint,
    #[error("it is missing")]
    Missing,
    #[error("it is damaged: {0}")]
    Damaged(#[source] IndexFault),
    #[error("it is older than its checkpoint")]
    Behind,
    #[error("its checkpoint belongs to another journal")]
    OtherJournal,
}
