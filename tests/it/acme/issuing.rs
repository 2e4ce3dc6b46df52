//! From a credential to a certificate.

use serde_json::json;

use super::client::{ALGORITHMS, Client, Credential, csr};
use super::{furnish, open};
use crate::appliance::Appliance;

#[test]
fn a_role_and_a_credential_are_all_a_client_needs() {
    let (appliance, credential) = open();
    let directory = appliance.call_as(None, "GET", "/api/acme/directory", None).expect(200);
    assert_eq!(directory["meta"]["externalAccountRequired"], true);
    assert!(directory["meta"]["profiles"]["web"].is_string(), "{directory}");
    assert!(directory.get("newAuthz").is_none());
    for (name, path) in [
        ("newNonce", "new-nonce"),
        ("newAccount", "new-account"),
        ("newOrder", "new-order"),
        ("revokeCert", "revoke-cert"),
        ("keyChange", "key-change"),
        ("renewalInfo", "renewal-info"),
    ] {
        assert_eq!(directory[name], format!("{}/api/acme/{path}", appliance.base_url()));
    }
    let client = Client::register(&appliance, &credential);
    let names = ["www.internal.example.com", "api.internal.example.com"];
    let (chain, order) = client.certify(&names);
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2, "a root that issues is given, for certbot takes no chain of one");
    let id = order["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
    let stored = appliance.call("GET", &format!("/v1/pki/certificates/{id}"), None).expect(200);
    assert_eq!(stored["role"], "web");
    assert_eq!(stored["acme"]["order_id"], order["finalize"].as_str().unwrap().rsplit('/').next().unwrap());
    assert_eq!(stored["acme"]["account_id"], client.account.rsplit('/').next().unwrap());
    let mut shown: Vec<_> = stored["alt_names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    shown.sort_unstable();
    assert_eq!(shown, ["api.internal.example.com", "www.internal.example.com"]);
    // The trail tells of each step, by the account.
    let trail = appliance.call("GET", "/v1/admin/audit?limit=1000", None).expect(200);
    let actions: Vec<_> = trail["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
    for action in ["acme_credential.create", "acme_account.create", "acme_order.create", "acme_order.finalize", "certificate.issue"] {
        assert!(actions.iter().any(|known| known == action), "{action}: {actions:?}");
    }
}

#[test]
fn every_algorithm_of_account_keys_works_to_the_end() {
    let (appliance, credential) = open();
    for (number, algorithm) in ALGORITHMS.into_iter().enumerate() {
        let mut client = Client::stranger(&appliance, algorithm);
        client.sign_up(&credential, json!({"contact": ["mailto:ops@example.com"]})).expect(201);
        let host = format!("h{number}.internal.example.com");
        client.certify(&[&host]);
    }
}

#[test]
fn short_lived_certificates_and_an_rsa_profile() {
    let appliance = Appliance::start();
    let credential = furnish(&appliance, json!({"max_ttl": "10m", "require_cn": false}));
    let client = Client::register(&appliance, &credential);
    let (_, order) = client.certify(&["short.internal.example.com"]);
    let id = order["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
    let stored = appliance.call("GET", &format!("/v1/pki/certificates/{id}"), None).expect(200);
    let time = |name: &str| stored[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert!(time("valid_until") - time("valid_from") <= 15 * 60, "{stored}");
    let (_, order) = client.order(&["other.internal.example.com"]);
    // The profile certifies EC keys.
    let rsa = super::client::csr_of(&["-newkey", "rsa:2048", "-keyout", "key.pem"], "/", &["other.internal.example.com"]);
    super::client::assert_refused(&client.finalize(&order, &rsa), 400, "badCSR");
    client.finalize(&order, &csr(&["other.internal.example.com"])).expect(200);
}

#[test]
fn one_account_does_not_see_what_another_has() {
    let (appliance, credential) = open();
    let (one, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let (place, order) = one.order(&["a.internal.example.com"]);
    let authorization = order["authorizations"][0].as_str().unwrap();
    let certificate = one.finalize(&order, &csr(&["a.internal.example.com"])).expect(200)["certificate"].as_str().unwrap().to_owned();
    for url in [place.as_str(), authorization, &certificate] {
        one.get(url).expect_any(200);
        super::client::assert_refused(&other.get(url), 404, "malformed");
    }
    super::client::assert_refused(&other.get(&one.account), 403, "unauthorized");
    super::client::assert_refused(&other.get(&format!("{}/orders", one.account)), 403, "unauthorized");
    // Neither does its authorization serve another's order, nor another name.
    let appliance_wide = Credential::create(&appliance, json!({"default_template_id": "web"}));
    let third = Client::register(&appliance, &appliance_wide);
    let (_, theirs) = third.order(&["a.internal.example.com"]);
    assert_ne!(theirs["authorizations"], order["authorizations"]);
}
