//! Files a command writes: new ones that never overwrite, and public ones that are replaced in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::x509::pem::{self, Label};
use crate::x509::tlv;

/// Longer than any request the server takes.
const LONGEST_INPUT: u64 = 1 << 20;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// The owner alone.
    Owner,
    /// Whom the umask lets.
    Everyone,
}

/// A file that did not exist before. It is made before the server is asked, so that nothing is issued that cannot be kept, and
/// goes away again when nothing was written to it.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl NewFile {
    pub(super) fn create(path: &Path, readers: Readers) -> Result<Self, Failure> {
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Everyone => 0o644,
        };
        // O_EXCL: neither an existing file nor whatever a link points at is opened.
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
            Ok(file) => Ok(Self { path: path.to_path_buf(), file, written: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Exists { path: path.to_path_buf() }),
            Err(source) => Err(Failure::File { verb: "create", path: path.to_path_buf(), source }),
        }
    }

    /// Writes the whole content and waits for the disk.
    pub(super) fn write(mut self, content: &[u8]) -> Result<PathBuf, Failure> {
        match self.file.write_all(content).and_then(|()| self.file.sync_all()).and_then(|()| sync_parent(&self.path)) {
            Ok(()) => {
                self.written = true;
                Ok(self.path.clone())
            }
            Err(source) => Err(Failure::File { verb: "write", path: self.path.clone(), source }),
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.written {
            // It was made by us a moment ago and holds nothing of worth.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes a directory, and those above it, unless it is there.
pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|source| Failure::File { verb: "make the directory", path: path.to_path_buf(), source })
}

/// Puts public content in a file's place in one step: a reader sees the old or the new, never half of it.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed = |source| Failure::File { verb: "write", path: path.to_path_buf(), source };
    // What a link points at is replaced, not the link; a device or a pipe is written to.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&place).is_ok_and(|there| !there.is_file()) {
        return fs::write(&place, content).map_err(failed);
    }
    let mut name = place.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let draft = NewFile::create(&place.with_file_name(name), Readers::Everyone)?.write(content)?;
    fs::rename(&draft, &place).and_then(|()| sync_parent(&place)).map_err(failed)
}

/// Reads a file, or standard input for `-`, and no more than any request can be.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LONGEST_INPUT).read_to_end(&mut content)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST_INPUT).read_to_end(&mut content))
    };
    match read {
        Ok(_) => Ok(content),
        Err(source) => Err(Failure::File { verb: "read", path: path.to_path_buf(), source }),
    }
}

/// A new name is only durable with its directory.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Reads one PEM text, or DER, which becomes one: every such thing is a SEQUENCE.
pub(super) fn read_pem(path: &Path, label: Label) -> Result<String, Failure> {
    let content = read(path)?;
    if content.first() == Some(&tlv::SEQUENCE) {
        return Ok(pem::encode(label, &content));
    }
    match String::from_utf8(content) {
        Ok(text) if text.contains("-----BEGIN ") => Ok(text),
        Ok(_) | Err(_) => Err(Failure::NotPem { path: path.to_path_buf(), wanted: label }),
    }
}
