//! The log of revocations and the second record of them do not grow for ever, and nothing that is revoked is forgotten by that.

use std::path::Path;

use chancery::audit::{self, Action, Actor, Entry, Ledger};
use chancery::base::clock::{Clock, from_seconds};
use chancery::base::id::CaId;
use chancery::inventory::{CrlPart, LogEntry, Revocation, revocation_key};
use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::x509::reason::RevocationReason;
use chancery::x509::serial::Serial;
use serde_json::json;

use super::restored::{copy, put_back};
use super::{World, listed};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

/// Years of work: a certificate that was put on hold and freed so many times, and as many that were revoked and ended long ago.
fn live_long(data: &Path, ca: &str, times: u32) {
    let ca: CaId = ca.parse().unwrap();
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let ledger = Ledger::new(storage);
    let now = Clock::System.now().as_second();
    let revocation = |reason, not_after| Revocation {
        certificate: None,
        part: CrlPart::Whole,
        revoked_at: from_seconds(now - 400 * 86_400),
        reason,
        invalidity_date: None,
        not_after: from_seconds(not_after),
    };
    let log = |serial: [u8; 16], revocation: Option<Revocation>| {
        let serial = Serial::from_random(serial);
        let key = revocation_key(ca, &serial);
        let change = Change::new(Class::Normal);
        let change = match &revocation {
            Some(revocation) => change.put(Table::Revocations, &key, &revocation.encode().unwrap()),
            None => change.delete(Table::Revocations, &key),
        };
        let entry = LogEntry { serial, part: CrlPart::Whole, at: from_seconds(now), revocation, is_of_authority: false, blocked_key: None };
        let told = Entry::done(Clock::System.now(), Actor::System, Action::CertificateRevoke);
        ledger.commit_blocking(audit::Change::new(entry.logged(change, ca).unwrap(), told)).expect("the change commits");
    };
    for number in 0..times {
        let mut ended = [0x33; 16];
        ended[12..].copy_from_slice(&number.to_be_bytes());
        log(ended, Some(revocation(RevocationReason::Superseded, now - 300 * 86_400)));
        log([0x44; 16], Some(revocation(RevocationReason::CertificateHold, now + 86_400)));
        log([0x44; 16], None);
    }
}

/// How many lines the log has, and how many certificates are revoked. Of a daemon that was stopped.
fn counts(data: &Path) -> (usize, usize) {
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let count = |table| storage.scan_keys(table, &[], None).map(Result::unwrap).count();
    (count(Table::RevocationLog), count(Table::Revocations))
}

#[test]
fn what_no_restore_needs_is_forgotten_and_nothing_else() {
    const TIMES: u32 = 400;
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({"delta": true}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let [before, held, after, free] = ["before", "held", "after", "free"].map(|host| world.issue(host));
    world.revoke(&before, "superseded").expect(200);
    world.revoke(&held, "certificate_hold").expect(200);
    assert!(world.appliance.stop());
    let data = dir.path().join("data");
    let second = data.join("revocations");
    let length = || std::fs::metadata(&second).unwrap().len();
    let backup = dir.path().join("backup");
    copy(&data.join("journal"), &backup);
    live_long(&data, &world.root, TIMES);

    // The first start writes all of it down, some 80 KB, and the log goes when CRLs know of what is in it.
    world.appliance = Appliance::start_in(dir.path());
    world.regenerate("full");
    world.lift(&held).expect(200);
    world.revoke(&after, "key_compromise").expect(200);
    let last = world.regenerate("full")["crl_number"].as_u64().unwrap();
    assert!(world.appliance.stop());
    assert_eq!(counts(&data).1, 2 + TIMES as usize);
    world.appliance = Appliance::start_in(dir.path());
    wait_for("a smaller file", || length() < 2_000);
    wait_for("a word about it", || world.appliance.log().contains("not needed any more of the log of revocations"));
    // A delta CRL is made of what is left of the log.
    world.revoke(&free, "certificate_hold").expect(200);
    world.regenerate("delta");
    assert_eq!(listed(&requester, &root, &world.crl("-delta")).0, [(free.serial.clone(), "Certificate Hold".to_owned())]);
    world.lift(&free).expect(200);
    assert!(world.appliance.stop());
    let (lines, revoked) = counts(&data);
    assert!(lines <= 5, "{lines} lines of the log are left");
    assert_eq!(revoked, 2 + TIMES as usize, "what is revoked stays so");

    // The journal of the day before, and the file as it is now.
    put_back(&backup, &data);
    for start in 0..2 {
        world.appliance = Appliance::start_in(dir.path());
        for (issued, reason) in
            [(&before, json!("superseded")), (&held, json!(null)), (&after, json!("key_compromise")), (&free, json!(null))]
        {
            assert_eq!(world.status(issued)["revocation_reason"], reason, "start {start}");
        }
        assert!(world.regenerate("full")["crl_number"].as_u64().unwrap() > last, "start {start}");
        let mut wanted = vec![before.serial.clone(), after.serial.clone()];
        wanted.sort();
        let found: Vec<_> = listed(&requester, &root, &world.crl("")).0.into_iter().map(|(serial, _)| serial).collect();
        assert_eq!(found, wanted, "start {start}");
        world.appliance.kill();
    }
}
