//! Section 7.6: revocation.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};

use crate::acme::client::{Client, Credential, Key, assert_refused, b64, csr, csr_in};
use crate::acme::open;
use crate::name_server::own_address;
use crate::requester::Requester;
use crate::waiting::found;

const EC: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "key.pem"];

/// The first certificate of a chain, as `revokeCert` has it.
fn der(chain: &str) -> String {
    let requester = Requester::new();
    requester.write("chain.pem", chain);
    requester.openssl(&["x509", "-in", "chain.pem", "-outform", "DER", "-out", "c.der"]);
    b64(std::fs::read(requester.path("c.der")).unwrap())
}

fn is_revoked(client: &Client<'_>, order: &serde_json::Value) -> (bool, serde_json::Value) {
    let id = order["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
    let stored = client.appliance.call("GET", &format!("/v1/pki/certificates/{id}"), None).expect(200);
    (stored["is_revoked"].as_bool().unwrap(), stored["revocation_reason"].clone())
}

/// By the account that ordered it; "alreadyRevoked" then.
#[test]
fn the_account_that_ordered_it_revokes_it() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (chain, order) = client.certify(&["a.internal.example.com"]);
    let payload = json!({"certificate": der(&chain), "reason": 4});
    client.post("revoke-cert", &payload).expect_any(200);
    assert_eq!(is_revoked(&client, &order), (true, json!("superseded")));
    assert_refused(&client.post("revoke-cert", &payload), 400, "alreadyRevoked");
}

/// By an account that has shown all of its names to be its own, and by no other; not for the sake of a key that it need not have.
#[test]
fn an_account_with_all_names_revokes_it() {
    let (appliance, credential) = open();
    let (owner, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let address = own_address();
    let name = address.to_string();
    let order = shown(&owner, address);
    let order = owner.finalize(&order, &csr(&[&name])).expect(200);
    let payload = json!({"certificate": der(&owner.get(order["certificate"].as_str().unwrap()).text())});
    assert_refused(&other.post("revoke-cert", &payload), 403, "unauthorized");
    shown(&other, address);
    let compromised = json!({"certificate": payload["certificate"], "reason": 1});
    assert_refused(&other.post("revoke-cert", &compromised), 400, "badRevocationReason");
    other.post("revoke-cert", &payload).expect_any(200);
    assert_eq!(is_revoked(&owner, &order), (true, json!("unspecified")));
}

/// What is vouched for to everybody with such a credential gives nobody a right over others' certificates.
#[test]
fn names_that_are_vouched_for_are_no_right_to_revoke() {
    let (appliance, credential) = open();
    let (owner, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let (chain, order) = owner.certify(&["a.internal.example.com"]);
    other.certify(&["a.internal.example.com"]);
    assert_refused(&other.post("revoke-cert", &json!({"certificate": der(&chain)})), 403, "unauthorized");
    assert!(!is_revoked(&owner, &order).0);
}

/// Whoever shows a CSR again need not have its key: an account's word does not have a key certified no more.
#[test]
fn an_account_does_not_block_a_key() {
    let (appliance, credential) = open();
    let (owner, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let request = csr(&["a.internal.example.com"]);
    let (_, order) = other.order(&["a.internal.example.com"]);
    let order = other.finalize(&order, &request).expect(200);
    let chain = other.get(order["certificate"].as_str().unwrap()).text();
    other.post("revoke-cert", &json!({"certificate": der(&chain), "reason": 1})).expect_any(200);
    assert_eq!(is_revoked(&other, &order), (true, json!("key_compromise")));
    let (_, order) = owner.order(&["a.internal.example.com"]);
    owner.finalize(&order, &request).expect(200);
}

/// An order for an address, which the client shows to be its own by http-01.
fn shown(client: &Client<'_>, address: Ipv4Addr) -> Value {
    let listener = TcpListener::bind((address, 80)).expect("port 80 of an address of the test's own");
    let (place, order) = client.order(&[&address.to_string()]);
    let authorization = client.get(order["authorizations"][0].as_str().unwrap()).expect(200);
    let challenge = authorization["challenges"].as_array().unwrap().iter().find(|one| one["type"] == "http-01").unwrap().clone();
    // RFC 7638, 3.
    let jwk = client.key.jwk();
    let canonical = format!(r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#, jwk["crv"], jwk["kty"], jwk["x"], jwk["y"]);
    let thumbprint = b64(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes()));
    let page = format!("{}.{thumbprint}", challenge["token"].as_str().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len()).unwrap();
    });
    client.post(challenge["url"].as_str().unwrap(), &json!({})).expect(200);
    let order = found("the validation's end", || Some(client.get(&place).expect(200)).filter(|order| order["status"] != "pending"));
    assert_eq!(order["status"], "ready", "{order}");
    server.join().unwrap();
    order
}

/// By the certificate's own key, without an account.
#[test]
fn the_key_of_the_certificate_revokes_it() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let requester = Requester::new();
    let request = csr_in(&requester, &EC, "/", &["a.internal.example.com"]);
    let (_, order) = client.order(&["a.internal.example.com"]);
    let order = client.finalize(&order, &request).expect(200);
    let chain = client.get(order["certificate"].as_str().unwrap()).text();
    let payload = json!({"certificate": der(&chain), "reason": 1});
    let mut holder = Client::stranger(&appliance, "ES256");
    assert_refused(&holder.post_with_key("revoke-cert", &payload), 403, "unauthorized");
    requester.openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der"]);
    let pkcs8 = std::fs::read(requester.path("key.der")).unwrap();
    let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    holder.key = Key::Ec(aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(signing, &pkcs8).unwrap(), "ES256", "P-256");
    holder.post_with_key("revoke-cert", &payload).expect_any(200);
    assert_eq!(is_revoked(&client, &order), (true, json!("key_compromise")));
    // And the key is certified no more.
    let (_, order) = client.order(&["b.internal.example.com"]);
    let again = csr_in(&requester, &["-key", "key.pem"], "/", &["b.internal.example.com"]);
    assert_refused(&client.finalize(&order, &again), 400, "badCSR");
}

/// "badRevocationReason", and what is no certificate of ours.
#[test]
fn reasons_and_certificates_are_held_to_what_they_may_be() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (chain, order) = client.certify(&["a.internal.example.com"]);
    for reason in [2, 6, 7, 8, 10, 11, -1, 256] {
        assert_refused(&client.post("revoke-cert", &json!({"certificate": der(&chain), "reason": reason})), 400, "badRevocationReason");
    }
    for wrong in ["", "AAAA", "a=b"] {
        assert_refused(&client.post("revoke-cert", &json!({"certificate": wrong})), 400, "malformed");
    }
    assert_refused(&client.post("revoke-cert", &json!({})), 400, "malformed");
    let requester = Requester::new();
    requester.openssl(&[&["req", "-x509", "-nodes"], &EC[..], &["-subj", "/CN=x", "-outform", "DER", "-out", "x"]].concat());
    let foreign = b64(std::fs::read(requester.path("x")).unwrap());
    assert_refused(&client.post("revoke-cert", &json!({"certificate": foreign})), 404, "malformed");
    assert!(!is_revoked(&client, &order).0);
}

/// An account of another organisation does not revoke by names.
#[test]
fn another_organizations_account_does_not_revoke() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (chain, _) = client.certify(&["a.internal.example.com"]);
    let other = Credential::create(&appliance, json!({"default_template_id": "web"}));
    let stranger = Client::register(&appliance, &other);
    assert_refused(&stranger.post("revoke-cert", &json!({"certificate": der(&chain)})), 403, "unauthorized");
    let _ = csr(&["a.internal.example.com"]);
}
