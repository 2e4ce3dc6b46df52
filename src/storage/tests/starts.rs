//! What a start does beyond reading.

use std::time::Instant;

use super::super::checkpoint::Checkpoint;
use super::*;

/// Killed again and again before a checkpoint was due, a store once replayed more at each start, and started later each time.
#[test]
fn a_long_replay_is_not_repeated_by_the_next_start() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    const CERTIFICATES: u32 = 8_000;
    for number in 0..CERTIFICATES - 1 {
        assert!(storage.commit_later(certificate(number)));
    }
    storage.commit_blocking(certificate(CERTIFICATES - 1)).unwrap();
    let after = scratch();
    copy(dir.path(), after.path());
    drop(storage);
    let (storage, opened) = open(after.path());
    assert!(opened.replayed >= u64::from(CERTIFICATES));
    let begun = Instant::now();
    while Checkpoint::read(after.path()).unwrap().is_none_or(|checkpoint| checkpoint.end.sequence < u64::from(CERTIFICATES)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing was put into the index");
        std::thread::sleep(Duration::from_millis(10));
    }
    let again = scratch();
    copy(after.path(), again.path());
    drop(storage);
    let (storage, opened) = open(again.path());
    assert!(opened.replayed < 1_000 && opened.rebuilt.is_none(), "{opened:?}");
    assert_complete(&storage, CERTIFICATES);
}
