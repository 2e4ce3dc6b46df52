mod damage;
mod full;
mod histories;
mod starts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Barrier;

use super::*;

/// A folder in memory where there is one: most of these tests are not about the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Without a reserve, and without checkpoints but those a test asks for.
fn options() -> Options {
    Options {
        reserve_bytes: 0,
        low_water_bytes: 0,
        checkpoint_every: Duration::from_secs(3_600),
        journal: journal::Options { segment_bytes: 1 << 20, room_bytes: 64 << 10 },
        ..Options::default()
    }
}

fn open(dir: &Path) -> (Storage, Opened) {
    Storage::open(dir, options()).unwrap()
}

/// A certificate-shaped change.
fn certificate(number: u32) -> Change {
    let key = number.to_be_bytes();
    let spread = number.wrapping_mul(0x9E37_79B9).to_be_bytes();
    Change::new(Class::Normal)
        .expect_absent(Table::SerialIndex, &spread)
        .put(Table::Certificates, &key, &value(number))
        .put(Table::SerialIndex, &spread, &key)
        .put(Table::CertificatesByExpiry, &[&spread[..], &key].concat(), &[])
        .add(Table::Counters, b"issued", 1)
        .note(format!("issued {number}").into_bytes())
}

fn value(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(200)
}

/// Commits certificates one by one.
fn issue(storage: &Storage, numbers: std::ops::Range<u32>) {
    for number in numbers {
        storage.commit_blocking(certificate(number)).unwrap();
    }
}

/// Everything the certificates from 0 on should have left, and nothing more.
fn assert_complete(storage: &Storage, certificates: u32) {
    for number in 0..certificates {
        let spread = number.wrapping_mul(0x9E37_79B9).to_be_bytes();
        assert_eq!(storage.get(Table::Certificates, &number.to_be_bytes()).unwrap().unwrap(), value(number), "{number}");
        assert_eq!(storage.get(Table::SerialIndex, &spread).unwrap().unwrap(), number.to_be_bytes());
    }
    assert_eq!(storage.scan_keys(Table::Certificates, &[], None).count(), certificates as usize);
    assert_eq!(storage.scan(Table::CertificatesByExpiry, &[], None).map(Result::unwrap).count(), certificates as usize);
    let issued = storage.get(Table::Counters, b"issued").unwrap();
    assert_eq!(issued.map_or(0, |value| counter(&value).unwrap()), i64::from(certificates));
}

/// A copy of a store as a crash at this moment would leave it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // The journal last: a store never has an index of records that its journal does not have.
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(|entry| entry.file_name() == "journal");
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn what_was_committed_is_read_after_every_kind_of_reopening() {
    let dir = scratch();
    let mut issued = 0;
    for round in 0..4 {
        let (storage, opened) = open(dir.path());
        assert!(opened.rebuilt.is_none(), "{opened:?}");
        assert_complete(&storage, issued);
        for _ in 0..150 {
            storage.commit_blocking(certificate(issued)).unwrap();
            issued += 1;
            if round == 1 && issued % 50 == 0 {
                assert!(storage.checkpoint());
            }
        }
        assert_complete(&storage, issued);
    }
    let (storage, opened) = open(dir.path());
    assert_complete(&storage, issued);
    assert!(opened.replayed <= 1, "a closed store has nothing to replay: {opened:?}");
}

#[test]
fn a_precondition_that_does_not_hold_leaves_nothing() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    let put = |value: &[u8]| Change::new(Class::Normal).put(Table::Roles, b"role", value);
    storage.commit_blocking(put(b"one").expect(Table::Roles, b"role", None)).unwrap();
    for change in [
        put(b"two").expect_absent(Table::Roles, b"role"),
        put(b"two").expect(Table::Roles, b"role", Some(b"other")),
        put(b"two").expect(Table::Roles, b"gone", Some(b"one")),
    ] {
        assert!(matches!(storage.commit_blocking(change), Err(CommitError::Conflict { table: Table::Roles, .. })));
    }
    assert_eq!(storage.get(Table::Roles, b"role").unwrap().unwrap(), b"one");
    storage.commit_blocking(put(b"two").expect(Table::Roles, b"role", Some(b"one"))).unwrap();
    // A large value stands in the journal and is compared all the same.
    let large = vec![5; 3_000];
    storage.commit_blocking(put(&large)).unwrap();
    assert!(storage.commit_blocking(put(b"x").expect(Table::Roles, b"role", Some(&large[1..]))).is_err());
    storage.commit_blocking(put(b"x").expect(Table::Roles, b"role", Some(&large))).unwrap();
}

#[test]
fn what_cannot_be_committed_is_refused_alone() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    let large = Change::new(Class::Normal).put(Table::Roles, b"a", &vec![0; MAX_CHANGE + 1]);
    assert!(matches!(storage.commit_blocking(large), Err(CommitError::TooLarge)));
    let long = Change::new(Class::Normal).put(Table::Roles, &[0; MAX_KEY + 1], b"");
    assert!(matches!(storage.commit_blocking(long), Err(CommitError::TooLarge)));
    let name = Change::new(Class::Normal).put(Table::Counters, b"c", b"text");
    storage.commit_blocking(name).unwrap();
    let sum = Change::new(Class::Normal).add(Table::Counters, b"c", 1);
    assert!(matches!(storage.commit_blocking(sum), Err(CommitError::Unreadable(ReadError::NotACounter))));
    // The longest key and a value just as large as a change may be do pass.
    let largest = Change::new(Class::Normal).put(Table::Roles, &[1; MAX_KEY], &vec![2; MAX_CHANGE - 2 * MAX_KEY]);
    storage.commit_blocking(largest).unwrap();
    assert!(storage.checkpoint());
    assert_eq!(storage.get(Table::Roles, &[1; MAX_KEY]).unwrap().unwrap().len(), MAX_CHANGE - 2 * MAX_KEY);
}

#[test]
fn many_threads_commit_in_groups_and_in_one_order() {
    const THREADS: u32 = 32;
    const EACH: u32 = 60;
    let dir = tempfile::tempdir().unwrap();
    let (storage, _) = open(dir.path());
    let barrier = Barrier::new(THREADS as usize);
    let mut sequences = BTreeSet::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (storage, barrier) = (&storage, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let mut times = Vec::new();
                    for number in 0..EACH {
                        let number = worker * EACH + number;
                        times.push(storage.commit_blocking(certificate(number)).unwrap());
                        // One's own write is seen at once.
                        assert_eq!(storage.get(Table::Certificates, &number.to_be_bytes()).unwrap().unwrap(), value(number));
                    }
                    assert!(times.is_sorted_by_key(|committed| (committed.sequence, committed.time)));
                    times
                })
            })
            .collect();
        for worker in workers {
            sequences.extend(worker.join().unwrap().into_iter().map(|committed| committed.sequence));
        }
    });
    assert_eq!(sequences.len(), (THREADS * EACH) as usize);
    assert_complete(&storage, THREADS * EACH);
    // Only one of many wins the same key.
    let winners = std::thread::scope(|scope| {
        let race =
            || storage.commit_blocking(Change::new(Class::Normal).expect_absent(Table::RoleNames, b"x").put(Table::RoleNames, b"x", b""));
        let racers: Vec<_> = (0..16).map(|_| scope.spawn(race)).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).filter(Result::is_ok).count()
    });
    assert_eq!(winners, 1);
    drop(storage);
    let frames = journal::verify::<journal::JournalError>(&dir.path().join("journal"), |_| Ok(())).unwrap().frames;
    assert!(frames < u64::from(THREADS * EACH) / 2, "{frames} frames");
}

#[test]
fn a_walk_sees_what_does_not_change_exactly_once_while_all_else_moves() {
    let dir = scratch();
    let (storage, _) = Storage::open(dir.path(), Options { checkpoint_bytes: 20_000, ..options() }).unwrap();
    let still = |number: u32| Change::new(Class::Normal).put(Table::Roles, &(number * 2).to_be_bytes(), &value(number)[..300]);
    for number in 0..500 {
        storage.commit_blocking(still(number)).unwrap();
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..3_000_u32 {
                let key = (number.wrapping_mul(2_654_435_761) % 500 * 2 + 1).to_be_bytes();
                let change = Change::new(Class::Normal);
                let change = if number % 3 == 0 { change.delete(Table::Roles, &key) } else { change.put(Table::Roles, &key, &[1; 200]) };
                storage.commit_blocking(change).unwrap();
            }
        });
        while !writer.is_finished() {
            let is_still = |key: &Vec<u8>| key[3].is_multiple_of(2);
            let forward: Vec<_> = storage.scan_keys(Table::Roles, &[], None).map(Result::unwrap).collect();
            assert!(forward.is_sorted_by(|a, b| a < b));
            assert_eq!(forward.iter().filter(|key| is_still(key)).count(), 500);
            let backward: Vec<_> = storage.scan_keys_reverse(Table::Roles, &[], None).map(Result::unwrap).collect();
            assert!(backward.is_sorted_by(|a, b| a > b));
            assert_eq!(backward.iter().filter(|key| is_still(key)).count(), 500);
        }
    });
}

#[test]
fn notes_are_paged_both_ways() {
    let dir = scratch();
    let options = Options { journal: journal::Options { segment_bytes: 40_000, room_bytes: 0 }, ..options() };
    for part in 0..2 {
        let (storage, _) = Storage::open(dir.path(), options.clone()).unwrap();
        for number in 0..100 {
            storage.commit_blocking(certificate(part * 100 + number)).unwrap();
            let newest = storage.records_before(u64::MAX).next().unwrap().unwrap();
            assert_eq!(newest.note, format!("issued {}", part * 100 + number).into_bytes());
        }
        let all: Vec<Record> = storage.records(0).map(Result::unwrap).collect();
        // The store's own first record has none.
        assert!(all[0].note.is_empty());
        assert_eq!(all.iter().map(|record| record.sequence).collect::<Vec<_>>(), (1..=all.len() as u64).collect::<Vec<_>>());
        let mut reversed: Vec<Record> = storage.records_before(u64::MAX).map(Result::unwrap).collect();
        reversed.reverse();
        assert_eq!(reversed, all);
        for sequence in [0, 1, 2, 50, 99, 100, 101, 200, 5_000] {
            let behind: Vec<u64> = storage.records(sequence).map(|record| record.unwrap().sequence).collect();
            assert_eq!(behind, (sequence + 1..=all.len() as u64).collect::<Vec<_>>());
            let before: Vec<u64> = storage.records_before(sequence).map(|record| record.unwrap().sequence).collect();
            assert_eq!(before, (1..sequence.min(all.len() as u64 + 1)).rev().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_second_opener_is_refused() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    assert!(matches!(Storage::open(dir.path(), options()), Err(OpenError::Locked { .. })));
    drop(storage);
    open(dir.path());
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    storage.commit_blocking(Change::new(Class::Normal).put(Table::Meta, b"format", &2_u32.to_be_bytes())).unwrap();
    drop(storage);
    assert!(matches!(Storage::open(dir.path(), options()), Err(OpenError::Newer { found: 2, known: 1 })));
}

#[test]
fn closing_commits_what_waits_and_takes_no_more() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    for number in 0..20 {
        assert!(storage.commit_later(certificate(number)));
    }
    drop(storage);
    let (storage, _) = open(dir.path());
    assert_complete(&storage, 20);
}

#[test]
fn asynchronous_commits_work_on_one_thread() {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in 0..10 {
            storage.commit(certificate(number)).await.unwrap();
        }
    });
    assert_complete(&storage, 10);
}

#[test]
fn tables_have_their_numbers_for_ever() {
    for table in Table::ALL {
        assert_eq!(Table::from_number(table.number()), Some(table));
    }
    assert_eq!(Table::Certificates.number(), 10);
    assert_eq!(Table::CrlState.number(), 18);
    let names: BTreeSet<_> = Table::ALL.iter().map(|table| table.name()).collect();
    assert_eq!(names.len(), Table::ALL.len());
}
