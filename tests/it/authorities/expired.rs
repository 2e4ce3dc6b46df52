//! An authority that has expired signs nothing, neither certificates nor authorities nor CRLs; what it has issued is still revoked.

use std::path::Path;

use chancery::audit::{self, Action, Actor, Entry, Ledger};
use chancery::base::clock::Clock;
use chancery::base::id::CaId;
use chancery::storage::{Change, Class, Options, Storage, Table};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{create, issue, made};
use crate::appliance::{Answer, Appliance, run};
use crate::past;
use crate::requester::Requester;

/// What was made thirty days ago: a root that ended after ten of them with an authority below it, a root that still stands with one below it
/// that ended, and one that stands. Each has a role of its name.
struct World {
    appliance: Appliance,
    ended_root: String,
    below_it: String,
    ended: String,
    standing: String,
    /// A certificate of each role, in this order; all of them have a lifetime until after today, cut where their authority ended.
    leaves: Vec<Value>,
    /// A request that was approved then.
    request: String,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut past = past::start_days_ago(dir.path(), 30);
        let ended_root = made(create(&past, "ended-root", None, json!({"validity_days": 10})));
        let below_it = made(create(&past, "below-it", Some(&ended_root), json!({})));
        let root = made(create(&past, "root", None, json!({})));
        let ended = made(create(&past, "ended", Some(&root), json!({"validity_days": 10})));
        let standing = made(create(&past, "standing", Some(&root), json!({})));
        let roles = [("ended-root", &ended_root), ("below-it", &below_it), ("ended", &ended), ("standing", &standing)];
        let leaves = roles.map(|(role, ca)| {
            past.role(role, ca, json!({"max_ttl": "1440h"}));
            issue(&past, role).0
        });
        let request =
            past.call("POST", "/v1/pki/csr/import", Some(json!({"csr_pem": csr()}))).expect(201)["id"].as_str().unwrap().to_owned();
        past.call("POST", &format!("/v1/pki/csr/{request}/approve"), Some(json!({}))).expect(200);
        assert!(past.stop(), "{}", past.log());
        let appliance = Appliance::start_in(dir.path());
        Self { appliance, ended_root, below_it, ended, standing, leaves: leaves.to_vec(), request, _dir: dir }
    }

    fn post(&self, path: &str, body: Value) -> Answer {
        self.appliance.call("POST", path, Some(body))
    }

    #[track_caller]
    fn refuses(&self, path: &str, body: Value) {
        assert_eq!(self.post(path, body).refused(409).0, "authority_expired", "{path}");
    }
}

fn csr() -> String {
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    requester.csr("key.pem", "/CN=www.example.com", "")
}

#[test]
fn nothing_is_signed_by_an_authority_that_has_expired() {
    let world = World::new();
    for role in ["ended-root", "below-it", "ended"] {
        world.refuses(&format!("/v1/pki/issue/{role}"), json!({"common_name": "www.example.com", "ttl": "1h"}));
        world.refuses(&format!("/v1/pki/sign/{role}"), json!({"csr_pem": csr(), "ttl": "1h"}));
    }
    for leaf in &world.leaves[..3] {
        world.refuses(&format!("/v1/pki/certificates/{}/renew", leaf["id"].as_str().unwrap()), json!({"ttl": "1h"}));
    }
    for parent in [&world.ended_root, &world.below_it, &world.ended] {
        // The end is named, and not that the new one would outlive it.
        for fields in [json!({}), json!({"validity_days": 1})] {
            assert_eq!(create(&world.appliance, "new", Some(parent), fields).refused(409).0, "authority_expired");
        }
        world.refuses(&format!("/v1/pki/csr/{}/sign", world.request), json!({"ca_id": parent, "validity_days": 1}));
        world.refuses(&format!("/v1/pki/ca/{parent}/crl"), json!({}));
    }
    let listed = world.appliance.call("GET", "/v1/pki/ca", None).expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 5, "nothing was made");
}

#[test]
fn what_stands_beside_one_that_has_expired_goes_on() {
    let world = World::new();
    let (issued, chain) = issue(&world.appliance, "standing");
    let pem = issued["certificate"].as_str().unwrap();
    Requester::new().verify(pem, &chain.iter().map(String::as_str).collect::<Vec<_>>());
    made(create(&world.appliance, "new", Some(&world.standing), json!({"validity_days": 1})));
    let body = json!({"ca_id": world.standing, "validity_days": 1});
    world.post(&format!("/v1/pki/csr/{}/sign", world.request), body).expect(201);
    let active = |id: &str| world.appliance.call("GET", &format!("/v1/pki/ca/{id}"), None).expect(200)["is_active"].as_bool().unwrap();
    assert_eq!([&world.ended_root, &world.below_it, &world.ended, &world.standing].map(|id| active(id)), [false, false, false, true]);
}

/// The last CRL of an authority is the one behind which no other comes before its end. It is good for as long as there is anything to ask about: also
/// where a certificate under its key outlives it, which it would not issue today.
#[test]
fn the_last_crl_of_an_authority_that_comes_to_its_end_is_good_to_the_end_of_what_it_has_issued() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let authority = |name: &str, period: &str| {
        let crl = json!({"period": period, "validity": "60h", "overlap": "1h"});
        made(create(&appliance, name, None, json!({"validity_days": 2, "crl": crl})))
    };
    // Of two that end in two days, one makes another CRL before that.
    let (ends, goes_on) = (authority("ends", "50h"), authority("goes-on", "40h"));
    let regenerate = |appliance: &Appliance, ca: &str| {
        let made = appliance.call("POST", &format!("/api/v1/ca/{ca}/crl/regenerate"), Some(json!({"type": "full"}))).expect(200);
        let time = |field: &str| made[field].as_str().unwrap().parse::<Timestamp>().unwrap().as_second();
        (time("this_update"), time("next_update"))
    };
    for ca in [&ends, &goes_on] {
        let (this_update, next_update) = regenerate(&appliance, ca);
        assert_eq!(next_update - this_update, 60 * 3_600, "there is nothing that ends later");
    }
    assert!(appliance.stop());
    let outlives = Clock::System.now().as_second() + 5 * 86_400;
    for ca in [&ends, &goes_on] {
        outlived(&dir.path().join("data"), ca, outlives);
    }
    appliance = Appliance::start_in(dir.path());
    assert_eq!(regenerate(&appliance, &ends).1, outlives, "as long as there is anybody to ask about");
    let (this_update, next_update) = regenerate(&appliance, &goes_on);
    assert_eq!(next_update - this_update, 60 * 3_600, "another one comes");
}

/// No CRL is made once the authority has ended, and its last one goes on being served.
#[test]
fn the_last_crl_of_an_authority_that_has_expired_is_still_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut past = past::start_days_ago(dir.path(), 30);
    let crl = json!({"period": "240h", "validity": "241h", "overlap": "1h"});
    let ended = made(create(&past, "ended", None, json!({"validity_days": 10, "crl": crl})));
    past.role("ended", &ended, json!({"max_ttl": "1440h"}));
    let (leaf, chain) = issue(&past, "ended");
    past.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": leaf["id"], "reason": "superseded"}))).expect(200);
    let path = format!("/api/v1/ca/{ended}/crl/regenerate");
    let last = past.call("POST", &path, Some(json!({"type": "full"}))).expect(200);
    let end = past.call("GET", &format!("/v1/pki/ca/{ended}"), None).expect(200)["valid_until"].clone();
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time(&last["next_update"]) >= time(&end), "{last} {end}");
    assert!(past.stop(), "{}", past.log());

    let appliance = Appliance::start_in(dir.path());
    assert_eq!(appliance.call("GET", &format!("/v1/pki/ca/{ended}"), None).expect(200)["is_active"], false);
    assert_eq!(appliance.call("POST", &path, Some(json!({"type": "full"}))).refused(409).0, "authority_expired");
    let http = std::fs::read_to_string(appliance.path("http.addr")).unwrap();
    let requester = Requester::new();
    requester.write("issuer.pem", &chain[0]);
    let url = format!("http://{}/crl/{ended}.crl", http.trim());
    run(&mut requester.command("curl", &["--silent", "--fail", "--output", "last.crl", &url]));
    let text = requester.openssl(&["crl", "-inform", "DER", "-in", "last.crl", "-CAfile", "issuer.pem", "-noout", "-text"]);
    assert!(text.contains("verify OK"), "{text}");
    assert!(text.contains(&leaf["serial_number"].as_str().unwrap().replace(':', "")), "{text}");
    let number = text.split("X509v3 CRL Number:").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    assert_eq!(number.parse::<u64>().unwrap(), last["crl_number"].as_u64().unwrap());
    assert_eq!(appliance.call_as(None, "GET", "/healthz", None).expect(200)["crls"], "ok", "nobody waits for another");
}

/// Notes a certificate that ends then, as the store does with what it holds of an authority's.
fn outlived(data: &Path, ca: &str, not_after: i64) {
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let ca: CaId = ca.parse().unwrap();
    let key = [ca.as_bytes().as_slice(), &not_after.to_be_bytes(), &[0x5A; 16]].concat();
    let change = Change::new(Class::Normal).put(Table::CertificatesByCaExpiry, &key, &[]);
    let entry = Entry::done(Clock::System.now(), Actor::System, Action::CertificateImport);
    Ledger::new(storage).commit_blocking(audit::Change::new(change, entry)).expect("the change commits");
}

#[test]
fn a_certificate_of_an_authority_that_has_expired_is_still_revoked() {
    let world = World::new();
    for leaf in &world.leaves {
        world.post("/v1/pki/revoke", json!({"certificate_id": leaf["id"], "reason": "superseded"})).expect(200);
        let shown = world.appliance.call("GET", &format!("/v1/pki/certificates/{}", leaf["id"].as_str().unwrap()), None).expect(200);
        assert_eq!((&shown["is_revoked"], &shown["revocation_reason"]), (&json!(true), &json!("superseded")));
    }
    world.post(&format!("/v1/pki/ca/{}/revoke", world.ended), json!({"reason": "ca_compromise"})).expect(200);
    let role = json!({"common_name": "www.example.com"});
    assert_eq!(world.post("/v1/pki/issue/ended", role).refused(409).0, "authority_revoked", "which weighs more");
}
