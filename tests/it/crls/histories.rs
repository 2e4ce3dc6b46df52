//! Random histories: whatever was revoked, held, lifted, published and crashed, the full CRL, the delta CRL applied to its base and the status over
//! the API tell the same story.

use std::collections::BTreeMap;
use std::path::Path;

use chancery::audit::{self, Action, Actor, Entry, Ledger};
use chancery::base::clock::{Clock, from_seconds};
use chancery::base::id::CaId;
use chancery::inventory::{CrlPart, Revocation, revocation_key};
use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::x509::reason::RevocationReason;
use chancery::x509::serial::Serial;
use serde_json::json;

use super::{Issued, World, is_revoked, listed};
use crate::appliance::Appliance;
use crate::requester::Requester;

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
                invalidity_date: None,
                not_after: from_seconds(now + 86_400),
            };
            change = change.put(Table::Revocations, &revocation_key(ca, &Serial::from_random(random)), &revocation.encode().unwrap());
        }
        let entry = Entry::done(Clock::System.now(), Actor::System, Action::CertificateRevoke);
        ledger.commit_blocking(audit::Change::new(change, entry)).expect("the change commits");
    }
}

/// Random enough, and the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// What a certificate is by what was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    Held,
    Revoked,
}

fn reasons(of: Vec<(String, String)>) -> BTreeMap<String, String> {
    of.into_iter().collect()
}

fn history(seed: u64, crl: serde_json::Value, steps: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), crl);
    let (requester, root) = (Requester::new(), world.root_pem());
    let hosts: Vec<Issued> = (0..6).map(|host| world.issue(&format!("host{host}"))).collect();
    let mut states = vec![State::Good; hosts.len()];
    let mut dice = Dice(seed);
    world.regenerate("full");
    for step in 0..steps {
        let what = format!("seed {seed}, step {step}");
        let which = dice.below(hosts.len());
        match dice.below(12) {
            0..=2 => {
                let wanted = if states[which] == State::Good { 200 } else { 409 };
                assert_eq!(world.revoke(&hosts[which], "certificate_hold").status, wanted, "{what}");
                if wanted == 200 {
                    states[which] = State::Held;
                }
            }
            3..=5 => {
                let wanted = if states[which] == State::Held { 200 } else { 409 };
                assert_eq!(world.lift(&hosts[which]).status, wanted, "{what}");
                if wanted == 200 {
                    states[which] = State::Good;
                }
            }
            6 => {
                let wanted = if states[which] == State::Revoked { 409 } else { 200 };
                assert_eq!(world.revoke(&hosts[which], "key_compromise").status, wanted, "{what}");
                states[which] = State::Revoked;
            }
            7 => drop(world.regenerate("full")),
            8..=10 => drop(world.regenerate("delta")),
            _ => {
                world.appliance.kill();
                world.appliance = Appliance::start_in(dir.path());
            }
        }
    }
    world.regenerate("delta");
    let (base, delta) = (world.crl(""), world.crl("-delta"));
    let mut together = reasons(listed(&requester, &root, &base).0);
    for (serial, reason) in listed(&requester, &root, &delta).0 {
        if reason == "Remove From CRL" {
            together.remove(&serial);
        } else {
            together.insert(serial, reason);
        }
    }
    world.regenerate("full");
    let alone = reasons(listed(&requester, &root, &world.crl("")).0);
    let said = hosts.iter().zip(&states).filter_map(|(issued, state)| match state {
        State::Good => None,
        State::Held => Some((issued.serial.clone(), "Certificate Hold".to_owned())),
        State::Revoked => Some((issued.serial.clone(), "Key Compromise".to_owned())),
    });
    let said: BTreeMap<_, _> = said.collect();
    assert_eq!(together, said, "seed {seed}: the delta CRL applied to its base");
    assert_eq!(alone, said, "seed {seed}: the next full CRL");
    for (issued, state) in hosts.iter().zip(&states) {
        let shown = world.status(issued);
        assert_eq!(shown["is_revoked"], *state != State::Good, "seed {seed}");
        assert_eq!(is_revoked(&requester, &root, &[&base, &delta], &issued.pem), *state != State::Good, "seed {seed}: by openssl");
    }
}

#[test]
fn every_history_tells_one_story() {
    for seed in [1, 2, 3] {
        history(seed, json!({"delta": true}), 30);
    }
}

#[test]
fn every_history_tells_one_story_while_crls_are_made_by_themselves() {
    history(4, json!({"delta": true, "delta_period": "10s", "publish_on_revocation": true, "publish_within": "1s"}), 40);
}
