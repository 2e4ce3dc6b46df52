//! Room on the disk: when to refuse, and the ballast that is let go when revocation needs the room.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

/// The name of the ballast.
pub(super) const RESERVE: &str = "reserve";
/// How long a look at the disk is believed.
const FRESH: Duration = Duration::from_millis(100);

/// What is known about the room on the store's disk.
#[derive(Debug)]
pub(super) struct Space {
    folder: PathBuf,
    reserve: PathBuf,
    reserve_bytes: u64,
    low_water: u64,
    free: u64,
    looked: Option<Instant>,
    is_held: bool,
}

impl Space {
    /// Takes the reserve, if there is room for it.
    pub fn open(folder: &Path, reserve_bytes: u64, low_water: u64) -> io::Result<Self> {
        let reserve = folder.join(RESERVE);
        let mut space = Self { folder: folder.to_owned(), reserve, reserve_bytes, low_water, free: 0, looked: None, is_held: false };
        space.is_held = space.is_allocated()?;
        space.look()?;
        Ok(space)
    }

    /// Whether changes that can wait are to be refused now.
    pub fn is_low(&mut self) -> io::Result<bool> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= FRESH) {
            self.look()?;
        }
        Ok(self.free < self.low_water)
    }

    /// The same from a fresh look.
    pub fn is_low_now(&mut self) -> io::Result<bool> {
        self.looked = None;
        self.is_low()
    }

    /// How many bytes were free at the last look.
    pub fn free(&self) -> u64 {
        self.free
    }

    /// Whether the reserve is there.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// Gives the reserve's room to the journal; whether there was any.
    pub fn release(&mut self) -> io::Result<bool> {
        if !self.is_held {
            return Ok(false);
        }
        fs::remove_file(&self.reserve)?;
        self.is_held = false;
        self.looked = None;
        Ok(true)
    }

    fn look(&mut self) -> io::Result<()> {
        self.free = free_bytes(&self.folder)?;
        // Taken only when there is plenty: a reserve that makes the disk low would refuse issuance by itself.
        if !self.is_held && self.reserve_bytes > 0 && self.free >= self.reserve_bytes + 2 * self.low_water {
            self.is_held = self.take()?;
            self.free = free_bytes(&self.folder)?;
        }
        self.looked = Some(Instant::now());
        Ok(())
    }

    fn take(&self) -> io::Result<bool> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.reserve)?;
        let taken = match allocate(&mut file, self.reserve_bytes) {
            Ok(()) => file.sync_all().map(|()| true),
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Ok(false),
            Err(error) => Err(error),
        };
        if !matches!(taken, Ok(true)) {
            fs::remove_file(&self.reserve)?;
        }
        taken
    }

    /// Whether an earlier run left a reserve whose blocks are really there.
    fn is_allocated(&self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        match fs::metadata(&self.reserve) {
            Ok(metadata) => {
                Ok(self.reserve_bytes > 0 && metadata.len() == self.reserve_bytes && metadata.blocks() * 512 >= self.reserve_bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// How many bytes the file system of a folder has for us.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let stat = statvfs(folder)?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

fn allocate(file: &mut File, bytes: u64) -> io::Result<()> {
    let length = i64::try_from(bytes).unwrap_or(i64::MAX);
    match fallocate(&*file, FallocateFlags::empty(), 0, length) {
        // Some file systems only know how to write.
        Err(Errno::EOPNOTSUPP) => {
            let zeros = vec![0; 1 << 16];
            let mut left = bytes;
            while left > 0 {
                let part = left.min(zeros.len() as u64);
                file.write_all(&zeros[..part as usize])?;
                left -= part;
            }
            Ok(())
        }
        other => Ok(other?),
    }
}
