//! The files of CRLs: each is whole before it has its name, and its name has its number, so that the record that tells of it is right about it
//! whenever it is read.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::CrlName;
use crate::base::clock::from_seconds;
use crate::base::id::CaId;
use crate::ca::record::CrlRecord;

/// A CRL that is durable and may be handed out. Its bytes are in a file.
#[derive(Debug)]
pub struct PublishedCrl {
    pub name: CrlName,
    pub number: u64,
    /// The number of the full CRL that this delta CRL belongs to.
    pub base: Option<u64>,
    pub this_update: Timestamp,
    pub next_update: Timestamp,
    pub entries: u64,
    pub length: u64,
    pub sha256: [u8; 32],
    /// The last change of the store that it is sure to know of.
    pub(super) seen: u64,
    pub(super) path: PathBuf,
    /// Its file while somebody reads it: however many do, they hold one descriptor.
    pub(super) reading: Mutex<Weak<File>>,
}

impl PublishedCrl {
    /// Its bytes. A newer one may have taken its place since it was looked up; then it is to be looked up again.
    pub fn open(&self) -> io::Result<CrlBytes> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match reading.upgrade() {
            Some(file) => file,
            None => {
                let file = Arc::new(File::open(&self.path)?);
                *reading = Arc::downgrade(&file);
                file
            }
        };
        Ok(CrlBytes { file, length: self.length })
    }

    /// Its record on disk.
    pub(super) fn record(&self) -> CrlRecord {
        CrlRecord::V2 {
            number: self.number,
            base: self.base,
            this_update: self.this_update.as_second(),
            next_update: self.next_update.as_second(),
            sha256: self.sha256,
            entries: self.entries,
            length: self.length,
            seen: self.seen,
        }
    }
}

/// The bytes of a CRL, read where they are wanted; they stay the same when a newer one takes its place.
#[derive(Debug)]
pub struct CrlBytes {
    file: Arc<File>,
    length: u64,
}

impl CrlBytes {
    /// At most so many bytes from there.
    pub fn read(&self, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length.saturating_sub(at)).unwrap_or(most).min(most);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// The folder of the files.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it when it is not there.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where a CRL is made, and what its entries are kept in meanwhile.
    pub fn unfinished(&self, name: CrlName) -> (PathBuf, PathBuf) {
        (self.0.join(format!("{name}.new")), self.0.join(format!("{name}.entries")))
    }

    /// Gives a finished file its name: a reader or a crash meets it whole or not at all.
    pub fn publish(&self, name: CrlName, number: u64) -> io::Result<PathBuf> {
        let path = self.path(name, Some(number));
        std::fs::rename(self.unfinished(name).0, &path)?;
        File::open(&self.0)?.sync_all()?;
        Ok(path)
    }

    /// The CRL a record tells of; none when its file is missing or another.
    pub fn find(&self, name: CrlName, record: &CrlRecord) -> Option<PublishedCrl> {
        let found = match record {
            CrlRecord::V1 { number, this_update, next_update, sha256, entries } => PublishedCrl {
                name,
                number: *number,
                base: None,
                this_update: from_seconds(*this_update),
                next_update: from_seconds(*next_update),
                entries: *entries,
                length: std::fs::metadata(self.path(name, None)).ok()?.len(),
                sha256: *sha256,
                seen: 0,
                path: self.path(name, None),
                reading: Mutex::default(),
            },
            CrlRecord::V2 { number, base, this_update, next_update, sha256, entries, length, seen } => PublishedCrl {
                name,
                number: *number,
                base: *base,
                this_update: from_seconds(*this_update),
                next_update: from_seconds(*next_update),
                entries: *entries,
                length: *length,
                sha256: *sha256,
                seen: *seen,
                path: self.path(name, Some(*number)),
                reading: Mutex::default(),
            },
        };
        (sha256(&found.path).ok()? == found.sha256).then_some(found)
    }

    /// Removes what a crash has left behind, or what a later store has published than the one there is now: the highest number of each authority
    /// among that.
    pub fn keep_only<'a>(&self, published: impl Iterator<Item = &'a PublishedCrl>) -> io::Result<HashMap<CaId, u64>> {
        let mut left = HashMap::new();
        let kept: HashSet<&Path> = published.map(|published| published.path.as_path()).collect();
        for file in std::fs::read_dir(&self.0)? {
            let path = file?.path();
            let is_ours = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ca_"));
            if is_ours && !kept.contains(path.as_path()) {
                if let Some((name, number)) = named_by(&path) {
                    let highest = left.entry(name.ca).or_default();
                    *highest = number.max(*highest);
                }
                std::fs::remove_file(path)?;
            }
        }
        Ok(left)
    }

    /// The first version had one file for each authority, which every CRL took.
    fn path(&self, name: CrlName, number: Option<u64>) -> PathBuf {
        self.0.join(match number {
            Some(number) => format!("{name}.{number}.crl"),
            None => format!("{name}.crl"),
        })
    }
}

/// What the name of a finished file says.
fn named_by(path: &Path) -> Option<(CrlName, u64)> {
    let (name, number) = path.file_name()?.to_str()?.strip_suffix(".crl")?.rsplit_once('.')?;
    Some((name.parse().ok()?, number.parse().ok()?))
}

/// A file that is written once and hashed on the way.
pub struct Hashed {
    file: io::BufWriter<File>,
    hash: digest::Context,
    length: u64,
}

impl Hashed {
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = io::BufWriter::with_capacity(1 << 18, File::create(path)?);
        Ok(Self { file, hash: digest::Context::new(&digest::SHA256), length: 0 })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Makes it durable; its length and hash.
    pub fn finish(self) -> io::Result<(u64, [u8; 32])> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok((self.length, array(self.hash.finish().as_ref())))
    }
}

/// Whether a write failed for want of space.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn sha256(path: &Path) -> io::Result<[u8; 32]> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; 1 << 18];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(array(hash.finish().as_ref())),
            length => hash.update(chunk.get(..length).unwrap_or_default()),
        }
    }
}

fn array(digest: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    array
}
