//! One certificate: all its fields, its PEM, its tags and its description.

use serde_json::json;

use super::{World, assert_fields, time};
use crate::requester::Requester;

/// Every field of a certificate that is shown.
const FIELDS: [&str; 17] = [
    "id",
    "common_name",
    "issuer_ca_id",
    "serial_number",
    "valid_from",
    "valid_until",
    "is_revoked",
    "role",
    "alt_names",
    "ip_sans",
    "key_type",
    "key_bits",
    "fingerprint_sha256",
    "created_at",
    "has_private_key",
    "tags",
    "description",
];

#[test]
fn a_certificate_is_shown_with_every_field() {
    let world = World::new();
    let body = json!({"common_name": "a.internal", "alt_names": ["b.internal"], "ip_sans": ["10.0.0.1", "2001:db8::5"], "ttl": "1h"});
    let issued = world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).expect(201);
    let path = format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap());
    let shown = world.get(&path);
    assert_fields(&shown, &FIELDS);
    assert_eq!((&shown["role"], &shown["key_type"], &shown["key_bits"]), (&json!("svc-mtls"), &json!("ec"), &json!(256)));
    assert_eq!(shown["alt_names"], json!(["a.internal", "b.internal"]));
    assert_eq!(shown["ip_sans"], json!(["10.0.0.1", "2001:db8::5"]));
    assert_eq!((&shown["tags"], &shown["description"]), (&json!([]), &json!("")));
    time(&shown["created_at"]);

    let answer = world.appliance.call("GET", &format!("{path}/pem"), None);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-pem-file")));
    assert_eq!(answer.text(), issued["certificate"].as_str().unwrap());
    let requester = Requester::new();
    requester.write("leaf.pem", &answer.body);
    let fingerprint = requester.openssl(&["x509", "-in", "leaf.pem", "-noout", "-fingerprint", "-sha256"]).replace(':', "").to_lowercase();
    assert!(fingerprint.trim().ends_with(shown["fingerprint_sha256"].as_str().unwrap()), "{fingerprint}");
}

#[test]
fn tags_and_description_change_alone_and_nothing_else_does() {
    let world = World::new();
    let path = format!("/v1/pki/certificates/{}", world.issue("www")["id"].as_str().unwrap());
    let before = world.get(&path);
    let patch = |body| world.appliance.call("PATCH", &path, Some(body)).expect(200);
    let mut wanted = before;
    wanted["tags"] = json!(["prod", "team:billing"]);
    assert_eq!(patch(json!({"tags": ["prod", "team:billing"]})), wanted);
    wanted["description"] = json!("The billing service — blau");
    assert_eq!(patch(json!({"description": "The billing service — blau"})), wanted);
    assert_eq!(patch(json!({})), wanted, "nothing given, nothing changed");
    wanted["tags"] = json!([]);
    assert_eq!(patch(json!({"tags": []})), wanted);
    assert_eq!(world.get(&path), wanted);
}

#[test]
fn labels_that_cannot_be_kept_are_refused_all_at_once() {
    let world = World::new();
    let path = format!("/v1/pki/certificates/{}", world.issue("www")["id"].as_str().unwrap());
    let long = "x".repeat(129);
    let body = json!({"tags": ["good", "", "new\nline", long], "description": "d".repeat(2_001)});
    let (code, fields) = world.appliance.call("PATCH", &path, Some(body)).refused(400);
    assert_eq!((code.as_str(), fields), ("invalid_request", ["tags[1]", "tags[2]", "tags[3]", "description"].map(str::to_owned).to_vec()));
    let many: Vec<_> = (0..51).map(|i| i.to_string()).collect();
    assert_eq!(world.appliance.call("PATCH", &path, Some(json!({"tags": many}))).refused(400).1, ["tags"]);
    assert_eq!(world.get(&path)["tags"], json!([]), "nothing of it was kept");
}

#[test]
fn a_key_is_written_in_the_format_that_is_asked_for() {
    let world = World::new();
    let issue = |format: &str| {
        let body = json!({"common_name": "k.internal", "private_key_format": format});
        world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body))
    };
    let key = |format: &str| issue(format).expect(201)["private_key"].as_str().unwrap().lines().next().unwrap().to_owned();
    assert_eq!(key("traditional"), "-----BEGIN EC PRIVATE KEY-----");
    assert_eq!(key("pkcs8"), "-----BEGIN PRIVATE KEY-----");
    assert_eq!(issue("jwk").refused(400).1, ["private_key_format"]);
}

#[test]
fn the_longest_lifetime_is_given_when_none_is_asked_for() {
    let world = World::new();
    let before = jiff::Timestamp::now().as_second();
    let issued = world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(json!({"common_name": "long.internal"}))).expect(201);
    let life = time(&issued["not_after"]).as_second() - before;
    assert!((720 * 3_600..720 * 3_600 + 60).contains(&life), "{life}");
    let body = json!({"common_name": "long.internal", "ttl": "721h"});
    let (code, fields) = world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).refused(400);
    assert_eq!((code.as_str(), fields.as_slice()), ("policy_violation", ["ttl".to_owned()].as_slice()));
    for ttl in ["168", "", "0h", "-1h", "1mo", "1.5h", "200y", "1 h"] {
        let body = json!({"common_name": "long.internal", "ttl": ttl});
        let (code, fields) = world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).refused(400);
        assert_eq!((code.as_str(), fields.as_slice()), ("invalid_request", ["ttl".to_owned()].as_slice()), "{ttl:?}");
    }
}

/// The request as the documentation prints it, with a certificate, its key and its chain in the places of the dots.
#[test]
fn an_external_certificate_is_imported_as_documented() {
    let world = World::new();
    let vendor = Requester::new();
    vendor.key("root.key", "P-256");
    vendor.openssl(&["req", "-x509", "-key", "root.key", "-subj", "/CN=Vendor root", "-days", "30", "-out", "root.pem"]);
    vendor.key("leaf.key", "P-256");
    vendor.csr("leaf.key", "/CN=www.vendor.example", "");
    let sign = ["x509", "-req", "-in", "csr.pem", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "20"];
    vendor.openssl(&[&sign[..], &["-out", "leaf.pem"]].concat());
    let body = r#"{
    "certificate_pem": "-----BEGIN CERTIFICATE-----\n...",
    "private_key_pem": "-----BEGIN PRIVATE KEY-----\n...",
    "chain_pem": "-----BEGIN CERTIFICATE-----\n..."
  }"#;
    let dots = |file: &str| {
        let pem = vendor.read(file);
        pem.split_once('\n').unwrap().1.replace('\n', "\\n")
    };
    let body = ["leaf.pem", "leaf.key", "root.pem"].iter().fold(body.to_owned(), |body, file| body.replacen("...", &dots(file), 1));
    let token = world.appliance.admin_token();
    let headers = &["Content-Type: application/json"];
    let answer = world.appliance.call_raw(Some(&token), "POST", "/v1/pki/certificates/import", Some(body.as_bytes()), headers);
    let imported = answer.expect(201);
    // One from elsewhere names its issuer.
    assert_fields(&imported, &[&FIELDS[..], &["issuer"]].concat());
    assert_eq!((&imported["common_name"], &imported["issuer_ca_id"]), (&json!("www.vendor.example"), &json!("")));
    assert_eq!((&imported["issuer"], &imported["has_private_key"]), (&json!("CN=Vendor root"), &json!(true)));
    let id = imported["id"].as_str().unwrap();
    assert_eq!(world.get(&format!("/v1/pki/certificates/{id}")), imported);
    let listed = world.get("/v1/pki/certificates?limit=1000");
    let one = listed["data"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    assert_fields(one, &["id", "common_name", "issuer_ca_id", "serial_number", "valid_from", "valid_until", "is_revoked"]);
    assert!(one["issuer_ca_id"].is_string());
}
