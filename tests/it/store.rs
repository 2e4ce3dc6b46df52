//! Fills the store of an appliance that is not running with as many certificates as a measurement wants.
//!
//! The records are those that issuing writes, one by one: for each certificate its intention and then itself with its indexes and its entry. Their
//! bytes are those of a certificate the appliance issued itself, with another serial number; so their signatures are not right, which nobody
//! checks who counts or reads them. It goes through the library, because the token would take minutes. The benchmark includes this file by its path.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use chancery::audit::{self, Action, Actor, Entry, Field, Ledger};
use chancery::base::clock::Clock;
use chancery::base::id::{CertId, OrgId};
use chancery::inventory::{self, Certificates, StoredCertificate};
use chancery::storage::{Change, Class, Options, Storage};
use chancery::x509::certificate::Certificate;
use chancery::x509::serial::Serial;

/// How many wait for the journal at once.
const AT_ONCE: usize = 64;

/// Adds `count` certificates like the one whose serial number is `model`. `data` is the data directory of an appliance that is not running.
pub fn add_certificates(data: &Path, model: &str, count: usize) {
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let ledger = Ledger::new(storage.clone());
    let certificates = Certificates::new(storage, ledger.clone(), Clock::System);
    let model: Serial = model.parse().expect("a serial number");
    let model = certificates.by_serial(OrgId::DEFAULT, &model).expect("the store can be read").expect("the model is there");
    let spki = Certificate::from_der(&model.der).ok().and_then(|read| read.public_key().ok()).expect("a key").spki_sha256();
    let at = model.der.windows(16).position(|window| window == model.serial.as_bytes()).expect("a serial number of 16 bytes");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let copy = copy(&model, at);
                    let intention = entry(Action::CertificateIntend, &copy).detail(Field::TbsSha256, "0".repeat(64));
                    ledger.commit_blocking(audit::Change::entry_only(Class::Normal, intention)).expect("an intention");
                    let change = Change::new(Class::Normal).expect_absent(chancery::storage::Table::BlockedKeys, &spki);
                    let change = inventory::add(change, &copy).expect("a change");
                    let issued = entry(Action::CertificateIssue, &copy).object(copy.id);
                    ledger.commit_blocking(audit::Change::new(change, issued)).expect("a certificate");
                }
            });
        }
    });
}

fn copy(model: &StoredCertificate, at: usize) -> StoredCertificate {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).expect("random bytes");
    let serial = Serial::from_random(random);
    let mut der = model.der.clone();
    der[at..at + 16].copy_from_slice(serial.as_bytes());
    StoredCertificate { id: CertId::new(), serial, der, ..model.clone() }
}

fn entry(action: Action, certificate: &StoredCertificate) -> Entry {
    Entry::done(Clock::System.now(), Actor::System, action)
        .detail(Field::SerialNumber, certificate.serial)
        .detail(Field::CommonName, &certificate.common_name)
        .detail(Field::CaId, certificate.ca)
        .detail(Field::Role, &certificate.role)
}
