//! Stores that were filled without asking anybody: for CRLs of many entries.

use std::path::Path;

use chancery::audit::{self, Action, Actor, Entry, Ledger};
use chancery::base::clock::{Clock, from_seconds};
use chancery::base::id::CaId;
use chancery::inventory::{CrlPart, Revocation, revocation_key};
use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::x509::reason::RevocationReason;
use chancery::x509::serial::Serial;

/// Revokes so many certificates that were never issued, without asking anybody.
pub fn fill(data: &Path, ca: &str, count: u32) {
    let ca: CaId = ca.parse().unwrap();
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let ledger = Ledger::new(storage);
    let now = Clock::System.now().as_second();
    for first in (0..count).step_by(500) {
        let mut change = Change::new(Class::Normal);
        for number in first..count.min(first + 500) {
            let mut random = [0x5A; 16];
            random[12..].copy_from_slice(&number.to_be_bytes());
            random[4..8].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
            let revocation = Revocation {
                certificate: None,
                part: CrlPart::Whole,
                revoked_at: from_seconds(now - i64::from(number)),
                reason: RevocationReason::Superseded,
                invalidity_date: Some(from_seconds(now - 86_400)),
                not_after: from_seconds(now + 86_400),
            };
            change = change.put(Table::Revocations, &revocation_key(ca, &Serial::from_random(random)), &revocation.encode().unwrap());
        }
        let entry = Entry::done(Clock::System.now(), Actor::System, Action::CertificateRevoke);
        ledger.commit_blocking(audit::Change::new(change, entry)).expect("the change commits");
    }
}
