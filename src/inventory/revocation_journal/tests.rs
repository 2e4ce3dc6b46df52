use std::io::Write;
use std::path::Path;

use super::*;
use crate::audit::{self, Action, Actor, Entry};
use crate::base::clock::from_seconds;
use crate::inventory::{CrlPart, Revocation, revocation_key};
use crate::storage::{Change, Class, Options, counter};
use crate::x509::reason::RevocationReason;

fn open(dir: &Path) -> Ledger {
    Ledger::new(Storage::open(dir, Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() }).unwrap().0)
}

fn entry(serial: u8, reason: Option<RevocationReason>) -> LogEntry {
    let revocation = reason.map(|reason| Revocation {
        certificate: None,
        part: CrlPart::Whole,
        revoked_at: from_seconds(10),
        reason,
        invalidity_date: None,
        not_after: from_seconds(1_000),
    });
    let serial = Serial::from_random([serial; 16]);
    LogEntry { serial, part: CrlPart::Whole, at: from_seconds(10), revocation, is_of_authority: false, blocked_key: None }
}

/// The serial number of the authority.
fn own() -> Serial {
    Serial::from_random([0xCA; 16])
}

/// Revokes or lifts as the revoker does.
async fn put(ledger: &Ledger, ca: CaId, entry: &LogEntry) {
    let key = revocation_key(ca, &entry.serial);
    let change = Change::new(Class::Essential);
    let change = match &entry.revocation {
        Some(revocation) => change.put(Table::Revocations, &key, &revocation.encode().unwrap()),
        None => change.delete(Table::Revocations, &key),
    };
    let told = Entry::done(from_seconds(10), Actor::System, Action::CertificateRevoke);
    ledger.commit(audit::Change::new(entry.logged(change, ca).unwrap(), told)).await.unwrap();
}

fn reason_of(ledger: &Ledger, ca: CaId, serial: u8) -> Option<RevocationReason> {
    let key = revocation_key(ca, &Serial::from_random([serial; 16]));
    ledger.storage().get(Table::Revocations, &key).unwrap().map(|bytes| Revocation::decode(&bytes).unwrap().reason)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target)
        } else {
            let _ = std::fs::copy(item.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_store_learns_what_was_revoked_since() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup, file) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("revocations"));
    let ca = CaId::new();
    let (hold, good) = (RevocationReason::CertificateHold, RevocationReason::KeyCompromise);
    let now = from_seconds(20);
    {
        let ledger = open(&data);
        let (journal, merged) = RevocationJournal::open(file.clone(), &ledger, &[], now).await.unwrap();
        assert_eq!(merged, Merged::default());
        put(&ledger, ca, &entry(1, Some(hold))).await;
        put(&ledger, ca, &entry(2, Some(hold))).await;
        put(&ledger, ca, &entry(3, Some(good))).await;
        journal.follow(ca).await;
    }
    copy(&data, &backup);
    {
        let ledger = open(&data);
        let (journal, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
        assert_eq!(merged, Merged::default(), "nothing was lost");
        put(&ledger, ca, &entry(1, None)).await;
        put(&ledger, ca, &entry(2, Some(good))).await;
        journal.follow(ca).await;
        put(&ledger, ca, &entry(4, Some(hold))).await;
        put(&ledger, ca, &entry(5, Some(hold))).await;
        put(&ledger, ca, &entry(5, None)).await;
        journal.follow(ca).await;
        journal.note_number(ca, 17).await;
    }
    // A line that a crash has cut does no harm.
    let mut torn = File::options().append(true).open(&file).unwrap();
    torn.write_all(&[0, 0, 0, 40, 1, 2, 3, 4, 5]).unwrap();
    let wanted = [(1, None), (2, Some(good)), (3, Some(good)), (4, Some(hold)), (5, None)];
    for round in 0..3 {
        let ledger = open(&backup);
        let (journal, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
        assert_eq!((merged.revocations, merged.numbers), if round == 0 { (3, 1) } else { (0, 0) }, "{round}");
        for (serial, reason) in wanted {
            assert_eq!(reason_of(&ledger, ca, serial), reason, "{serial}");
        }
        let counted = ledger.storage().get(Table::Counters, &[b"crl/".as_slice(), ca.as_bytes()].concat()).unwrap();
        assert_eq!(counter(&counted.unwrap()), Some(17));
        // What comes after the restore is kept as well.
        put(&ledger, ca, &entry(6 + round, Some(good))).await;
        if round != 1 {
            journal.follow(ca).await;
        }
    }
    let ledger = open(&data);
    RevocationJournal::open(file, &ledger, &[(ca, own())], now).await.unwrap();
    for serial in 6..=8 {
        assert_eq!(reason_of(&ledger, ca, serial), Some(good), "{serial}: also what was made up for at the next start");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_such_file_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("revocations");
    std::fs::write(&file, b"something else").unwrap();
    let ledger = open(&dir.path().join("data"));
    let error = RevocationJournal::open(file.clone(), &ledger, &[], from_seconds(0)).await.unwrap_err();
    assert!(matches!(error, RevocationJournalError::Form(_)), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"something else");
}

/// Revocations that no log tells of, as a version without one has left them.
async fn put_without_log(ledger: &Ledger, table: Table, key: &[u8], revocation: &Revocation) {
    let change = Change::new(Class::Essential).put(table, key, &revocation.encode().unwrap());
    let told = Entry::done(from_seconds(10), Actor::System, Action::CertificateRevoke);
    ledger.commit(audit::Change::new(change, told)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_before_there_was_the_file_is_entered_once() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup, file) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("revocations"));
    let (ca, now) = (CaId::new(), from_seconds(20));
    {
        drop(open(&data));
    }
    copy(&data, &backup);
    {
        let ledger = open(&data);
        let [gone, held] =
            [RevocationReason::Superseded, RevocationReason::CertificateHold].map(|reason| entry(1, Some(reason)).revocation.unwrap());
        for (serial, revocation) in [(1, &gone), (2, &held), (3, &gone)] {
            let key = revocation_key(ca, &Serial::from_random([serial; 16]));
            put_without_log(&ledger, Table::Revocations, &key, revocation).await;
        }
        put_without_log(&ledger, Table::AuthorityState, ca.as_bytes(), &gone).await;
        let (journal, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
        assert_eq!(merged, Merged::default());
        let length = std::fs::metadata(&file).unwrap().len();
        drop(journal);
        let (journal, _) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().len(), length, "it is done once");
        // From here on the log tells.
        put(&ledger, ca, &entry(2, None)).await;
        journal.follow(ca).await;
    }
    for wanted in [4, 0] {
        let ledger = open(&backup);
        let (_, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
        assert_eq!(merged.revocations, wanted - usize::from(wanted > 0), "two certificates and the authority; the third was lifted");
        for (serial, reason) in [(1, Some(RevocationReason::Superseded)), (2, None), (3, Some(RevocationReason::Superseded))] {
            assert_eq!(reason_of(&ledger, ca, serial), reason, "{serial}");
        }
        assert!(ledger.storage().contains(Table::AuthorityState, ca.as_bytes()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_of_the_time_before_is_given_back_too() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup, file) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("revocations"));
    let (ca, now) = (CaId::new(), from_seconds(20));
    drop(open(&data));
    copy(&data, &backup);
    let ledger = open(&data);
    let revocation = entry(1, Some(RevocationReason::Superseded)).revocation.unwrap();
    put_without_log(&ledger, Table::Revocations, &revocation_key(ca, &Serial::from_random([1; 16])), &revocation).await;
    RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
    let ledger = open(&backup);
    let (_, merged) = RevocationJournal::open(file, &ledger, &[(ca, own())], now).await.unwrap();
    assert_eq!((merged.revocations, reason_of(&ledger, ca, 1)), (1, Some(RevocationReason::Superseded)));
}

mod pruned {
    //! A file that was written anew tells every store the same as the one it was made of.

    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;

    /// What happens to one of a few certificates, and to the file.
    #[derive(Clone, Debug)]
    enum Deed {
        Hold(u8),
        Lift(u8),
        Revoke(u8),
        Number(u64),
        /// Keeps a copy of the store.
        BackUp,
        Compact,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            4 => (1..6u8).prop_map(Deed::Hold),
            4 => (1..6u8).prop_map(Deed::Lift),
            1 => (1..6u8).prop_map(Deed::Revoke),
            1 => (1..50u64).prop_map(Deed::Number),
            1 => Just(Deed::BackUp),
            2 => Just(Deed::Compact),
        ]
    }

    /// The certificates 1 and 2 have ended long ago, the others have not.
    fn until(serial: u8) -> Timestamp {
        from_seconds(if serial < 3 { DAY } else { 1_000 * DAY })
    }

    async fn tell(deeds: &[Deed]) {
        let dir = tempfile::tempdir().unwrap();
        let (data, backup, file) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("revocations"));
        let (ca, now) = (CaId::new(), from_seconds(500 * DAY));
        let mut highest = 0;
        {
            drop(open(&data));
            copy(&data, &backup);
            let ledger = open(&data);
            let (journal, _) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
            for deed in deeds {
                let (serial, reason) = match deed {
                    Deed::Hold(serial) => (*serial, Some(RevocationReason::CertificateHold)),
                    Deed::Lift(serial) => (*serial, None),
                    Deed::Revoke(serial) => (*serial, Some(RevocationReason::Superseded)),
                    Deed::Number(number) => {
                        highest = highest.max(*number);
                        journal.note_number(ca, *number).await;
                        continue;
                    }
                    Deed::BackUp => {
                        std::fs::remove_dir_all(&backup).unwrap();
                        copy(&data, &backup);
                        continue;
                    }
                    Deed::Compact => {
                        journal.inner.lock().unwrap().compact(now).unwrap();
                        continue;
                    }
                };
                let before = reason_of(&ledger, ca, serial);
                let is_possible = match (before, reason) {
                    (None, reason) => reason.is_some(),
                    (Some(RevocationReason::CertificateHold), reason) => reason != before,
                    (Some(_), _) => false,
                };
                if is_possible {
                    let mut entry = entry(serial, reason);
                    if let Some(revocation) = &mut entry.revocation {
                        revocation.not_after = until(serial);
                    }
                    put(&ledger, ca, &entry).await;
                    journal.follow(ca).await;
                }
            }
        }
        let said: Vec<_> = {
            let ledger = open(&data);
            (1..6).map(|serial| reason_of(&ledger, ca, serial)).collect()
        };
        for start in 0..2 {
            let ledger = open(&backup);
            let (journal, _) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
            for serial in 3..6u8 {
                assert_eq!(reason_of(&ledger, ca, serial), said[usize::from(serial) - 1], "{serial} at start {start} of {deeds:?}");
            }
            let counted = ledger.storage().get(Table::Counters, &[b"crl/".as_slice(), ca.as_bytes()].concat()).unwrap();
            assert_eq!(counted.and_then(|counted| counter(&counted)).unwrap_or(0), i64::try_from(highest).unwrap(), "{deeds:?}");
            // What is written after the file was, is read with it.
            journal.inner.lock().unwrap().compact(now).unwrap();
        }
        // Of each certificate that has not ended two lines at most, of the others none but the newest of all.
        let mut lines = 0;
        each_line(&file, &mut File::open(&file).unwrap(), |_| lines += 1).unwrap();
        assert!(lines <= 2 + 3 * 2 + 1, "{lines} lines after {deeds:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_store_is_told_the_same(deeds in proptest::collection::vec(deed(), 0..40)) {
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(tell(&deeds));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_compromised_stays_blocked_and_a_small_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("revocations"));
    let (ca, now) = (CaId::new(), from_seconds(1_000_000_000));
    let ledger = open(&data);
    let (journal, _) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], now).await.unwrap();
    let compromised = LogEntry { blocked_key: Some([7; 32]), ..entry(1, Some(RevocationReason::KeyCompromise)) };
    put(&ledger, ca, &compromised).await;
    for serial in 2..4 {
        put(&ledger, ca, &entry(serial, Some(RevocationReason::Superseded))).await;
    }
    journal.follow(ca).await;
    assert_eq!(journal.compact(now).await.unwrap(), 0, "it is small");
    for _ in 0..1_000 {
        journal.note_number(ca, 9).await;
    }
    let before = std::fs::metadata(&file).unwrap().len();
    let spared = journal.compact(now).await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().len(), before - spared);
    assert!(spared > before / 2 && !file.with_extension("new").exists());
    drop(journal);
    let other = open(&dir.path().join("other"));
    let (_, merged) = RevocationJournal::open(file, &other, &[(ca, own())], now).await.unwrap();
    assert_eq!((merged.revocations, merged.numbers), (2, 1), "the compromised key's, and the newest");
    assert!(other.storage().contains(Table::BlockedKeys, &[7; 32]).unwrap());
}

/// A journal with three revocations, and where each line of it begins.
async fn three_lines(data: &Path, file: &Path, ca: CaId) -> Vec<usize> {
    let ledger = open(data);
    let (journal, _) = RevocationJournal::open(file.to_owned(), &ledger, &[(ca, own())], from_seconds(20)).await.unwrap();
    let mut starts = Vec::new();
    for serial in 1..=3 {
        starts.push(std::fs::metadata(file).unwrap().len() as usize);
        put(&ledger, ca, &entry(serial, Some(RevocationReason::Superseded))).await;
        journal.follow(ca).await;
    }
    starts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_line_hides_none_behind_it() {
    for fault in ["checksum", "length"] {
        let dir = tempfile::tempdir().unwrap();
        let (data, backup, file) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("revocations"));
        let ca = CaId::new();
        drop(open(&data));
        copy(&data, &backup);
        let starts = three_lines(&data, &file, ca).await;
        let mut bytes = std::fs::read(&file).unwrap();
        match fault {
            "checksum" => bytes[starts[1] + 12] ^= 0x20,
            _ => bytes[starts[1]] = 0x7F,
        }
        std::fs::write(&file, &bytes).unwrap();
        // The store that knows has the file made whole again, and what was damaged can be looked at.
        let ledger = open(&data);
        let (_, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], from_seconds(20)).await.unwrap();
        assert_eq!(merged, Merged::default(), "{fault}");
        assert_eq!(std::fs::read(file.with_extension("damaged")).unwrap(), bytes, "{fault}");
        let ledger = open(&backup);
        let (_, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], from_seconds(20)).await.unwrap();
        assert_eq!(merged.revocations, 3, "{fault}");
        let extent = each_line(&file, &mut File::open(&file).unwrap(), |_| {}).unwrap();
        assert_eq!((extent.damaged, extent.cut), (0, 0), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_store_learns_what_stands_behind_a_damaged_line() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup, file) = (dir.path().join("data"), dir.path().join("backup"), dir.path().join("revocations"));
    let ca = CaId::new();
    drop(open(&data));
    copy(&data, &backup);
    let starts = three_lines(&data, &file, ca).await;
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[starts[1] + 12] ^= 0x20;
    std::fs::write(&file, &bytes).unwrap();
    for wanted in [2, 0] {
        let ledger = open(&backup);
        let (_, merged) = RevocationJournal::open(file.clone(), &ledger, &[(ca, own())], from_seconds(20)).await.unwrap();
        assert_eq!(merged.revocations, wanted);
        assert_eq!(reason_of(&ledger, ca, 3), Some(RevocationReason::Superseded));
    }
}
