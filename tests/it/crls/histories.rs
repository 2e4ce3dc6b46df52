//! Every history tells one story: whatever was revoked, held, lifted and published, whatever has ended, was killed or restored, the full CRL, the
//! delta CRL applied to its base, the CRLs of the shards, the answers of OCSP and the status over the API say the same of every certificate.
//!
//! `CHANCERY_HISTORIES=50` has as many random histories told, other ones each time; without it a few that are always the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::restored::{copy, put_back};
use super::{Issued, World, is_user_revoked, listed};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

/// What happens; the number is that of a certificate.
#[derive(Clone, Copy, Debug)]
enum Step {
    Hold(usize),
    Lift(usize),
    Revoke(usize),
    Full,
    Delta,
    /// The short-lived certificates come to their end.
    Expire,
    Kill,
    /// Kills and keeps the journal as it is then.
    BackUp,
    /// Kills and puts the journal back that was kept last.
    Restore,
    /// Everything is compared.
    Compare,
}

use Step::{BackUp, Compare, Delta, Expire, Full, Hold, Kill, Lift, Restore, Revoke};

/// What a certificate is by what was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    Held,
    Revoked,
}

/// Certificates that end within the history, and all.
const BRIEF: usize = 2;
const ALL: usize = 6;
const SHARDS: [&str; 2] = ["-1", "-2"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..ALL).prop_map(Hold),
        6 => (0..ALL).prop_map(Lift),
        2 => (0..ALL).prop_map(Revoke),
        2 => Just(Full),
        4 => Just(Delta),
        1 => Just(Expire),
        1 => Just(Kill),
        1 => Just(BackUp),
        2 => Just(Restore),
        2 => Just(Compare),
    ]
}

/// An appliance and what it has said so far.
struct Story {
    dir: TempDir,
    world: World,
    requester: Requester,
    root: String,
    certificates: Vec<(Issued, Timestamp)>,
    states: Vec<State>,
    has_backup: bool,
}

impl Story {
    fn new(crl: Value) -> Self {
        let dir = TempDir::new().unwrap();
        let world = World::of(Appliance::start_in(dir.path()), crl);
        let (requester, root) = (Requester::new(), world.root_pem());
        requester.write("root.pem", &root);
        let certificates = (0..ALL).map(|number| {
            let ttl = if number < BRIEF { "25s" } else { "168h" };
            let body = json!({"common_name": format!("host{number}.example.com"), "ttl": ttl});
            let issued = world.appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
            let text = |field: &str| issued[field].as_str().unwrap().to_owned();
            let issued = Issued { id: text("id"), pem: text("certificate"), serial: text("serial_number").replace(':', "") };
            requester.write(&format!("{number}.pem"), &issued.pem);
            let until = world.status(&issued)["valid_until"].as_str().unwrap().parse().unwrap();
            (issued, until)
        });
        let certificates = certificates.collect();
        world.regenerate("full");
        Self { dir, world, requester, root, certificates, states: vec![State::Good; ALL], has_backup: false }
    }

    fn tell(&mut self, steps: &[Step]) {
        for (number, step) in steps.iter().enumerate() {
            self.take(*step, &format!("step {number} of {steps:?}"));
        }
        self.compare(&format!("the end of {steps:?}"));
    }

    fn take(&mut self, step: Step, what: &str) {
        match step {
            Hold(which) => {
                let is_good = self.states[which] == State::Good;
                let answer = self.world.revoke(&self.certificates[which].0, "certificate_hold");
                assert_eq!(answer.status, if is_good { 200 } else { 409 }, "{what}");
                if is_good {
                    self.states[which] = State::Held;
                }
            }
            Lift(which) => {
                let is_held = self.states[which] == State::Held;
                let answer = self.world.lift(&self.certificates[which].0);
                assert_eq!(answer.status, if is_held { 200 } else { 409 }, "{what}");
                if is_held {
                    self.states[which] = State::Good;
                }
            }
            Revoke(which) => {
                let is_revoked = self.states[which] == State::Revoked;
                let answer = self.world.revoke(&self.certificates[which].0, "key_compromise");
                assert_eq!(answer.status, if is_revoked { 409 } else { 200 }, "{what}");
                self.states[which] = State::Revoked;
            }
            Full => drop(self.world.regenerate("full")),
            Delta => drop(self.world.regenerate("delta")),
            Expire => self.expire(what),
            Kill => self.restart(|_| {}),
            BackUp => {
                self.restart(|dir| {
                    let _ = std::fs::remove_dir_all(dir.join("backup"));
                    copy(&dir.join("data/journal"), &dir.join("backup"));
                });
                self.has_backup = true;
            }
            Restore if self.has_backup => self.restart(|dir| put_back(&dir.join("backup"), &dir.join("data"))),
            Restore => {}
            Compare => self.compare(what),
        }
    }

    fn restart(&mut self, meanwhile: impl FnOnce(&Path)) {
        self.world.appliance.kill();
        meanwhile(self.dir.path());
        self.world.appliance = Appliance::start_in(self.dir.path());
        let world = &self.world;
        wait_for("every CRL", || {
            ["", "-1", "-2", "-ca"].iter().flat_map(|part| [(*part).to_owned(), format!("{part}-delta")]).all(|suffix| {
                let path = format!("/crl/{}{suffix}.crl", world.root);
                world.appliance.call_raw(None, "GET", &path, None, &[]).status == 200
            })
        });
    }

    /// What has ended is on one more CRL (RFC 5280, 3.3), and revoked it stays.
    fn expire(&self, what: &str) {
        let end = self.certificates.iter().take(BRIEF).map(|(_, until)| *until).max().unwrap();
        let serials: Vec<_> = self.certificates.iter().take(BRIEF).map(|(issued, _)| &issued.serial).collect();
        self.world.regenerate("full");
        if Timestamp::now() >= end {
            return;
        }
        while Timestamp::now() <= end {
            std::thread::sleep(Duration::from_millis(200));
        }
        let wanted = self.states.iter().take(BRIEF).filter(|state| **state != State::Good).count();
        for (which, wanted) in [("first", wanted), ("second", 0)] {
            self.world.regenerate("full");
            let (found, _) = listed(&self.requester, &self.root, &self.world.crl(""));
            let found = found.iter().filter(|(serial, _)| serials.contains(&serial));
            // The other may have ended a CRL earlier.
            let least = if which == "first" { wanted.min(1) } else { 0 };
            assert!((least..=wanted).contains(&found.count()), "{what}: the {which} CRL after their end");
        }
    }

    fn compare(&self, what: &str) {
        let now = Timestamp::now();
        self.world.regenerate("delta");
        let together = |suffix: &str| self.applied(&self.world.crl(suffix), &self.world.crl(&format!("{suffix}-delta")));
        let of_deltas = together("");
        let of_shards: BTreeMap<_, _> = SHARDS.iter().flat_map(|suffix| together(suffix)).collect();
        let (base, delta) = (self.world.crl(""), self.world.crl("-delta"));
        let shards = SHARDS.map(|suffix| (self.world.crl(suffix), self.world.crl(&format!("{suffix}-delta"))));
        self.world.regenerate("full");
        let of_full = self.applied(&self.world.crl(""), &self.world.crl("-delta"));
        assert_eq!(self.applied(&self.world.crl("-ca"), &self.world.crl("-ca-delta")), BTreeMap::new(), "{what}: no authority was revoked");
        let said = self.asked(what);
        for (number, ((issued, until), state)) in self.certificates.iter().zip(&self.states).enumerate() {
            let wanted = match state {
                State::Good => None,
                State::Held => Some("Certificate Hold"),
                State::Revoked => Some("Key Compromise"),
            };
            let what = format!("{what}: certificate {number} is {state:?}");
            // CRLs forget what has ended.
            let may_be_gone = *until <= now;
            for (list, name) in [(&of_deltas, "the delta CRL and its base"), (&of_shards, "the shards"), (&of_full, "the full CRL")] {
                let found = list.get(&issued.serial).map(String::as_str);
                assert!(found == wanted || may_be_gone && found.is_none(), "{what}, but by {name} {found:?}");
            }
            assert_eq!(said.get(&number).map(String::as_str), wanted, "{what}, but not by OCSP");
            let shown = self.world.status(issued);
            let reason = wanted.map(|reason| reason.to_lowercase().replace(' ', "_"));
            assert_eq!(
                (shown["is_revoked"].as_bool(), shown["revocation_reason"].as_str()),
                (Some(wanted.is_some()), reason.as_deref()),
                "{what}"
            );
            if !may_be_gone {
                let crls = [base.as_slice(), &delta];
                assert_eq!(
                    is_user_revoked(&self.requester, &self.root, &crls, &issued.pem),
                    wanted.is_some(),
                    "{what}, but not by openssl"
                );
                let of_shard = |(base, delta): &(Vec<u8>, Vec<u8>)| {
                    let crls = [base.as_slice(), delta];
                    listed(&self.requester, &self.root, base).1.contains(&shard_url(&self.requester, &issued.pem))
                        && is_user_revoked(&self.requester, &self.root, &crls, &issued.pem)
                };
                assert_eq!(shards.iter().any(of_shard), wanted.is_some(), "{what}, but not by openssl and its shard");
            }
        }
    }

    /// A delta CRL applied to its base (RFC 5280, 5.2.4), by serial number.
    fn applied(&self, base: &[u8], delta: &[u8]) -> BTreeMap<String, String> {
        let mut together: BTreeMap<_, _> = listed(&self.requester, &self.root, base).0.into_iter().collect();
        for (serial, reason) in listed(&self.requester, &self.root, delta).0 {
            if reason == "Remove From CRL" {
                together.remove(&serial);
            } else {
                together.insert(serial, reason);
            }
        }
        together
    }

    /// What openssl is told of each by the responder, alone and together with the others, as CRLs name reasons.
    fn asked(&self, what: &str) -> BTreeMap<usize, String> {
        let http = std::fs::read_to_string(self.world.appliance.path("http.addr")).unwrap();
        let url = format!("http://{}/ocsp/{}", http.trim(), self.world.root);
        let names: Vec<_> = (0..ALL).map(|number| format!("{number}.pem")).collect();
        let ask = |names: &[String]| {
            let mut arguments = vec!["ocsp", "-no_nonce", "-issuer", "root.pem", "-CAfile", "root.pem", "-url", &url, "-timeout", "60"];
            names.iter().for_each(|name| arguments.extend(["-cert", name]));
            let output = self.requester.command("openssl", &arguments).output().unwrap();
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(said.contains("Response verify OK"), "{what}: {said}");
            said
        };
        let read = |said: &str, number: usize| {
            let rest = said.split_once(&format!("{number}.pem: ")).unwrap_or_else(|| panic!("{what}: {said}")).1;
            let (status, rest) = rest.split_once('\n').unwrap();
            // The lines about one are indented.
            let reason = rest.lines().take_while(|line| line.starts_with('\t')).find_map(|line| line.trim().strip_prefix("Reason: "));
            match (status, reason) {
                ("good", None) => None,
                ("revoked", Some("certificateHold")) => Some("Certificate Hold".to_owned()),
                ("revoked", Some("keyCompromise")) => Some("Key Compromise".to_owned()),
                other => panic!("{what}: {other:?} in {said}"),
            }
        };
        let all = ask(&names);
        let mut found = BTreeMap::new();
        for (number, name) in names.iter().enumerate() {
            let alone = read(&ask(std::slice::from_ref(name)), number);
            assert_eq!(read(&all, number), alone, "{what}: with others and alone");
            if let Some(reason) = alone {
                found.insert(number, reason);
            }
        }
        found
    }
}

/// The URL that a certificate names, which only the CRL of its shard has.
fn shard_url(requester: &Requester, pem: &str) -> String {
    let text = requester.certificate_text(pem);
    let points = text.split("X509v3 CRL Distribution Points").nth(1).unwrap_or_else(|| panic!("{text}"));
    points.split("URI:").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

fn crl() -> Value {
    json!({"delta": true, "shards": 2})
}

#[test]
fn a_history_with_all_of_it_tells_one_story() {
    let steps = [
        Hold(0),
        Hold(2),
        Hold(3),
        Revoke(4),
        Compare,
        Lift(3),
        Hold(3),
        Full,
        BackUp,
        Lift(2),
        Revoke(3),
        Hold(5),
        Revoke(1),
        Delta,
        Compare,
        Restore,
        Compare,
        Expire,
        Lift(5),
        Compare,
        Kill,
        Restore,
        Hold(2),
        Lift(0),
        Compare,
        Restore,
        Delta,
        Restore,
    ];
    Story::new(crl()).tell(&steps);
}

#[test]
fn a_history_tells_one_story_while_crls_are_made_by_themselves() {
    let steps = [
        Hold(2),
        Revoke(3),
        Hold(4),
        Lift(2),
        Compare,
        BackUp,
        Hold(2),
        Lift(4),
        Revoke(0),
        Kill,
        Compare,
        Hold(4),
        Restore,
        Lift(4),
        Hold(5),
        Revoke(2),
    ];
    let often = json!({"delta": true, "shards": 2, "delta_period": "10s", "publish_on_revocation": true, "publish_within": "1s"});
    Story::new(often).tell(&steps);
}

#[test]
fn random_histories_tell_one_story() {
    let asked = std::env::var("CHANCERY_HISTORIES").ok().map(|text| text.parse().expect("a number of histories"));
    let config = Config { cases: asked.unwrap_or(2), max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let outcome = runner.run(&proptest::collection::vec(step(), 10..22), |steps| {
        Story::new(crl()).tell(&steps);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
