//! Random histories against a model: an ordered map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const TABLES: [Table; 3] = [Table::Roles, Table::Certificates, Table::Counters];

#[derive(Clone, Debug)]
enum Step {
    Put {
        table: usize,
        key: u16,
        length: usize,
    },
    Delete {
        table: usize,
        key: u16,
    },
    Add {
        key: u16,
        delta: i64,
    },
    /// A change of several writes, one of which conflicts.
    Conflict {
        key: u16,
    },
    Checkpoint,
    Reopen,
    /// The journal gets bytes behind its end, as a write that a power cut tore would leave them.
    Crash {
        torn: usize,
    },
    Rebuild,
    Scan {
        table: usize,
        prefix: Option<u8>,
        from: Option<u16>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let table = 0..2_usize;
    let key = 0..700_u16;
    prop_oneof![
        30 => (table.clone(), key.clone(), prop_oneof![0..40_usize, 400..700_usize]).prop_map(|(table, key, length)| Step::Put { table, key, length }),
        8 => (table.clone(), key.clone()).prop_map(|(table, key)| Step::Delete { table, key }),
        6 => (0..3_u16, -5..9_i64).prop_map(|(key, delta)| Step::Add { key, delta }),
        4 => key.clone().prop_map(|key| Step::Conflict { key }),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => (0..400_usize).prop_map(|torn| Step::Crash { torn }),
        1 => Just(Step::Rebuild),
        4 => (table, proptest::option::of(0..3_u8), proptest::option::of(key)).prop_map(|(table, prefix, from)| Step::Scan { table, prefix, from }),
    ]
}

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Several changes for each step, so that pages fill and split.
fn keys(key: u16) -> impl Iterator<Item = [u8; 2]> {
    (0..12).map(move |more| (key + more * 7).to_be_bytes())
}

fn put(storage: &Storage, model: &mut Model, table: Table, key: u16, length: usize) {
    let mut change = Change::new(Class::Normal);
    for key in keys(key) {
        let value = vec![key[1] ^ length as u8; length];
        change = change.put(table, &key, &value);
        model.insert((table, key.to_vec()), value);
    }
    storage.commit_blocking(change).unwrap();
}

fn add(storage: &Storage, model: &mut Model, key: u16, delta: i64) {
    let key = key.to_be_bytes();
    // Twice in one change: the second sees the first.
    let change = Change::new(Class::Normal).add(Table::Counters, &key, delta).add(Table::Counters, &key, 1);
    storage.commit_blocking(change).unwrap();
    let before = model.get(&(Table::Counters, key.to_vec())).map_or(0, |value| counter(value).unwrap());
    model.insert((Table::Counters, key.to_vec()), (before + delta + 1).to_be_bytes().to_vec());
}

fn expected(model: &Model, table: Table) -> impl DoubleEndedIterator<Item = (Vec<u8>, Vec<u8>)> {
    model.iter().filter(move |((of, _), _)| *of == table).map(|((_, key), value)| (key.clone(), value.clone()))
}

fn scan(storage: &Storage, model: &Model, table: Table, prefix: Option<u8>, from: Option<u16>) {
    let prefix: Vec<u8> = prefix.into_iter().collect();
    let from = from.map(|from| from.to_be_bytes().to_vec());
    let all: Vec<_> = expected(model, table).filter(|(key, _)| key.starts_with(&prefix)).collect();
    let forward: Vec<_> = storage.scan(table, &prefix, from.as_deref()).map(Result::unwrap).collect();
    let behind: Vec<_> = all.iter().filter(|(key, _)| from.as_ref().is_none_or(|from| key > from)).cloned().collect();
    assert_eq!(forward, behind);
    let backward: Vec<_> = storage.scan_reverse(table, &prefix, from.as_deref()).map(Result::unwrap).collect();
    let before: Vec<_> = all.iter().rev().filter(|(key, _)| from.as_ref().is_none_or(|from| key < from)).cloned().collect();
    assert_eq!(backward, before);
    let keys: Vec<_> = storage.scan_keys(table, &prefix, from.as_deref()).map(Result::unwrap).collect();
    assert_eq!(keys, behind.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
}

fn assert_equal(storage: &Storage, model: &Model) {
    for table in TABLES {
        assert_eq!(storage.scan(table, &[], None).map(Result::unwrap).collect::<Vec<_>>(), expected(model, table).collect::<Vec<_>>());
    }
    for ((table, key), value) in model.iter().step_by(7) {
        assert_eq!(storage.get(*table, key).unwrap().as_ref(), Some(value));
    }
}

/// A crash: the store is copied as it is, bytes of an unfinished write are added, and the copy is opened.
fn crash(dir: &Path, torn: usize, sequence: u64) -> (tempfile::TempDir, Storage) {
    let after = scratch();
    copy(dir, after.path());
    let folder = after.path().join("journal");
    let last =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension() == Some("log".as_ref())).max();
    let mut bytes = fs::read(last.as_ref().unwrap()).unwrap();
    let end = journal_end(&folder);
    // What a real next frame begins with, cut somewhere.
    let mut frame = b"CHJ1\x01\0\0\0\0\0\x02\0\0\0\0\x01".to_vec();
    frame.extend_from_slice(&(sequence + 1).to_be_bytes());
    frame.resize(400, 0x5A);
    bytes.resize(bytes.len().max(end + torn), 0);
    bytes[end..end + torn].copy_from_slice(&frame[..torn]);
    fs::write(last.unwrap(), bytes).unwrap();
    let (storage, opened) = open(after.path());
    let kept = frame[..torn].iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    assert_eq!((opened.torn_bytes, storage.health().last_sequence), (kept, sequence));
    (after, storage)
}

fn journal_end(folder: &Path) -> usize {
    let mut end = 0;
    journal::verify::<journal::JournalError>(folder, |frame| {
        let last = frame.records().last().unwrap();
        end = last.offset as usize + last.bytes.len();
        Ok(())
    })
    .unwrap();
    end
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_an_ordered_map(steps in proptest::collection::vec(step(), 1..120)) {
        let mut dir = scratch();
        let mut storage = open(dir.path()).0;
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Put { table, key, length } => put(&storage, &mut model, TABLES[table], key, length),
                Step::Delete { table, key } => {
                    let change = keys(key).fold(Change::new(Class::Normal), |change, key| change.delete(TABLES[table], &key));
                    storage.commit_blocking(change).unwrap();
                    for key in keys(key) {
                        model.remove(&(TABLES[table], key.to_vec()));
                    }
                }
                Step::Add { key, delta } => add(&storage, &mut model, key, delta),
                Step::Conflict { key } => {
                    let known = model.get(&(Table::Roles, key.to_be_bytes().to_vec()));
                    let change = Change::new(Class::Normal).put(Table::Roles, b"never", b"").delete(Table::Certificates, &key.to_be_bytes());
                    let change = match known {
                        Some(_) => change.expect_absent(Table::Roles, &key.to_be_bytes()),
                        None => change.expect(Table::Roles, &key.to_be_bytes(), Some(b"")),
                    };
                    let is_conflict = matches!(storage.commit_blocking(change), Err(CommitError::Conflict { .. }));
                    prop_assert!(is_conflict);
                }
                Step::Checkpoint => prop_assert!(storage.checkpoint()),
                Step::Reopen => {
                    drop(storage);
                    let (again, opened) = open(dir.path());
                    prop_assert!(opened.rebuilt.is_none(), "{opened:?}");
                    storage = again;
                }
                Step::Crash { torn } => {
                    let sequence = storage.health().last_sequence;
                    let (after, again) = crash(dir.path(), torn, sequence);
                    drop(storage);
                    (dir, storage) = (after, again);
                }
                Step::Rebuild => {
                    drop(storage);
                    fs::remove_dir_all(dir.path().join("index")).unwrap();
                    let (again, opened) = open(dir.path());
                    prop_assert!(opened.rebuilt.is_some());
                    storage = again;
                }
                Step::Scan { table, prefix, from } => scan(&storage, &model, TABLES[table], prefix, from),
            }
        }
        assert_equal(&storage, &model);
        drop(storage);
        assert_equal(&open(dir.path()).0, &model);
    }
}
