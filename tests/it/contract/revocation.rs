//! `POST /v1/pki/revoke`: the request of the documentation, every reason, and what is not revoked.

use serde_json::json;

use super::{World, time};
use crate::requester::Requester;

#[test]
fn the_documented_request_revokes() {
    let world = World::new();
    let issued = world.issue("billing");
    let body = json!({"serial_number": issued["serial_number"], "reason": "key_compromise"});
    let revoked = world.appliance.call("POST", "/v1/pki/revoke", Some(body.clone())).expect(200);
    assert_eq!((&revoked["id"], &revoked["is_revoked"]), (&issued["id"], &json!(true)));
    assert_eq!(revoked["revocation_reason"], "key_compromise");
    time(&revoked["revoked_at"]);
    assert_eq!(world.get(&format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap())), revoked);
    let again = |body| world.appliance.call("POST", "/v1/pki/revoke", Some(body));
    assert_eq!(again(body).refused(409), ("already_revoked".to_owned(), vec!["serial_number".to_owned()]));
    let by_id = again(json!({"certificate_id": issued["id"]}));
    assert_eq!(by_id.refused(409), ("already_revoked".to_owned(), vec!["certificate_id".to_owned()]));
    assert_eq!(by_id.json()["violations"][0]["message"], "it was revoked before");
    let by_certificate = again(json!({"certificate_pem": issued["certificate"]})).refused(409);
    assert_eq!(by_certificate, ("already_revoked".to_owned(), vec!["certificate_pem".to_owned()]));
}

/// What is not there and what the caller may not see are one answer, which names the field.
#[test]
fn the_field_that_names_nothing_is_told() {
    let world = World::new();
    let issued = world.issue("billing");
    let absent = [
        (json!({"serial_number": "7F:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE"}), "serial_number"),
        (json!({"certificate_id": "cert_0123456789abcdef0123456789abcdef"}), "certificate_id"),
    ];
    let there =
        [(json!({"serial_number": issued["serial_number"]}), "serial_number"), (json!({"certificate_id": issued["id"]}), "certificate_id")];
    let (code, fields) = world.appliance.call("POST", "/v1/pki/revoke", Some(absent[0].0.clone())).refused(404);
    assert_eq!((code.as_str(), fields.as_slice()), ("not_found", ["serial_number".to_owned()].as_slice()));
    // Somebody who may revoke under another authority alone.
    let other = world.appliance.root("elsewhere", "ec", 256);
    let token = world.appliance.token(&[&format!("revoke_cert@{other}")]);
    for ((absent, field), (hidden, _)) in absent.into_iter().zip(there) {
        let [absent, hidden] = [absent, hidden].map(|body| {
            let answer = world.appliance.call_as(Some(&token), "POST", "/v1/pki/revoke", Some(body));
            assert_eq!(answer.refused(404), ("not_found".to_owned(), vec![field.to_owned()]), "{}", answer.text());
            let mut problem = answer.json();
            problem["request_id"] = json!("");
            problem
        });
        assert_eq!(absent, hidden);
        assert_eq!(absent["violations"][0]["message"], "there is no such certificate");
    }
}

#[test]
fn every_reason_of_rfc_5280_reaches_the_crl() {
    let world = World::new();
    let reasons = [
        ("unspecified", ""),
        ("key_compromise", "Key Compromise"),
        ("ca_compromise", "CA Compromise"),
        ("affiliation_changed", "Affiliation Changed"),
        ("superseded", "Superseded"),
        ("cessation_of_operation", "Cessation Of Operation"),
        ("certificate_hold", "Certificate Hold"),
        ("privilege_withdrawn", "Privilege Withdrawn"),
        ("aa_compromise", "AA Compromise"),
        // As the RFC writes them.
        ("keyCompromise", "Key Compromise"),
        ("cACompromise", "CA Compromise"),
        ("affiliationChanged", "Affiliation Changed"),
        ("cessationOfOperation", "Cessation Of Operation"),
        ("certificateHold", "Certificate Hold"),
        ("privilegeWithdrawn", "Privilege Withdrawn"),
        ("aACompromise", "AA Compromise"),
    ];
    let revoke = |reason: &str, host: usize| {
        let issued = world.issue(&format!("host{host}"));
        let body = json!({"serial_number": issued["serial_number"], "reason": reason});
        world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
        issued["serial_number"].as_str().unwrap().replace(':', "")
    };
    let serials: Vec<_> = reasons.iter().enumerate().map(|(host, (reason, _))| revoke(reason, host)).collect();
    let published = world.appliance.call("POST", &format!("/v1/pki/ca/{}/crl", world.issuing), None).expect(200);
    assert_eq!(published["revoked_certificates"], reasons.len());
    let text = Requester::new().crl_text(published["crl_pem"].as_str().unwrap());
    for ((reason, shown), serial) in reasons.iter().zip(&serials) {
        let entry = text.split("Serial Number: ").find(|entry| entry.starts_with(serial.as_str()));
        let entry = entry.unwrap_or_else(|| panic!("{reason} is not on the CRL\n{text}"));
        // RFC 5280, 5.3.1: unspecified is said by leaving the reason out.
        assert_eq!(entry.contains("X509v3 CRL Reason Code"), !shown.is_empty(), "{reason}: {entry}");
        assert!(entry.contains(shown), "{reason}: {entry}");
    }
}

#[test]
fn a_serial_number_is_taken_in_any_spelling() {
    let world = World::new();
    for (host, spell) in [(1, str::to_lowercase as fn(&str) -> String), (2, |text| text.replace(':', "")), (3, str::to_owned)] {
        let serial = world.issue(&format!("host{host}"))["serial_number"].as_str().unwrap().to_owned();
        world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": spell(&serial)}))).expect(200);
    }
}

#[test]
fn the_invalidity_date_reaches_the_crl() {
    let world = World::new();
    let issued = world.issue("lost");
    let body = json!({"certificate_id": issued["id"], "reason": "key_compromise", "invalidity_date": "2026-01-02T03:04:05Z"});
    world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    let published = world.appliance.call("POST", &format!("/v1/pki/ca/{}/crl", world.issuing), None).expect(200);
    let text = Requester::new().crl_text(published["crl_pem"].as_str().unwrap());
    assert!(text.contains("Invalidity Date") && text.contains("Jan  2 03:04:05 2026 GMT"), "{text}");
}

#[test]
fn what_cannot_be_revoked_is_said_with_every_fault_at_once() {
    let world = World::new();
    let call = |body| world.appliance.call("POST", "/v1/pki/revoke", Some(body));
    let body = json!({"serial_number": "not hex", "reason": "boredom", "invalidity_date": "yesterday", "use_acme": true});
    let (code, fields) = call(body).refused(400);
    assert_eq!(code, "invalid_request");
    assert_eq!(fields, ["serial_number", "reason", "invalidity_date", "use_acme"]);
    assert_eq!(call(json!({"reason": "superseded"})).refused(400).1, ["serial_number"]);
    assert_eq!(call(json!({"serial_number": "01", "certificate_id": "cert_1"})).refused(400).1, ["certificate_id"]);
    assert_eq!(call(json!({"serial_number": "01", "reason": "remove_from_crl"})).refused(400).1, ["reason"]);
    assert_eq!(call(json!({"serial_number": "01", "invalidity_date": "2126-01-01T00:00:00Z"})).refused(400).1, ["invalidity_date"]);
    assert_eq!(call(json!({"serial_number": "0A:0B"})).refused(404).0, "not_found");
}

#[test]
fn an_authoritys_certificate_is_revoked_as_an_authority_only() {
    let world = World::new();
    let serial = world.get(&format!("/v1/pki/ca/{}", world.issuing))["serial_number"].clone();
    let answer = world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": serial})));
    assert_eq!(answer.refused(409).0, "is_authority");
    assert_eq!(world.get(&format!("/v1/pki/ca/{}", world.issuing))["is_revoked"], false);
}
