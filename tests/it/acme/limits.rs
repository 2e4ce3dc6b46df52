//! How much accounts, credentials and names may have the server do.

use serde_json::json;

use super::client::{Client, Credential, assert_refused, order_of};
use super::{furnish, with_acme};

#[test]
fn credentials_and_names_have_their_limits() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "[acme.limits.orders_per_credential]\nburst = 3\nper_hour = 1\n[acme.limits.accounts_per_credential]\nburst = 2\nper_hour = 1\n\
                 [acme.limits.orders_per_names]\nburst = 1\nper_hour = 1";
    let appliance = with_acme(dir.path(), lines);
    let credential = furnish(&appliance, json!({}));
    let (one, two) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let mut third = Client::stranger(&appliance, "ES256");
    let answer = third.sign_up(&credential, json!({}));
    assert_refused(&answer, 429, "rateLimited");
    assert!(answer.header("retry-after").is_some());
    one.certify(&["a.internal.example.com"]);
    // The very same names once more, by the same account; another's are its own.
    assert_refused(&one.post("new-order", &order_of(&["a.internal.example.com"], json!({}))), 429, "rateLimited");
    two.order(&["a.internal.example.com"]);
    // Three of the credential, with the one that was refused.
    assert_refused(&one.post("new-order", &order_of(&["c.internal.example.com"], json!({}))), 429, "rateLimited");
    let other = Credential::create(&appliance, json!({"default_template_id": "web"}));
    Client::register(&appliance, &other).order(&["c.internal.example.com"]);
}

/// An order counts by its names, and one with more than there ever are takes all.
#[test]
fn orders_count_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = with_acme(dir.path(), "[acme.limits.orders_per_account]\nburst = 3\nper_hour = 1");
    let credential = furnish(&appliance, json!({}));
    let (one, two) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let names = ["a", "b", "c", "d"].map(|label| format!("{label}.internal.example.com"));
    let names = names.each_ref().map(String::as_str);
    two.order(&names);
    assert_refused(&two.post("new-order", &order_of(&["e.internal.example.com"], json!({}))), 429, "rateLimited");
    one.order(&names[..2]);
    assert_refused(&one.post("new-order", &order_of(&names[2..], json!({}))), 429, "rateLimited");
    one.order(&names[3..]);
}

/// RFC 8555, 6.6: where nobody vouches for accounts, they are counted where they come from.
#[test]
fn accounts_that_nobody_vouches_for_are_counted_by_address() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "external_account_required = false\n[acme.limits.accounts_per_address]\nburst = 2\nper_hour = 1";
    let appliance = with_acme(dir.path(), lines);
    let credential = furnish(&appliance, json!({}));
    let ask = || Client::stranger(&appliance, "ES256").post_with_key("new-account", &json!({}));
    ask().expect(201);
    let known = Client::stranger(&appliance, "ES256");
    known.post_with_key("new-account", &json!({})).expect(201);
    let refused = ask();
    assert_refused(&refused, 429, "rateLimited");
    let wait: u64 = refused.header("retry-after").expect("6.6").parse().unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
    // Who has one finds it, and who is bound to a credential is counted there.
    known.post_with_key("new-account", &json!({})).expect(200);
    Client::register(&appliance, &credential);
}

/// The token is not asked to open a credential's key for everybody who knows its name.
#[test]
fn wrong_bindings_are_counted_by_credential_and_address() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = with_acme(dir.path(), "[acme.limits.wrong_bindings_per_credential]\nburst = 2\nper_hour = 1");
    let credential = furnish(&appliance, json!({}));
    let forged = Credential { key: vec![7; 32], ..credential.clone() };
    let ask = |credential: &Credential| Client::stranger(&appliance, "ES256").sign_up(credential, json!({}));
    Client::register(&appliance, &credential);
    for _ in 0..2 {
        assert_refused(&ask(&forged), 403, "unauthorized");
    }
    for credential in [&forged, &credential] {
        let refused = ask(credential);
        assert_refused(&refused, 429, "rateLimited");
        assert!(refused.header("retry-after").is_some());
    }
    // Others are not concerned.
    let other = Credential::create(&appliance, json!({"default_template_id": "web"}));
    Client::register(&appliance, &other);
}
