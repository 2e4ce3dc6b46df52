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
    assert_eq!(world.appliance.call("POST", "/v1/pki/revoke", Some(body)).refused(409).0, "already_revoked");
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
