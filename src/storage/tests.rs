use super::*;

#[test]
fn what_was_committed_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() };
    for round in 0..3_u8 {
        let (storage, opened) = Storage::open(dir.path(), options.clone()).unwrap();
        assert!(opened.rebuilt.is_none(), "{opened:?}");
        for i in 0..50_u8 {
            let change = Change::new(Class::Normal)
                .expect_absent(Table::Certificates, &[round, i])
                .put(Table::Certificates, &[round, i], &[i; 900])
                .put(Table::Roles, &[round, i], &[i; 9])
                .add(Table::Counters, b"n", 1);
            storage.commit_blocking(change).unwrap();
        }
        assert_eq!(counter(&storage.get(Table::Counters, b"n").unwrap().unwrap()), Some(50 * (i64::from(round) + 1)));
        for r in 0..=round {
            for i in 0..50 {
                assert_eq!(storage.get(Table::Certificates, &[r, i]).unwrap().unwrap(), [i; 900]);
            }
        }
        assert_eq!(storage.scan(Table::Roles, &[], None).count(), 50 * (usize::from(round) + 1));
    }
}
