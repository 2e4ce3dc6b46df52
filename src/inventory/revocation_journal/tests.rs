use super::*;
use crate::base::clock::from_seconds;
use crate::inventory::CrlPart;
use crate::storage::Options;
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
        let (journal, merged) = RevocationJournal::open(file.clone(), &ledger, &[ca], now).await.unwrap();
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
        let (journal, merged) = RevocationJournal::open(file.clone(), &ledger, &[ca], now).await.unwrap();
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
    RevocationJournal::open(file, &ledger, &[ca], now).await.unwrap();
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
