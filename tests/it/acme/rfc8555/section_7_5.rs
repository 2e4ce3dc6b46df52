//! Section 7.5 and 8: authorizations and challenges.

use serde_json::{Value, json};

use crate::acme::client::{Client, assert_refused, csr};
use crate::acme::open;

fn authorization(client: &Client<'_>, name: &str) -> (String, Value) {
    let (_, order) = client.order(&[name]);
    let url = order["authorizations"][0].as_str().unwrap().to_owned();
    let found = client.get(&url).expect(200);
    (url, found)
}

/// 7.1.4, 7.5 and 8: the challenges of a name, each with a token of at least 128 bits; wildcards by DNS alone, addresses never by DNS.
#[test]
fn challenges_are_those_that_suit_the_name() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let kinds = |found: &Value| {
        let mut kinds: Vec<_> =
            found["challenges"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    let (_, host) = authorization(&client, "www.example.com");
    assert_eq!((&host["status"], kinds(&host)), (&json!("pending"), vec!["dns-01".into(), "http-01".into(), "tls-alpn-01".into()]));
    assert!(host.get("wildcard").is_none(), "{host}");
    let mut tokens = std::collections::HashSet::new();
    for challenge in host["challenges"].as_array().unwrap() {
        let token = challenge["token"].as_str().unwrap();
        assert!(token.len() >= 22 && tokens.insert(token.to_owned()), "8.1: {challenge}");
        assert_eq!(challenge["status"], "pending");
    }
    let (_, wildcard) = authorization(&client, "*.www.example.com");
    assert_eq!((&wildcard["wildcard"], kinds(&wildcard)), (&json!(true), vec!["dns-01".to_owned()]));
    assert_eq!(wildcard["identifier"]["value"], "www.example.com", "7.1.4: without the wildcard");
    let (_, address) = authorization(&client, "192.0.2.1");
    assert_eq!(kinds(&address), ["http-01", "tls-alpn-01"]);
}

/// 7.5.1: a challenge is answered with an object, which has a link to its authorization; one that fails ends the authorization and the order.
#[test]
fn a_challenge_that_fails_ends_its_authorization() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    // Nothing is there: the address is of this machine, and nobody listens on port 80.
    let (place, order) = client.order(&["127.0.0.99"]);
    let url = order["authorizations"][0].as_str().unwrap().to_owned();
    let found = client.get(&url).expect(200);
    let challenge = found["challenges"].as_array().unwrap().iter().find(|one| one["type"] == "http-01").unwrap()["url"].as_str().unwrap();
    assert_refused(&client.post(challenge, &json!("x")), 400, "malformed");
    assert_refused(&client.post(challenge, &json!([])), 400, "malformed");
    assert_eq!(client.get(challenge).expect(200)["status"], "pending", "6.3: it is asked for and not answered");
    let answer = client.post(challenge, &json!({}));
    assert_eq!(answer.expect(200)["status"], "processing");
    assert!(answer.headers.iter().any(|(name, value)| name == "link" && *value == format!("<{url}>;rel=\"up\"")), "{:?}", answer.headers);
    assert!(answer.header("retry-after").is_some());
    let found = client.decided(&url);
    assert_eq!(found["status"], "invalid");
    let challenges = found["challenges"].as_array().unwrap();
    assert_eq!(challenges.len(), 1, "7.1.4: the one that decided it");
    let error = &challenges[0]["error"];
    assert_eq!(error["type"], "urn:ietf:params:acme:error:connection", "{error}");
    assert_eq!(client.get(&place).expect(200)["status"], "invalid");
    // Answered once more it stays what it is.
    assert_eq!(client.post(challenge, &json!({})).expect(200)["status"], "invalid");
    // A new order has a new authorization.
    let (_, again) = client.order(&["127.0.0.99"]);
    assert_ne!(again["authorizations"], order["authorizations"]);
}

/// 7.5.2: an authorization that is given up counts no more, and its order with it.
#[test]
fn an_authorization_is_given_up() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["a.internal.example.com"]);
    let url = order["authorizations"][0].as_str().unwrap();
    assert_refused(&client.post(url, &json!({"status": "valid"})), 400, "malformed");
    assert_refused(&client.post(url, &json!({})), 400, "malformed");
    assert_eq!(client.post(url, &json!({"status": "deactivated"})).expect(200)["status"], "deactivated");
    assert_refused(&client.post(url, &json!({"status": "deactivated"})), 400, "malformed");
    assert_eq!(client.get(&place).expect(200)["status"], "invalid");
    assert_refused(&client.finalize(&order, &csr(&["a.internal.example.com"])), 403, "orderNotReady");
    // And it is not used for another.
    let (_, next) = client.order(&["a.internal.example.com"]);
    assert_ne!(next["authorizations"], order["authorizations"]);
}

/// An authorization serves neither another account, nor another name, nor another kind of name.
#[test]
fn an_authorization_serves_its_account_and_name_alone() {
    let (appliance, credential) = open();
    let (one, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let (first, _) = authorization(&one, "www.example.com");
    for (client, name) in [(&other, "www.example.com"), (&one, "*.www.example.com"), (&one, "a.www.example.com"), (&one, "example.com")] {
        assert_ne!(authorization(client, name).0, first, "{name}");
    }
    assert_eq!(authorization(&one, "www.example.com").0, first);
    assert_refused(&other.get(&first), 404, "malformed");
    let challenge = one.get(&first).expect(200)["challenges"][0]["url"].as_str().unwrap().to_owned();
    assert_refused(&other.post(&challenge, &json!({})), 404, "malformed");
    assert_refused(&other.post(&first, &json!({"status": "deactivated"})), 404, "malformed");
    // A name that is vouched for is not so for its wildcard's subdomains of another domain.
    let (_, wildcard) = one.order(&["*.internal.example.com"]);
    assert_eq!(wildcard["status"], "ready");
    let (_, outside) = one.order(&["*.example.com"]);
    assert_eq!(outside["status"], "pending");
}

/// What a profile no longer vouches for does not count any more, although its authorization was given.
#[test]
fn what_is_vouched_for_no_more_is_not_issued() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (_, order) = client.order(&["a.internal.example.com"]);
    appliance.call("PATCH", "/v1/pki/roles/web", Some(json!({"acme": {"pre_authorized": []}}))).expect(200);
    assert_refused(&client.finalize(&order, &csr(&["a.internal.example.com"])), 403, "orderNotReady");
    let (_, next) = client.order(&["b.internal.example.com"]);
    assert_eq!(next["status"], "pending");
    // The order that can never be issued is not found again.
    let (_, again) = client.order(&["a.internal.example.com"]);
    assert_ne!(again["finalize"], order["finalize"]);
    assert_eq!(again["status"], "pending");
    // Neither is one whose challenges are not those of the profile any more.
    appliance.call("PATCH", "/v1/pki/roles/web", Some(json!({"acme": {"challenges": ["dns-01"]}}))).expect(200);
    let (_, last) = client.order(&["a.internal.example.com"]);
    assert_ne!(last["finalize"], again["finalize"]);
    let challenges = client.get(last["authorizations"][0].as_str().unwrap()).expect(200)["challenges"].clone();
    assert_eq!(challenges.as_array().unwrap().len(), 1, "{challenges}");
}
