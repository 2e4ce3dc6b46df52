//! The files of a journal: their names, their order, and making a new one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Fault, JournalError};

/// The path of a segment.
pub(super) fn path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("{segment:010}.log"))
}

/// The segments there are, in order and without a gap.
pub(super) fn list(folder: &Path) -> Result<Vec<u32>, JournalError> {
    let failed = |source| JournalError::Io { path: folder.to_owned(), source };
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).filter(|stem| stem.len() == 10);
        if let Some(number) = number.and_then(|stem| stem.parse().ok()) {
            segments.push(number);
        }
    }
    segments.sort_unstable();
    for (expected, found) in (1..).zip(&segments) {
        if expected != *found {
            return Err(JournalError::Corrupt { segment: expected, offset: 0, fault: Fault::MissingSegment });
        }
    }
    Ok(segments)
}

/// Opens a segment for reading.
pub(super) fn open(folder: &Path, segment: u32) -> Result<File, JournalError> {
    let path = path(folder, segment);
    File::open(&path).map_err(|source| JournalError::Io { path, source })
}

/// Opens the segment that is written to, making it when it is new. A new name is durable only when its folder was synced, also after a try that failed
/// half-way, so it is synced in every case.
pub(super) fn open_for_writing(folder: &Path, segment: u32) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path(folder, segment))?;
    sync_folder(folder)?;
    Ok(file)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
