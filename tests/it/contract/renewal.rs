//! Renewing: the documented call, by the rules of today, and what it must refuse.

use serde_json::{Value, json};

use super::{World, assert_fields, assert_serial, time};
use crate::appliance::Answer;
use crate::requester::Requester;

const DAY: i64 = 86_400;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is wanted, not {value}"))
}

impl World {
    fn renew(&self, certificate: &Value, body: Value) -> Answer {
        self.appliance.call("POST", &format!("/v1/pki/certificates/{}/renew", text(&certificate["id"])), Some(body))
    }

    fn certificate(&self, issued: &Value) -> Value {
        self.get(&format!("/v1/pki/certificates/{}", text(&issued["id"])))
    }
}

fn public_key(requester: &Requester, certificate: &Value) -> String {
    requester.write("of.pem", text(certificate));
    requester.openssl(&["x509", "-in", "of.pem", "-noout", "-pubkey"])
}

#[test]
fn renewing_answers_a_new_certificate_and_its_key() {
    let world = World::new();
    let requester = Requester::new();
    let body = json!({
        "common_name": "billing.svc.cluster.local", "alt_names": ["billing-api.svc.cluster.local"], "ip_sans": ["10.0.5.100"], "ttl": "24h"
    });
    let old = world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).expect(201);
    let before = jiff::Timestamp::now().as_second();
    let renewed = world.renew(&old, json!({"ttl": "168h"})).expect(201);
    assert_fields(&renewed, &["id", "certificate", "private_key", "ca_chain", "serial_number", "not_after"]);
    assert_serial(&renewed["serial_number"]);
    assert!((0..60).contains(&(time(&renewed["not_after"]).as_second() - before - 7 * DAY)));
    let chain: Vec<_> = renewed["ca_chain"].as_array().unwrap().iter().map(text).collect();
    requester.verify(text(&renewed["certificate"]), &chain);
    requester.write("key.pem", text(&renewed["private_key"]));
    let of_key = requester.openssl(&["pkey", "-in", "key.pem", "-pubout"]);
    assert_eq!(of_key, public_key(&requester, &renewed["certificate"]), "the key fits the certificate");
    assert_ne!(of_key, public_key(&requester, &old["certificate"]), "the key is new");

    let (was, is) = (world.certificate(&old), world.certificate(&renewed));
    for field in ["common_name", "alt_names", "ip_sans", "role", "key_type", "key_bits", "issuer_ca_id"] {
        assert_eq!(was[field], is[field], "{field}");
    }
    assert_eq!((&was["renewed_by"], &is["renewed_from"]), (&renewed["id"], &old["id"]));
    assert_eq!((was.get("renewed_from"), is.get("renewed_by")), (None, None));
    assert_eq!(was["is_revoked"], false, "the old one stays valid");
    let issued = world.appliance.told("certificate.issue");
    let last = issued.last().unwrap();
    assert_eq!((&last["object"], &last["details"]["renewed_from"]), (&renewed["id"], &old["id"]));

    // Once more, from the old one: its newest successor is named.
    let again = world.renew(&old, json!({})).expect(201);
    assert_eq!(world.certificate(&old)["renewed_by"], again["id"]);
    assert!((0..60).contains(&(time(&again["not_after"]).as_second() - jiff::Timestamp::now().as_second() - 30 * DAY + 59)));
    let refused = |body| world.renew(&again, body).refused(400);
    let fields = |fields: &[&str]| ("invalid_request".to_owned(), fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
    assert_eq!(refused(json!({"ttl": "9999h", "private_key_format": "jwk"})), fields(&["private_key_format", "ttl"]));
    assert_eq!(refused(json!({"ttl": "9999h", "csr_pem": "hello"})), fields(&["csr_pem", "ttl"]));
    assert_eq!(refused(json!({"ttl": "9999h"})).0, "policy_violation");
    let pkcs8 = world.renew(&again, json!({"private_key_format": "pkcs8"})).expect(201);
    assert!(text(&pkcs8["private_key"]).starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_key_that_was_never_here_stays_unless_another_is_given() {
    let world = World::new();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let extensions = "subjectAltName = DNS:a.internal, DNS:b.internal\nextendedKeyUsage = serverAuth";
    let csr = requester.csr("key.pem", "/CN=a.internal", extensions);
    let old = world.appliance.call("POST", "/v1/pki/sign/svc-mtls", Some(json!({"csr_pem": csr}))).expect(201);
    let renewed = world.renew(&old, json!({"ttl": "168h"})).expect(201);
    assert_fields(&renewed, &["id", "certificate", "ca_chain", "serial_number", "not_after"]);
    assert_eq!(public_key(&requester, &old["certificate"]), public_key(&requester, &renewed["certificate"]));
    let shown = requester.certificate_text(text(&renewed["certificate"]));
    assert!(shown.contains("DNS:a.internal, DNS:b.internal\n") && !shown.contains("Client Authentication"), "{shown}");

    requester.key("other.pem", "P-256");
    let other = requester.csr("other.pem", "/CN=a.internal", "");
    let renewed = world.renew(&old, json!({"csr_pem": other})).expect(201);
    requester.write("other.csr", &other);
    let of_csr = requester.openssl(&["req", "-in", "other.csr", "-noout", "-pubkey"]);
    assert_eq!(of_csr, public_key(&requester, &renewed["certificate"]));
    assert_eq!(world.certificate(&renewed)["alt_names"], json!(["a.internal", "b.internal"]), "only the key is another");
    for (subject, extensions) in [("/CN=c.internal", ""), ("/CN=a.internal", "subjectAltName = DNS:a.internal, DNS:c.internal")] {
        let wider = requester.csr("other.pem", subject, extensions);
        assert_eq!(world.renew(&old, json!({"csr_pem": wider})).refused(400).1, ["csr_pem"], "{subject} {extensions}");
    }
    requester.key("rsa.pem", "rsa-2048");
    let rsa = requester.csr("rsa.pem", "/CN=a.internal", "");
    assert_eq!(world.renew(&old, json!({"csr_pem": rsa})).refused(400), ("policy_violation".into(), vec!["key_type".into()]));
    let both = world.renew(&old, json!({"csr_pem": "nothing", "ttl": "5"})).refused(400).1;
    assert_eq!(both, ["ttl", "csr_pem"]);
}

#[test]
fn the_rules_of_today_count() {
    let world = World::new();
    let old = world.issue("www");
    let patch = |body| world.appliance.call("PATCH", "/v1/pki/roles/svc-mtls", Some(body)).expect(200);
    assert_eq!(world.renew(&old, json!({"ttl": "721h"})).refused(400), ("policy_violation".into(), vec!["ttl".into()]));
    patch(json!({"key_bits": 384}));
    let renewed = world.renew(&old, json!({})).expect(201);
    assert_eq!(world.certificate(&renewed)["key_bits"], 384);
    patch(json!({"allowed_domains": ["*.internal"]}));
    assert_eq!(world.renew(&old, json!({})).refused(400).0, "policy_violation");
    patch(json!({"allowed_domains": ["*.svc.cluster.local"], "ca_id": world.root}));
    let renewed = world.renew(&old, json!({})).expect(201);
    assert_eq!(world.certificate(&renewed)["issuer_ca_id"], json!(world.root));
    assert_eq!(world.appliance.call("DELETE", "/v1/pki/roles/svc-mtls", None).status, 204);
    assert_eq!(world.renew(&old, json!({})).refused(409).0, "no_role");
}

#[test]
fn what_is_revoked_or_an_authority_is_not_renewed() {
    let world = World::new();
    let (one, held, under) = (world.issue("one"), world.issue("held"), world.issue("under"));
    let revoke = |issued: &Value, reason: &str| {
        let body = json!({"serial_number": issued["serial_number"], "reason": reason});
        world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200)
    };
    revoke(&one, "superseded");
    revoke(&held, "certificate_hold");
    assert_eq!(world.renew(&one, json!({})).refused(409).0, "certificate_revoked");
    assert_eq!(world.renew(&held, json!({})).refused(409).0, "certificate_revoked");
    let intermediate = world.get(&format!("/v1/pki/certificates?ca_id={}", world.root))["data"][0].clone();
    assert_eq!(world.renew(&intermediate, json!({})).refused(409).0, "is_authority");
    world.appliance.call("POST", &format!("/v1/pki/ca/{}/revoke", world.issuing), None).expect(200);
    assert_eq!(world.renew(&under, json!({})).refused(409).0, "certificate_revoked");
}

#[test]
fn what_a_person_approved_is_renewed_as_it_was() {
    let world = World::new();
    let requester = Requester::new();
    let made = world.appliance.call("POST", "/v1/pki/csr", Some(json!({"subject": {"common_name": "a.example", "organization": "Ex"}})));
    let made = made.expect(201);
    let post = |deed: &str, body: Option<Value>| world.appliance.call("POST", &format!("/v1/pki/csr/{}/{deed}", text(&made["id"])), body);
    post("approve", None).expect(200);
    let old = post("sign", Some(json!({"ca_id": world.issuing}))).expect(201);
    let renewed = world.renew(&old, json!({"ttl": "168h"})).expect(201);
    assert_eq!(public_key(&requester, &old["certificate"]), public_key(&requester, &renewed["certificate"]));
    let shown = requester.certificate_text(text(&renewed["certificate"]));
    assert!(shown.contains("Subject: O = Ex, CN = a.example\n"), "{shown}");
    assert_eq!(world.certificate(&renewed)["csr_id"], made["id"]);
    let issuer = world.appliance.token(&["pki:issue"]);
    let path = format!("/v1/pki/certificates/{}/renew", text(&old["id"]));
    assert_eq!(world.appliance.call_as(Some(&issuer), "POST", &path, Some(json!({}))).refused(403).0, "forbidden");
    requester.key("other.pem", "P-256");
    let csr = requester.csr("other.pem", "/CN=a.example", "");
    assert_eq!(world.renew(&old, json!({"csr_pem": csr})).refused(409).0, "approval_needed");
}

#[test]
fn a_renewal_that_comes_to_nothing_is_told() {
    let world = World::new();
    let old = world.issue("www");
    let told = || world.get("/v1/events?type=certificate.renewal_failed")["data"].as_array().unwrap().clone();
    world.renew(&old, json!({"ttl": "721h"})).refused(400);
    // What is no question about this certificate is no renewal: the body, and who asks.
    world.renew(&old, json!({"ttl": 721})).refused(400);
    let reader = world.appliance.token(&["pki:read"]);
    let path = format!("/v1/pki/certificates/{}/renew", text(&old["id"]));
    world.appliance.call_as(Some(&reader), "POST", &path, Some(json!({}))).refused(403);
    world.renew(&old, json!({})).expect(201);
    let body = json!({"certificate_id": old["id"], "reason": "superseded"});
    world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    world.renew(&old, json!({})).refused(409);
    let events = told();
    let faults: Vec<_> = events.iter().map(|event| text(&event["data"]["fault"])).collect();
    assert_eq!(faults, ["policy_violation", "certificate_revoked"]);
    for event in &events {
        assert_eq!((&event["subject"], &event["data"]["serial_number"]), (&old["id"], &old["serial_number"]), "{event}");
        assert_eq!((&event["data"]["ca_id"], &event["data"]["common_name"]), (&json!(world.issuing), &json!("www.svc.cluster.local")));
        assert_eq!(event["data"]["not_after"], old["not_after"]);
    }
    let told: Vec<_> = world.appliance.told("certificate.renewal_fail").iter().map(|entry| entry["details"]["fault"].clone()).collect();
    assert_eq!(told, faults, "it stands in the audit trail as well");
    // With an idempotency key it may be asked for again once it can be granted.
    let admin = world.appliance.admin_token();
    let other = world.issue("other");
    let path = format!("/v1/pki/certificates/{}/renew", text(&other["id"]));
    let ask = || {
        let headers = ["Content-Type: application/json", "Idempotency-Key: next month"];
        world.appliance.call_raw(Some(&admin), "POST", &path, Some(br#"{"ttl": "800h"}"#), &headers)
    };
    ask().refused(400);
    world.appliance.call("PATCH", "/v1/pki/roles/svc-mtls", Some(json!({"max_ttl": "900h"}))).expect(200);
    let renewed = ask().expect(201);
    assert_eq!(ask().expect(201)["id"], renewed["id"]);
}
