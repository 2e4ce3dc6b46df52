//! Damage to files: to the index it must cost nothing but time, to the journal it must be refused.

use super::*;

const CERTIFICATES: u32 = 1_500;

/// A closed store with an index of several hundred kilobytes.
fn filled() -> tempfile::TempDir {
    let dir = scratch();
    let (storage, _) = open(dir.path());
    for number in 0..CERTIFICATES {
        assert!(storage.commit_later(certificate(number)));
        if number % 400 == 0 {
            assert!(storage.checkpoint());
        }
    }
    drop(storage);
    dir
}

/// A small generator of numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_damage_to_the_index_costs_a_certificate() {
    let original = filled();
    let length = fs::metadata(original.path().join("index/db")).unwrap().len();
    let mut state = 0x2545_F491_4F6C_DD1D;
    let mut rebuilt = 0;
    for round in 0..36_u64 {
        let dir = scratch();
        copy(original.path(), dir.path());
        let path = dir.path().join("index/db");
        let mut bytes = fs::read(&path).unwrap();
        let at = (next(&mut state) % length) as usize;
        match round % 6 {
            0 => bytes.truncate(at),
            1 => bytes.truncate(bytes.len() - (at % 2_000)),
            2 => bytes[at] ^= 1 << (at % 8),
            3 => (0..20).for_each(|_| bytes[(next(&mut state) % length) as usize] ^= 0x40),
            4 => {
                let end = (at + 4_096).min(bytes.len());
                bytes[at..end].fill(0);
            }
            _ => bytes.extend_from_slice(&[0xEE; 5_000]),
        }
        fs::write(&path, bytes).unwrap();
        let (storage, opened) = open(dir.path());
        rebuilt += u32::from(opened.rebuilt.is_some());
        assert_complete(&storage, CERTIFICATES);
        storage.commit_blocking(certificate(CERTIFICATES)).unwrap();
        drop(storage);
        let (storage, opened) = open(dir.path());
        assert!(opened.rebuilt.is_none(), "round {round}: {opened:?}");
        assert_complete(&storage, CERTIFICATES + 1);
    }
    assert!(rebuilt > 6, "{rebuilt} of 36 were noticed");
}

#[test]
fn other_files_of_the_index_may_be_missing_empty_or_junk() {
    let original = filled();
    let names: Vec<_> = fs::read_dir(original.path().join("index")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let files = names.iter().map(|name| Path::new("index").join(name)).chain(["index.checkpoint".into()]);
    for file in files {
        for damage in 0..3 {
            let dir = scratch();
            copy(original.path(), dir.path());
            let path = dir.path().join(&file);
            if path.is_dir() {
                continue;
            }
            match damage {
                0 => fs::remove_file(&path).unwrap(),
                1 => fs::write(&path, b"").unwrap(),
                _ => fs::write(&path, [0x77; 300]).unwrap(),
            }
            assert_complete(&open(dir.path()).0, CERTIFICATES);
        }
    }
    let dir = scratch();
    copy(original.path(), dir.path());
    fs::write(dir.path().join("index/snap.0000000000000001.generating"), b"half").unwrap();
    let (storage, opened) = open(dir.path());
    assert!(opened.rebuilt.is_none());
    assert_complete(&storage, CERTIFICATES);
}

#[test]
fn an_older_index_is_found_out() {
    let dir = scratch();
    let old = scratch();
    let (storage, _) = open(dir.path());
    storage.commit_blocking(certificate(0)).unwrap();
    storage.checkpoint();
    copy(dir.path(), old.path());
    issue(&storage, 1..200);
    drop(storage);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    copy(&old.path().join("index"), &dir.path().join("index"));
    let (storage, opened) = open(dir.path());
    assert!(matches!(opened.rebuilt, Some(RebuildReason::Behind)), "{opened:?}");
    assert_complete(&storage, 200);
}

#[test]
fn an_index_that_breaks_under_way_gives_errors_and_is_rebuilt_at_the_next_start() {
    // The engine keeps some hundred pages in memory whatever it is told, so there must be more.
    const ROLES: u32 = 30_000;
    let role = |number: u32| (number.to_be_bytes(), number.to_be_bytes().repeat(120));
    let dir = scratch();
    let (storage, _) = open(dir.path());
    for first in (0..ROLES).step_by(500) {
        let puts = (first..first + 500).map(role);
        let change = puts.fold(Change::new(Class::Normal), |change, (key, value)| change.put(Table::Roles, &key, &value));
        storage.commit_blocking(change).unwrap();
    }
    drop(storage);
    let (storage, _) = Storage::open(dir.path(), Options { cache_bytes: 1 << 16, ..options() }).unwrap();
    let path = dir.path().join("index/db");
    let length = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0; length as usize]).unwrap();
    let mut failed = 0;
    for (key, value) in (0..ROLES).map(role) {
        match storage.get(Table::Roles, &key) {
            Ok(read) => assert_eq!(read.unwrap(), value),
            Err(ReadError::Index(_)) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(failed > 0);
    assert!(storage.scan(Table::Roles, &[], None).any(|read| read.is_err()));
    assert!(storage.health().is_index_suspect);
    // What needs no index still commits.
    storage.commit_blocking(Change::new(Class::Essential).put(Table::Revocations, b"r", b"")).unwrap();
    drop(storage);
    let (storage, opened) = open(dir.path());
    assert!(matches!(opened.rebuilt, Some(RebuildReason::Suspect)), "{opened:?}");
    let all: Vec<_> = storage.scan(Table::Roles, &[], None).map(Result::unwrap).collect();
    assert!(all.into_iter().eq((0..ROLES).map(|number| (role(number).0.to_vec(), role(number).1))));
    assert!(storage.contains(Table::Revocations, b"r").unwrap());
    assert!(!storage.health().is_index_suspect);
}

#[test]
fn a_damaged_journal_is_refused_and_touches_nothing() {
    let original = filled();
    let first = original.path().join("journal/0000000001.log");
    let length = fs::metadata(&first).unwrap().len();
    let mut state = 77;
    for _ in 0..20 {
        let dir = scratch();
        copy(original.path(), dir.path());
        // Without its checkpoint the store reads the journal from the beginning.
        fs::remove_file(dir.path().join("index.checkpoint")).unwrap();
        let path = dir.path().join("journal/0000000001.log");
        let mut bytes = fs::read(&path).unwrap();
        bytes[(next(&mut state) % length) as usize] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let error = Storage::open(dir.path(), options()).unwrap_err();
        assert!(
            matches!(error, OpenError::Journal(journal::JournalError::Corrupt { .. } | journal::JournalError::Newer { .. })),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_journal_that_lost_acknowledged_records_is_refused() {
    let dir = filled();
    let folder = dir.path().join("journal");
    let last = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let length = fs::metadata(&last).unwrap().len();
    for cut in [length / 2, 0] {
        fs::OpenOptions::new().write(true).open(&last).unwrap().set_len(cut).unwrap();
        for _ in 0..2 {
            let error = Storage::open(dir.path(), options()).unwrap_err();
            assert!(matches!(error, OpenError::Journal(journal::JournalError::Corrupt { .. })), "{error}");
        }
    }
}

#[test]
fn a_damaged_value_is_an_error_and_nothing_else() {
    let dir = filled();
    let (storage, _) = open(dir.path());
    let path = dir.path().join("journal/0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    let needle = value(3);
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(storage.get(Table::Certificates, &3_u32.to_be_bytes()), Err(ReadError::Value { segment: 1, .. })));
    assert_eq!(storage.get(Table::Certificates, &4_u32.to_be_bytes()).unwrap().unwrap(), value(4));
    assert!(!storage.health().is_index_suspect);
}
