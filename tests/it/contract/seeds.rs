//! The requests of the documentation, word for word, and every field of their answers.

use serde_json::{Value, json};

use super::{World, assert_fields, assert_serial, time};
use crate::appliance::Appliance;
use crate::requester::Requester;

const DAY: i64 = 86_400;
const AUTHORITY: [&str; 16] = [
    "id",
    "name",
    "common_name",
    "ca_type",
    "key_type",
    "key_size",
    "valid_from",
    "valid_until",
    "is_active",
    "certificates_issued",
    "created_at",
    "serial_number",
    "signature_algorithm",
    "is_revoked",
    "crl",
    "parent_ca_id",
];

pub fn create_root(appliance: &Appliance) -> Value {
    let body = json!({
        "name": "acme-root",
        "common_name": "Acme Root CA",
        "ca_type": "root",
        "key_type": "ec",
        "key_size": 256,
        "validity_days": 3650
    });
    appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)
}

pub fn create_intermediate(appliance: &Appliance, root: &str) -> Value {
    let body = json!({
        "name": "acme-mtls-intermediate",
        "common_name": "Acme mTLS Intermediate",
        "ca_type": "intermediate",
        "parent_ca_id": root,
        "key_type": "ec",
        "key_size": 256,
        "validity_days": 1825
    });
    appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)
}

pub fn create_role(appliance: &Appliance, issuing: &str) -> Value {
    let body = json!({
        "name": "svc-mtls",
        "ca_id": issuing,
        "allowed_domains": ["*.svc.cluster.local", "*.internal"],
        "allow_subdomains": true,
        "allow_ip_sans": true,
        "max_ttl": "720h",
        "key_type": "ec",
        "key_bits": 256,
        "require_cn": true
    });
    appliance.call("POST", "/v1/pki/roles", Some(body)).expect(201)
}

#[test]
fn authorities_answer_every_documented_field() {
    let appliance = Appliance::start();
    let root = create_root(&appliance);
    assert_fields(&root, &AUTHORITY[..15]);
    assert!(root["id"].as_str().unwrap().starts_with("ca_"), "{root}");
    for (field, wanted) in [
        ("name", json!("acme-root")),
        ("common_name", json!("Acme Root CA")),
        ("ca_type", json!("root")),
        ("key_type", json!("ec")),
        ("key_size", json!(256)),
        ("is_active", json!(true)),
        ("is_revoked", json!(false)),
        ("certificates_issued", json!(0)),
        ("signature_algorithm", json!("ecdsa-sha256")),
    ] {
        assert_eq!(root[field], wanted, "{field}");
    }
    assert_serial(&root["serial_number"]);
    assert_eq!(time(&root["valid_until"]).as_second() - time(&root["created_at"]).as_second(), 3650 * DAY);
    assert_eq!(time(&root["created_at"]).as_second() - time(&root["valid_from"]).as_second(), 300, "five minutes for slow clocks");

    let intermediate = create_intermediate(&appliance, root["id"].as_str().unwrap());
    assert_fields(&intermediate, &AUTHORITY);
    assert_eq!(intermediate["ca_type"], "intermediate");
    assert_eq!(intermediate["parent_ca_id"], root["id"]);
    assert_eq!(time(&intermediate["valid_until"]).as_second() - time(&intermediate["created_at"]).as_second(), 1825 * DAY);
    let root_now = appliance.call("GET", &format!("/v1/pki/ca/{}", root["id"].as_str().unwrap()), None).expect(200);
    assert_eq!(root_now["certificates_issued"], 1, "the intermediate is a certificate of the root");
    let listed = appliance.call("GET", "/v1/pki/ca", None).expect(200);
    assert_eq!(listed, json!({"data": [root_now, intermediate], "cursor": null, "has_more": false}));
}

#[test]
fn an_authoritys_certificate_is_public_as_json_pem_and_der() {
    let World { appliance, root, .. } = World::new();
    let path = format!("/v1/pki/ca/{root}/certificate");
    let answer = appliance.call_as(None, "GET", &path, None);
    let body = answer.expect(200);
    assert_fields(&body, &["certificate_pem"]);
    let pem = body["certificate_pem"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");
    let as_pem = appliance.call_raw(None, "GET", &path, None, &["Accept: application/x-pem-file"]);
    assert_eq!((as_pem.status, as_pem.header("content-type")), (200, Some("application/x-pem-file")));
    assert_eq!(as_pem.text(), pem);
    let as_der = appliance.call_raw(None, "GET", &path, None, &["Accept: application/pkix-cert"]);
    assert_eq!((as_der.status, as_der.header("content-type")), (200, Some("application/pkix-cert")));
    let requester = Requester::new();
    requester.write("root.der", &as_der.body);
    assert_eq!(requester.openssl(&["x509", "-inform", "DER", "-in", "root.der"]), pem);
    requester.verify(pem, &[pem]);
}

#[test]
fn a_role_answers_what_was_asked_for() {
    let world = World::new();
    let role = world.get("/v1/pki/roles/svc-mtls");
    let created_at = role["created_at"].clone();
    time(&created_at);
    let wanted = json!({
        "name": "svc-mtls",
        "ca_id": world.issuing,
        "allowed_domains": ["*.svc.cluster.local", "*.internal"],
        "allow_subdomains": true,
        "allow_ip_sans": true,
        "max_ttl": "720h",
        "key_type": "ec",
        "key_bits": 256,
        "require_cn": true,
        "store_private_keys": false,
        "created_at": created_at,
        "updated_at": created_at,
    });
    assert_eq!(role, wanted);
}

#[test]
fn issuing_answers_the_certificate_and_its_key_once() {
    let World { appliance, .. } = World::new();
    let before = jiff::Timestamp::now().as_second();
    let body = json!({
        "common_name": "billing.svc.cluster.local",
        "alt_names": ["billing-api.svc.cluster.local"],
        "ip_sans": ["10.0.5.100"],
        "ttl": "168h"
    });
    let issued = appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).expect(201);
    assert_fields(&issued, &["id", "certificate", "private_key", "ca_chain", "serial_number", "not_after"]);
    let left = time(&issued["not_after"]).as_second() - before - 7 * DAY;
    assert!((0..60).contains(&left), "{left} s more than a week");
    assert_serial(&issued["serial_number"]);
    let key = issued["private_key"].as_str().unwrap();
    assert!(key.starts_with("-----BEGIN EC PRIVATE KEY-----\n"), "a SEC1 key is documented");

    let requester = Requester::new();
    let certificate = issued["certificate"].as_str().unwrap();
    let chain: Vec<_> = issued["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect();
    assert_eq!(chain.len(), 2, "the issuer and its root");
    requester.verify(certificate, &chain);
    requester.write("key.pem", key);
    let of_key = requester.openssl(&["pkey", "-in", "key.pem", "-pubout"]);
    assert_eq!(of_key, requester.openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"]), "the key fits the certificate");
    let text = requester.certificate_text(certificate);
    assert!(text.contains("Subject: CN = billing.svc.cluster.local"), "{text}");
    assert!(text.contains("DNS:billing.svc.cluster.local, DNS:billing-api.svc.cluster.local, IP Address:10.0.5.100"), "{text}");
    let serial = issued["serial_number"].as_str().unwrap();
    assert!(text.to_uppercase().contains(serial), "openssl reads the serial number we answered\n{text}");
    let shown = appliance.call("GET", &format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap()), None).expect(200);
    assert!(!shown.to_string().contains("PRIVATE KEY"), "the key is returned once");
}

#[test]
fn signing_answers_the_certificate_and_no_key() {
    let World { appliance, .. } = World::new();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let csr = requester.csr("key.pem", "/CN=billing.svc.cluster.local", "");
    let body = json!({"csr_pem": csr, "ttl": "168h"});
    let signed = appliance.call("POST", "/v1/pki/sign/svc-mtls", Some(body)).expect(201);
    assert_fields(&signed, &["id", "certificate", "ca_chain", "serial_number", "not_after"]);
    let chain: Vec<_> = signed["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect();
    requester.verify(signed["certificate"].as_str().unwrap(), &chain);
    let of_key = requester.openssl(&["pkey", "-in", "key.pem", "-pubout"]);
    assert_eq!(of_key, requester.openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"]));
}

#[test]
fn the_san_override_replaces_the_names_of_the_csr() {
    let World { appliance, .. } = World::new();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let csr = requester.csr("key.pem", "/CN=a.internal", "subjectAltName = DNS:a.internal, DNS:out.of.scope.example");
    let body = json!({"csr_pem": csr, "san": ["a.internal", "b.internal", "10.1.2.3", "2001:db8::1"]});
    let signed = appliance.call("POST", "/v1/pki/sign/svc-mtls", Some(body)).expect(201);
    let text = requester.certificate_text(signed["certificate"].as_str().unwrap());
    assert!(text.contains("DNS:a.internal, DNS:b.internal, IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:0:1\n"), "{text}");
}

#[test]
fn the_list_answers_as_documented() {
    let world = World::new();
    let issued = world.issue("billing");
    let listed = world.get(&format!("/v1/pki/certificates?ca_id={}&expiring_within=30d", world.issuing));
    assert_fields(&listed, &["data", "cursor", "has_more"]);
    assert_eq!((&listed["cursor"], &listed["has_more"]), (&Value::Null, &json!(false)));
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let one = &listed["data"][0];
    assert_fields(one, &["id", "common_name", "issuer_ca_id", "serial_number", "valid_from", "valid_until", "is_revoked"]);
    assert_eq!(one["id"], issued["id"]);
    assert_eq!(one["common_name"], "billing.svc.cluster.local");
    assert_eq!(one["issuer_ca_id"], json!(world.issuing));
    assert_eq!(one["serial_number"], issued["serial_number"]);
    assert_eq!(one["valid_until"], issued["not_after"]);
    assert_eq!(time(&one["valid_until"]).as_second() - time(&one["valid_from"]).as_second(), 7 * DAY + 300);
    assert_eq!(one["is_revoked"], false);
}
