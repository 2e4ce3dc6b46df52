//! Section 10 and 11: what an attacker may try.

use serde_json::json;

use crate::acme::client::{Client, Key, assert_refused};
use crate::acme::open;

/// 10.1 and 10.2: what one account has signed is nothing for another account, another URL or another time.
#[test]
fn a_request_is_worth_nothing_elsewhere() {
    let (appliance, credential) = open();
    let (one, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let url = one.url("new-order");
    let payload = br#"{"identifiers":[{"type":"dns","value":"a.internal.example.com"}]}"#;
    // The header names another account than the key's.
    let mut header = one.header(&url);
    header["kid"] = json!(other.account);
    assert_refused(&one.send_signed(&url, &header, payload), 400, "malformed");
    // The same bytes, sent twice.
    let body = one.key.jws(&one.header(&url), payload).to_string();
    one.send(&url, body.as_bytes(), &[crate::acme::client::JOSE]).expect(201);
    assert_refused(&one.send(&url, body.as_bytes(), &[crate::acme::client::JOSE]), 400, "badNonce");
    // To another resource.
    let body = one.key.jws(&one.header(&url), b"").to_string();
    assert_refused(&one.send(&one.account.clone(), body.as_bytes(), &[crate::acme::client::JOSE]), 401, "unauthorized");
}

/// 10.5: a body that is too long is not read to its end.
#[test]
fn a_body_that_is_too_long_is_refused() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let body = "x".repeat(100 << 10);
    assert_refused(&client.send(&client.url("new-order"), body.as_bytes(), &[crate::acme::client::JOSE]), 413, "malformed");
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let url = client.url("new-order");
    assert_refused(&client.send_signed(&url, &client.header(&url), deep.as_bytes()), 400, "malformed");
    let many = json!({"identifiers": (0..400).map(|n| json!({"type": "dns", "value": format!("h{n}.example.com")})).collect::<Vec<_>>()});
    assert_refused(&client.post("new-order", &many), 400, "malformed");
    let _ = Key::new("ES256");
}
