//! What can go wrong, by what is to be done about it.

use std::io;
use std::path::PathBuf;

/// Why a journal cannot be read or opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused; the same call may work later.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The journal is damaged where it was already acknowledged. Only a backup helps.
    #[error("the journal is damaged in segment {segment} at offset {offset}: {fault}")]
    Corrupt { segment: u32, offset: u64, fault: Fault },
    /// A newer program wrote this journal.
    #[error("segment {segment} at offset {offset} has journal format {version}, which is newer than this program knows")]
    Newer { segment: u32, offset: u64, version: u8 },
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("no frame begins here")]
    Magic,
    #[error("the frame's length is impossible")]
    Length,
    #[error("the frame is cut off")]
    Short,
    #[error("the checksum does not match")]
    Checksum,
    #[error("the hash chain is broken")]
    Chain,
    #[error("the sequence numbers have a gap")]
    Sequence,
    #[error("the records in the frame do not fill it exactly")]
    Records,
    #[error("a segment is missing")]
    MissingSegment,
    #[error("the journal ends before records that were acknowledged")]
    Acknowledged,
}

/// Why a batch was not appended. In every case none of it counts.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no room on the disk. The journal is as it was before and stays usable.
    #[error("no space left for the journal")]
    Full,
    /// Writing or syncing failed just now; the journal takes nothing more until the program is started again.
    #[error("the journal cannot be written: {0}")]
    Failed(io::Error),
    /// An earlier append failed.
    #[error("the journal was closed by an earlier write error")]
    Dead,
    /// More than a frame may hold.
    #[error("the batch is larger than a frame may be")]
    TooLarge,
}
