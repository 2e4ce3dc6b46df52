//! A CRL that is not what the store says is not published: the one before it stays, and everybody who may have to know is told.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use chancery::audit::{self, Action, Actor, Entry, Ledger};
use chancery::base::clock::Clock;
use chancery::base::id::CaId;
use chancery::storage::{Change, Class, Options, Storage, Table, counter};
use serde_json::json;
use tempfile::TempDir;

use super::filled::fill;
use super::{World, listed};
use crate::appliance::Appliance;
use crate::faults::shim::Shim;
use crate::requester::Requester;
use crate::waiting::wait_for;

/// Enough entries that they wait for their signature in a file.
const MANY: u32 = 20_000;

fn crls(world: &World) -> String {
    world.appliance.call_as(None, "GET", "/healthz", None).expect(200)["crls"].as_str().unwrap().to_owned()
}

fn has_metric(world: &World, line: &str) -> bool {
    world.appliance.call("GET", "/metrics", None).text().lines().any(|found| found == line)
}

#[test]
fn a_crl_that_is_not_what_the_store_says_is_not_published_and_the_alarm_is_raised() {
    let shim = Shim::new();
    let scratch = TempDir::new().unwrap();
    let dir = scratch.path().join("appliance");
    let start = || shim.start(&dir);
    let mut world = World::of(start(), json!({}));
    let (requester, root) = (Requester::new(), world.root_pem());
    assert!(world.appliance.stop());
    fill(&dir.join("data"), &world.root, MANY);
    world.appliance = start();
    world.regenerate("full");
    let before = world.crl("");
    assert_eq!((crls(&world).as_str(), has_metric(&world, "chancery_crls_rejected 0")), ("ok", true));

    // While the token signs, an entry in the file turns into another: the disk lies, and nothing that reads it can tell but the check.
    shim.set("C_SignInit always delay 2000\n");
    let entries = dir.join(format!("data/crl/{}.entries", world.root));
    let path = format!("/api/v1/ca/{}/crl/regenerate", world.root);
    let answer = std::thread::scope(|scope| {
        let signed = shim.hits("C_SignInit");
        let publishing = scope.spawn(|| world.appliance.call("POST", &path, Some(json!({"type": "full"}))));
        wait_for("the signature", || shim.hits("C_SignInit") > signed);
        let file = File::options().read(true).write(true).open(&entries).expect("the entries wait in their file");
        let mut octet = [0];
        // In the serial number of the first entry: SEQUENCE, INTEGER, and sixteen octets.
        file.read_exact_at(&mut octet, 10).unwrap();
        file.write_all_at(&[octet[0] ^ 1], 10).unwrap();
        publishing.join().unwrap()
    });
    assert_eq!(answer.refused(500).0, "internal");
    shim.set("");
    assert!(world.crl("") == before, "the old one is served on");
    assert_eq!((crls(&world).as_str(), has_metric(&world, "chancery_crls_rejected 1")), ("rejected", true));
    let told = world.appliance.told("crl.reject");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["object"], &told[0]["details"]["crl"]), (&json!(world.root), &json!(world.root)), "{told:?}");
    assert!(told[0]["details"]["fault"].as_str().unwrap().contains("not what was meant"), "{told:?}");
    let events = world.appliance.call("GET", "/v1/events?type=crl.rejected", None).expect(200);
    assert_eq!(events["data"].as_array().unwrap().len(), 1, "{events}");
    assert!(world.appliance.log().contains("is not what the store says and is not published"));
    let left: Vec<_> = std::fs::read_dir(dir.join("data/crl")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "what was rejected is cleared away: {left:?}");

    // The next good one ends it.
    let made = world.regenerate("full");
    assert_eq!((crls(&world).as_str(), has_metric(&world, "chancery_crls_rejected 0")), ("ok", true));
    let (found, text) = listed(&requester, &root, &world.crl(""));
    assert_eq!(found.len(), MANY as usize);
    assert_eq!(super::number(&text), made["crl_number"].as_u64().unwrap());
    let earlier = listed(&requester, &root, &before).1;
    assert!(super::number(&text) >= super::number(&earlier) + 2, "the number of what was rejected is used up");
}

/// RFC 5280, 5.2.3: numbers rise over full and delta CRLs alike. A store whose counter was set back would have one come again.
#[test]
fn a_number_that_is_not_above_every_earlier_one_is_not_published() {
    let scratch = TempDir::new().unwrap();
    let dir = scratch.path().join("appliance");
    let mut world = World::of(Appliance::start_in(&dir), json!({"delta": true}));
    let issued = world.issue("www");
    world.revoke(&issued, "superseded").expect(200);
    let full = world.regenerate("full")["crl_number"].as_u64().unwrap();
    let delta = world.regenerate("delta")["crl_number"].as_u64().unwrap();
    assert!(delta > full);
    let before = (world.crl(""), world.crl("-delta"));
    let restart_at = |world: &mut World, number: u64| {
        assert!(world.appliance.stop());
        set_back(&dir.join("data"), &world.root, number);
        world.appliance = Appliance::start_in(&dir);
    };
    let path = format!("/api/v1/ca/{}/crl/regenerate", world.root);
    // The next number would be that of the full CRL, one between both, or that of the delta CRL, which a full one must not have either.
    for (next, kind) in [(full, "full"), (full, "delta"), (delta, "full"), (delta, "delta")] {
        restart_at(&mut world, next - 1);
        assert_eq!((crls(&world).as_str(), has_metric(&world, "chancery_crls_rejected 0")), ("ok", true), "{next} {kind}");
        let told = world.appliance.told("crl.reject").len();
        assert_eq!(world.appliance.call("POST", &path, Some(json!({"type": kind}))).refused(500).0, "internal", "{next} {kind}");
        assert!((world.crl(""), world.crl("-delta")) == before, "{next} {kind}: the old ones are served on");
        assert_eq!((crls(&world).as_str(), has_metric(&world, "chancery_crls_rejected 1")), ("rejected", true), "{next} {kind}");
        let entries = world.appliance.told("crl.reject");
        assert_eq!(entries.len(), told + 1, "{entries:?}");
        assert!(entries.iter().all(|entry| entry["details"]["fault"].as_str().unwrap().contains("its number")), "{entries:?}");
        let left: Vec<_> = std::fs::read_dir(dir.join("data/crl")).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "what was rejected is cleared away: {left:?}");
    }
    let events = world.appliance.call("GET", "/v1/events?type=crl.rejected", None).expect(200);
    assert_eq!(events["data"].as_array().unwrap().len(), 4, "{events}");
    // That CRLs are not divided or made as deltas any more does not take back what their numbers were.
    restart_at(&mut world, delta - 1);
    world.appliance.call("PATCH", &format!("/v1/pki/ca/{}", world.root), Some(json!({"crl": {"delta": false}}))).expect(200);
    assert_eq!(world.appliance.call("POST", &path, Some(json!({"type": "full"}))).refused(500).0, "internal");
    assert!(world.crl("") == before.0);
    // The first number above all of them is good again, and ends the alarm.
    assert_eq!(world.regenerate("full")["crl_number"].as_u64().unwrap(), delta + 1);
    assert_eq!((crls(&world).as_str(), has_metric(&world, "chancery_crls_rejected 0")), ("ok", true));
}

/// Sets the counter of an authority's CRL numbers back, without asking anybody, and takes away the second record that would raise it again.
fn set_back(data: &Path, ca: &str, number: u64) {
    {
        let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
        let ledger = Ledger::new(storage.clone());
        let ca: CaId = ca.parse().unwrap();
        let key = [b"crl/".as_slice(), ca.as_bytes()].concat();
        let now = counter(&storage.get(Table::Counters, &key).unwrap().expect("there are CRLs")).unwrap();
        let change = Change::new(Class::Normal).add(Table::Counters, &key, i64::try_from(number).unwrap() - now);
        let entry = Entry::done(Clock::System.now(), Actor::System, Action::CrlIntend);
        ledger.commit_blocking(audit::Change::new(change, entry)).expect("the change commits");
    }
    std::fs::remove_file(data.join("revocations")).unwrap();
}

/// What lies on the disk is looked at when it is taken up again.
#[test]
fn a_crl_whose_file_was_damaged_is_not_served_after_a_start() {
    let dir = TempDir::new().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let issued = world.issue("www");
    world.revoke(&issued, "superseded").expect(200);
    let number = world.regenerate("full")["crl_number"].as_u64().unwrap();
    assert!(world.appliance.stop());
    let path = dir.path().join(format!("data/crl/{}.{number}.crl", world.root));
    let mut der = std::fs::read(&path).unwrap();
    let middle = der.len() / 2;
    der[middle] ^= 1;
    std::fs::write(&path, der).unwrap();
    world.appliance = Appliance::start_in(dir.path());
    let current = || world.appliance.call_raw(None, "GET", &format!("/crl/{}.crl", world.root), None, &[]);
    // Nothing, or the one that is made in its place.
    wait_for("another CRL", || {
        let answer = current();
        assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
        answer.status == 200
    });
    let (found, text) = listed(&requester, &root, &current().body);
    assert_eq!(found, [(issued.serial.clone(), "Superseded".to_owned())]);
    assert!(super::number(&text) > number);
}
