//! A full disk, on a small file system in memory.

use std::process::Command;

use super::*;

/// A mounted file system that goes away with the test.
struct Mount(tempfile::TempDir);

impl Mount {
    /// Mounts one of so many megabytes; none where that is not permitted.
    fn new(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            Some(Self(dir))
        } else {
            eprintln!("skipped: a tmpfs cannot be mounted here");
            None
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn essential(number: u32) -> Change {
    Change::new(Class::Essential).put(Table::Revocations, &number.to_be_bytes(), b"").note(vec![1; 2_000])
}

fn fill(dir: &Path, name: &str, leave: u64) {
    let free = space::free_bytes(dir).unwrap();
    let bytes = usize::try_from(free.saturating_sub(leave)).unwrap();
    // The last bytes may not fit into whole pages, and that is as full as can be.
    let _ = fs::write(dir.join(name), vec![1; bytes]);
}

#[test]
fn little_space_refuses_what_can_wait_and_a_full_disk_uses_the_reserve() {
    let Some(mount) = Mount::new(64) else { return };
    let dir = mount.0.path();
    let options = Options { reserve_bytes: 8 << 20, low_water_bytes: 6 << 20, ..options() };
    let (storage, _) = Storage::open(&dir.join("store"), options.clone()).unwrap();
    storage.commit_blocking(certificate(0)).unwrap();
    assert!(storage.health().is_reserve_held);

    fill(dir, "filler", 4 << 20);
    std::thread::sleep(Duration::from_millis(150));
    let refused = storage.commit_blocking(certificate(1));
    assert!(matches!(refused, Err(CommitError::Full)), "{refused:?} {:?}", storage.health());
    assert!(storage.health().is_low);
    storage.commit_blocking(essential(0)).unwrap();
    assert!(storage.health().is_reserve_held, "there was still room");

    fill(dir, "more", 0);
    let mut revoked = 1;
    while revoked < 2_000 {
        storage.commit_blocking(essential(revoked)).unwrap();
        revoked += 1;
    }
    assert!(!storage.health().is_reserve_held && !storage.health().is_dead);
    std::thread::sleep(Duration::from_millis(150));
    assert!(matches!(storage.commit_blocking(certificate(1)), Err(CommitError::Full)));
    // Not even the reserve lasts for ever, and the end is an error and no harm.
    while storage.commit_blocking(essential(revoked)).is_ok() {
        revoked += 1;
        assert!(revoked < 50_000);
    }
    assert!(!storage.health().is_dead);

    fs::remove_file(dir.join("filler")).unwrap();
    fs::remove_file(dir.join("more")).unwrap();
    std::thread::sleep(Duration::from_millis(150));
    storage.commit_blocking(certificate(1)).unwrap();
    assert!(storage.health().is_reserve_held && !storage.health().is_low);
    drop(storage);
    let (storage, opened) = Storage::open(&dir.join("store"), options).unwrap();
    assert!(opened.rebuilt.is_none() && opened.torn_bytes == 0, "{opened:?}");
    assert_complete(&storage, 2);
    assert_eq!(storage.scan_keys(Table::Revocations, &[], None).count(), revoked as usize);
}

#[test]
fn a_store_on_a_full_disk_can_be_opened_and_read() {
    let Some(mount) = Mount::new(24) else { return };
    let dir = mount.0.path();
    let options = Options { reserve_bytes: 2 << 20, low_water_bytes: 2 << 20, ..options() };
    let (storage, _) = Storage::open(&dir.join("store"), options.clone()).unwrap();
    issue(&storage, 0..300);
    storage.checkpoint();
    issue(&storage, 300..400);
    fill(dir, "filler", 0);
    drop(storage);
    let (storage, opened) = Storage::open(&dir.join("store"), options).unwrap();
    assert!(opened.rebuilt.is_none(), "{opened:?}");
    assert_complete(&storage, 400);
    assert!(matches!(storage.commit_blocking(certificate(400)), Err(CommitError::Full)));
    storage.commit_blocking(essential(1)).unwrap();
}
