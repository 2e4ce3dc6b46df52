//! Revoking an authority ends everything under it.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{create, issue, made};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::{found, wait_for};

/// A root, two authorities below it, one below the first, and a certificate of each but the root.
struct World {
    dir: TempDir,
    appliance: Appliance,
    root: String,
    first: String,
    below: String,
    beside: String,
    leaves: [Value; 3],
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let appliance = Appliance::start_in(dir.path());
        let root = made(create(&appliance, "root", None, json!({})));
        let first = made(create(&appliance, "first", Some(&root), json!({})));
        let below = made(create(&appliance, "below", Some(&first), json!({"validity_days": 365})));
        let beside = made(create(&appliance, "beside", Some(&root), json!({})));
        let leaves = [("first", &first), ("below", &below), ("beside", &beside)].map(|(role, ca)| {
            appliance.role(role, ca, json!({}));
            issue(&appliance, role).0
        });
        Self { dir, appliance, root, first, below, beside, leaves }
    }

    fn revoke(&self, id: &str, reason: &str) -> Value {
        self.appliance.call("POST", &format!("/v1/pki/ca/{id}/revoke"), Some(json!({"reason": reason}))).expect(200)
    }

    fn get(&self, path: &str) -> Value {
        self.appliance.call("GET", path, None).expect(200)
    }

    fn listed(&self, query: &str) -> Vec<(String, bool)> {
        let listed = self.get(&format!("/v1/pki/certificates?{query}"));
        let one = |item: &Value| (item["id"].as_str().unwrap().to_owned(), item["is_revoked"].as_bool().unwrap());
        listed["data"].as_array().unwrap().iter().map(one).collect()
    }

    /// The serial numbers on a new CRL of an authority, with their reasons.
    fn on_crl(&self, id: &str) -> Vec<(String, String)> {
        let published = self.appliance.call("POST", &format!("/v1/pki/ca/{id}/crl"), None).expect(200);
        on(published["crl_pem"].as_str().unwrap())
    }

    /// The same of the CRL that is there, which is made by nobody who asks for it.
    fn on_current_crl(&self, id: &str) -> Vec<(String, String)> {
        let accept = &["Accept: application/x-pem-file"];
        on(&self.appliance.call_raw(None, "GET", &format!("/v1/pki/ca/{id}/crl"), None, accept).text())
    }
}

fn on(crl_pem: &str) -> Vec<(String, String)> {
    let text = Requester::new().crl_text(crl_pem);
    let entry = |entry: &str| {
        let serial = entry.lines().next().unwrap().trim().to_owned();
        let reason = entry.split("X509v3 CRL Reason Code:").nth(1).and_then(|rest| rest.lines().nth(1)).unwrap_or_default();
        (serial, reason.trim().to_owned())
    };
    text.split("Serial Number: ").skip(1).map(entry).collect()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

fn serial(value: &Value) -> String {
    value["serial_number"].as_str().unwrap().replace(':', "")
}

#[test]
fn everything_under_a_revoked_authority_is_revoked() {
    let world = World::new();
    let [first, below, beside] = &world.leaves;
    let revoked = world.revoke(&world.first, "ca_compromise");
    assert_eq!((&revoked["is_revoked"], &revoked["is_active"]), (&json!(true), &json!(false)));
    assert_eq!(revoked["revocation_reason"], "ca_compromise");
    for (authority, is_revoked) in [(&world.first, true), (&world.below, true), (&world.beside, false), (&world.root, false)] {
        let shown = world.get(&format!("/v1/pki/ca/{authority}"));
        assert_eq!((&shown["is_revoked"], &shown["is_active"]), (&json!(is_revoked), &json!(!is_revoked)), "{shown}");
    }
    for (leaf, is_revoked) in [(first, true), (below, true), (beside, false)] {
        let shown = world.get(&format!("/v1/pki/certificates/{}", id(leaf)));
        assert_eq!(shown["is_revoked"], is_revoked, "{shown}");
        assert_eq!(shown["revocation_reason"], if is_revoked { json!("ca_compromise") } else { Value::Null });
    }
    let issued_by = |ca: &str, more: &str| world.listed(&format!("ca_id={ca}{more}"));
    assert_eq!(issued_by(&world.first, ""), []);
    assert_eq!(issued_by(&world.below, ""), []);
    assert_eq!(issued_by(&world.below, "&include_revoked=true"), [(id(below).to_owned(), true)]);
    assert_eq!(issued_by(&world.beside, ""), [(id(beside).to_owned(), false)]);
    assert_eq!(issued_by(&world.root, "").len(), 1, "of its two authorities one is left");
}

#[test]
fn a_revoked_authority_is_on_its_parents_crl_and_its_certificates_on_its_own() {
    let world = World::new();
    let [first, below, _] = &world.leaves;
    let authority = |id: &str| serial(&world.get(&format!("/v1/pki/ca/{id}")));
    assert_eq!(world.on_crl(&world.root), []);
    world.revoke(&world.first, "ca_compromise");
    let reason = "CA Compromise".to_owned();
    assert_eq!(world.on_crl(&world.root), [(authority(&world.first), reason.clone())]);
    let mut on_first = world.on_crl(&world.first);
    on_first.sort();
    let mut wanted = vec![(authority(&world.below), reason.clone()), (serial(first), reason.clone())];
    wanted.sort();
    assert_eq!(on_first, wanted);
    assert_eq!(world.on_crl(&world.below), [(serial(below), reason)]);
    assert_eq!(world.on_crl(&world.beside), []);
}

/// No log of theirs tells them, and their next regular CRL is an hour away.
#[test]
fn the_crls_of_all_below_a_revoked_authority_follow_at_once() {
    for is_killed in [false, true] {
        let mut world = World::new();
        let below = serial(&world.leaves[1]);
        wait_for("the first CRL of the lowest authority", || {
            world.appliance.call("GET", &format!("/v1/pki/ca/{}/crl", world.below), None).status == 200
        });
        assert_eq!(world.on_current_crl(&world.below), []);
        world.revoke(&world.first, "ca_compromise");
        if is_killed {
            world.appliance.kill();
            world.appliance = Appliance::start_in(world.dir.path());
        }
        wait_for("the certificate on the CRL of the lowest authority", || {
            world.on_current_crl(&world.below) == [(below.clone(), "CA Compromise".to_owned())]
        });
        assert_eq!(world.on_current_crl(&world.beside), []);
    }
}

/// Nobody asks for a CRL to be made, and the settings have none made before an hour is over: the revocation of an authority is told at once.
#[test]
fn revoking_an_authority_publishes_its_parents_crl() {
    let world = World::new();
    let serial = serial(&world.get(&format!("/v1/pki/ca/{}", world.below)));
    let requester = Requester::new();
    let http = std::fs::read_to_string(world.appliance.path("http.addr")).unwrap();
    // What a relying party finds at the URL that the revoked certificate names.
    let url = format!("http://{}/crl/{}.crl", http.trim(), world.first);
    let (_, issuers) = issue(&world.appliance, "first");
    requester.write("issuer.pem", &issuers[0]);
    let fetched = || {
        let curl = requester.command("curl", &["--silent", "--fail", "--output", "parent.crl", &url]).status().unwrap();
        curl.success()
            .then(|| requester.openssl(&["crl", "-inform", "DER", "-in", "parent.crl", "-CAfile", "issuer.pem", "-noout", "-text"]))
    };
    let before = found("the first CRL", fetched);
    assert!(before.contains("verify OK") && before.contains("No Revoked Certificates"), "{before}");
    world.revoke(&world.below, "ca_compromise");
    let after = found("a CRL that tells it", || fetched().filter(|text| text.contains(&serial)));
    assert!(after.contains("verify OK") && after.contains("CA Compromise"), "{after}");
    // Its own tells of what it has issued, and nobody else's tells of anything.
    let own = world.leaves[1]["serial_number"].as_str().unwrap().replace(':', "");
    let get = |ca: &str| world.appliance.call_raw(None, "GET", &format!("/crl/{ca}.crl"), None, &[]);
    let text = |ca: &str| {
        requester.write("own.crl", get(ca).body);
        requester.openssl(&["crl", "-inform", "DER", "-in", "own.crl", "-noout", "-text"])
    };
    wait_for("its own CRL", || text(&world.below).contains(&own));
    assert!(text(&world.root).contains("No Revoked Certificates") && text(&world.beside).contains("No Revoked Certificates"));
}

#[test]
fn nothing_is_signed_under_a_revoked_authority() {
    let world = World::new();
    world.revoke(&world.first, "cessation_of_operation");
    let appliance = &world.appliance;
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let csr = requester.csr("key.pem", "/CN=www.example.com", "");
    for role in ["first", "below"] {
        let body = json!({"common_name": "www.example.com"});
        assert_eq!(appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).refused(409).0, "authority_revoked");
        let body = json!({"csr_pem": csr});
        assert_eq!(appliance.call("POST", &format!("/v1/pki/sign/{role}"), Some(body)).refused(409).0, "authority_revoked");
    }
    for parent in [&world.first, &world.below] {
        assert_eq!(create(appliance, "new", Some(parent), json!({"validity_days": 1})).refused(409).0, "authority_revoked");
    }
    issue(appliance, "beside");
    made(create(appliance, "new", Some(&world.root), json!({"validity_days": 1})));
}

#[test]
fn an_authority_is_revoked_once_and_for_good() {
    let world = World::new();
    let path = format!("/v1/pki/ca/{}/revoke", world.first);
    let revoke = |body: Option<Value>| world.appliance.call("POST", &path, body);
    assert_eq!(revoke(Some(json!({"reason": "certificate_hold"}))).refused(400).1, ["reason"], "for good, so not on hold");
    assert_eq!(revoke(Some(json!({"reason": "boredom"}))).refused(400).1, ["reason"]);
    assert_eq!(revoke(None).expect(200)["revocation_reason"], "unspecified", "a body is not needed");
    assert_eq!(revoke(Some(json!({"reason": "superseded"}))).refused(409).0, "already_revoked");
    // What was revoked by itself before keeps its own reason.
    let [.., beside] = &world.leaves;
    world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": beside["id"], "reason": "superseded"}))).expect(200);
    world.revoke(&world.root, "ca_compromise");
    assert_eq!(world.get(&format!("/v1/pki/certificates/{}", id(beside)))["revocation_reason"], "superseded");
    assert_eq!(world.get(&format!("/v1/pki/ca/{}", world.below))["revocation_reason"], "unspecified", "the nearest above");
}

#[test]
fn a_revoked_authority_stays_revoked_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let root = made(create(&appliance, "root", None, json!({})));
    let below = made(create(&appliance, "below", Some(&root), json!({})));
    appliance.call("POST", &format!("/v1/pki/ca/{root}/revoke"), None).expect(200);
    appliance.kill();
    let appliance = Appliance::start_in(dir.path());
    for id in [&root, &below] {
        assert_eq!(appliance.call("GET", &format!("/v1/pki/ca/{id}"), None).expect(200)["is_revoked"], true);
    }
    assert_eq!(create(&appliance, "new", Some(&below), json!({"validity_days": 1})).refused(409).0, "authority_revoked");
}
