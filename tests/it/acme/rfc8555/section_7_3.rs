//! Section 7.2 and 7.3: nonces and accounts.

use serde_json::{Value, json};

use crate::acme::client::{Client, Credential, JOSE, Key, assert_refused};
use crate::acme::{furnish, open, with_acme};

/// 7.2: HEAD is 200, GET is 204, both with a nonce and `no-store`.
#[test]
fn nonces_are_had_by_head_and_get() {
    let (appliance, _) = open();
    let nonces: Vec<_> = [("HEAD", 200), ("GET", 204), ("POST", 204)]
        .map(|(method, status)| {
            let answer = appliance.call_raw(None, method, "/api/acme/new-nonce", None, &[]);
            assert_eq!((answer.status, answer.body.len()), (status, 0), "{method}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            answer.header("replay-nonce").expect("a nonce").to_owned()
        })
        .into();
    assert!(nonces.iter().all(|nonce| nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))), "6.5.1: base64url");
}

/// 7.3: a new account is 201 with its URL; 7.3.1: the key finds it again with 200.
#[test]
fn an_account_is_made_once_and_found_by_its_key() {
    let (appliance, credential) = open();
    let mut client = Client::stranger(&appliance, "ES256");
    let made = client.sign_up(&credential, json!({"contact": ["mailto:a@example.com"], "unknown": 1, "orders": "ignored"}));
    let account = made.expect(201);
    assert_eq!((&account["status"], &account["contact"]), (&json!("valid"), &json!(["mailto:a@example.com"])));
    assert_eq!(account["orders"], format!("{}/orders", client.account));
    // Without a binding as well: it has one.
    for payload in [json!({}), json!({"onlyReturnExisting": true}), json!({"contact": ["mailto:b@example.com"]})] {
        let found = client.post_with_key("new-account", &payload);
        assert_eq!(found.expect(200), account);
        assert_eq!(found.header("location"), Some(client.account.as_str()));
    }
}

/// 7.3.1: "accountDoesNotExist" and 400 when only an existing one is asked for.
#[test]
fn no_account_is_made_where_only_an_existing_one_is_wanted() {
    let (appliance, credential) = open();
    let mut client = Client::stranger(&appliance, "ES256");
    assert_refused(&client.sign_up(&credential, json!({"onlyReturnExisting": true})), 400, "accountDoesNotExist");
    client.sign_up(&credential, json!({})).expect(201);
}

/// 7.3: contacts of a scheme that is not supported, and ones that are wrong.
#[test]
fn contacts_are_mailboxes() {
    let (appliance, credential) = open();
    let mut client = Client::stranger(&appliance, "ES256");
    assert_refused(&client.sign_up(&credential, json!({"contact": ["tel:+12025551212"]})), 400, "unsupportedContact");
    for wrong in ["mailto:a@example.com?subject=x", "mailto:a@example.com,b@example.com", "mailto:", "mailto:x"] {
        assert_refused(&client.sign_up(&credential, json!({"contact": [wrong]})), 400, "invalidContact");
    }
    assert_refused(&client.sign_up(&credential, json!({"contact": "mailto:a@example.com"})), 400, "malformed");
}

/// 7.3.2: contacts are replaced; what is not known is ignored; an empty payload changes nothing.
#[test]
fn an_account_is_updated() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let updated = client.post(&client.account, &json!({"contact": ["mailto:new@example.com"], "orders": "x", "foo": [1]})).expect(200);
    assert_eq!(updated["contact"], json!(["mailto:new@example.com"]));
    assert_eq!(client.get(&client.account).expect(200), updated);
    assert_eq!(client.post(&client.account, &json!({"status": "valid"})).expect(200), updated);
    assert_refused(&client.post(&client.account, &json!({"status": "revoked"})), 400, "malformed");
    assert_eq!(client.post(&client.account, &json!({"contact": []})).expect(200)["contact"], json!([]));
}

/// 7.3.3: "userActionRequired" with a link to the terms.
#[test]
fn terms_must_be_agreed_to_where_there_are_any() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = with_acme(dir.path(), "terms_of_service = \"https://ca.example.com/terms\"");
    let credential = furnish(&appliance, json!({}));
    let directory = appliance.call_as(None, "GET", "/api/acme/directory", None).expect(200);
    assert_eq!(directory["meta"]["termsOfService"], "https://ca.example.com/terms");
    let mut client = Client::stranger(&appliance, "ES256");
    let binding = credential.bind(&client.key, &client.url("new-account"));
    for agreed in [json!(null), json!(false)] {
        let payload = json!({"externalAccountBinding": binding, "termsOfServiceAgreed": agreed});
        let answer = client.post_with_key("new-account", &payload);
        assert_refused(&answer, 403, "userActionRequired");
        assert!(answer.headers.iter().any(|(name, value)| name == "link" && value.contains("terms-of-service")), "{:?}", answer.headers);
    }
    client.sign_up(&credential, json!({})).expect(201);
}

/// 7.3.4: "externalAccountRequired", and every way in which a binding is wrong.
#[test]
fn a_binding_is_required_and_held_to_every_rule() {
    let (appliance, credential) = open();
    let client = Client::stranger(&appliance, "ES256");
    let url = client.url("new-account");
    assert_refused(&client.post_with_key("new-account", &json!({})), 403, "externalAccountRequired");
    let bound = |binding: Value| client.post_with_key("new-account", &json!({"externalAccountBinding": binding}));
    let header = |kid: &str, url: &str| json!({"alg": "HS256", "kid": kid, "url": url});
    let (kid, jwk) = (credential.kid.as_str(), client.key.jwk());
    // No such credential, and another's key.
    assert_refused(&bound(credential.bind_with(&header("kid_00", &url), &jwk)), 403, "unauthorized");
    let stranger = Credential { key: vec![7; 32], ..credential.clone() };
    assert_refused(&bound(stranger.bind_with(&header(kid, &url), &jwk)), 403, "unauthorized");
    // For another URL, for another key, and with a nonce.
    assert_refused(&bound(credential.bind_with(&header(kid, &client.url("new-order")), &jwk)), 400, "malformed");
    assert_refused(&bound(credential.bind_with(&header(kid, &url), &Key::new("ES256").jwk())), 400, "malformed");
    let with_nonce = json!({"alg": "HS256", "kid": kid, "url": url, "nonce": client.nonce()});
    assert_refused(&bound(credential.bind_with(&with_nonce, &jwk)), 400, "malformed");
    // Signed by anything but the MAC.
    let by_key = client.key.jws(&json!({"alg": "ES256", "kid": kid, "url": url}), jwk.to_string().as_bytes());
    assert_refused(&bound(by_key), 403, "unauthorized");
    assert_refused(&bound(json!("text")), 400, "malformed");
    assert_refused(&bound(json!({})), 400, "malformed");
    bound(credential.bind_with(&header(kid, &url), &jwk)).expect(201);
}

/// 7.3.5: the key is changed when both keys say so, and then the old one is nobody's.
#[test]
fn a_key_is_changed() {
    let (appliance, credential) = open();
    let mut client = Client::register(&appliance, &credential);
    let new = Key::new("EdDSA");
    change(&client, &new, |_| {}, |_| {}).expect(200);
    assert_refused(&client.get(&client.account), 400, "badSignatureAlgorithm");
    assert_refused(&client.post_with_key("new-account", &json!({"onlyReturnExisting": true})), 400, "accountDoesNotExist");
    client.key = new;
    client.get(&client.account).expect(200);
    client.certify(&["a.internal.example.com"]);
}

/// What `keyChange` is sent: `outer` and `inner` change the inner header and payload.
fn change(client: &Client<'_>, new: &Key, header: impl Fn(&mut Value), payload: impl Fn(&mut Value)) -> crate::appliance::Answer {
    let url = client.url("key-change");
    let mut inner = json!({"alg": new.algorithm(), "jwk": new.jwk(), "url": url});
    header(&mut inner);
    let mut content = json!({"account": client.account, "oldKey": client.key.jwk()});
    payload(&mut content);
    client.post("key-change", &new.jws(&inner, content.to_string().as_bytes()))
}

/// 7.3.5: every check of the inner JWS.
#[test]
fn a_key_change_is_held_to_every_rule() {
    let (appliance, credential) = open();
    let (client, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let new = Key::new("ES384");
    let refused = |answer: crate::appliance::Answer| assert_refused(&answer, 400, "malformed");
    refused(change(&client, &new, |header| header["nonce"] = json!(client.nonce()), |_| {}));
    refused(change(&client, &new, |header| header["url"] = json!(client.url("new-order")), |_| {}));
    refused(change(&client, &new, |_| {}, |payload| payload["account"] = json!(other.account)));
    refused(change(&client, &new, |_| {}, |payload| payload["oldKey"] = other.key.jwk()));
    refused(change(&client, &new, |_| {}, |payload| payload["oldKey"] = json!(1)));
    refused(change(&client, &new, |header| header["kid"] = json!(client.account), |_| {}));
    // The inner JWS is signed with the key that it shows.
    let shown = Key::new("ES384").jwk();
    refused(change(&client, &new, |header| header["jwk"] = shown.clone(), |_| {}));
    refused(client.post("key-change", &json!({})));
    // "If there is an existing account with the new key … 409 (Conflict) … Location".
    let answer = change(&client, &other.key, |_| {}, |_| {});
    assert_refused(&answer, 409, "malformed");
    assert_eq!(answer.header("location"), Some(other.account.as_str()));
    client.get(&client.account).expect(200);
}

/// 7.3.6: a deactivated account is 401 unauthorized, and its orders go nowhere.
#[test]
fn a_deactivated_account_may_do_nothing() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["a.internal.example.com"]);
    assert_eq!(client.post(&client.account, &json!({"status": "deactivated"})).expect(200)["status"], "deactivated");
    assert_refused(&client.get(&place), 401, "unauthorized");
    assert_refused(&client.get(&client.account), 401, "unauthorized");
    assert_refused(&client.finalize(&order, b""), 401, "unauthorized");
    assert_refused(&client.post_with_key("new-account", &json!({})), 401, "unauthorized");
    assert_refused(&client.post("new-order", &json!({})), 401, "unauthorized");
    // Nobody is asked for a token, which would be the wrong thing to show.
    assert_eq!(client.send(&client.url("new-order"), b"{}", &[JOSE]).header("www-authenticate"), None);
}

/// A credential that is revoked stops its accounts at once; one that has ended or is used up binds no more.
#[test]
fn a_revoked_credential_stops_its_accounts() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let spare = Credential::create(&appliance, json!({"default_template_id": "web", "max_uses": 1}));
    let unmoved = Client::register(&appliance, &spare);
    let (place, _) = client.order(&["a.internal.example.com"]);
    let path = format!("{}/{}", crate::acme::client::CREDENTIALS, credential.id);
    assert_eq!(appliance.call("DELETE", &path, None).status, 204);
    assert_refused(&client.get(&place), 401, "unauthorized");
    assert_refused(&client.post_with_key("new-account", &json!({})), 401, "unauthorized");
    let mut new = Client::stranger(&appliance, "ES256");
    assert_refused(&new.sign_up(&credential, json!({})), 403, "unauthorized");
    assert_refused(&new.sign_up(&spare, json!({})), 403, "unauthorized");
    unmoved.certify(&["a.internal.example.com"]);
    let listed = appliance.call("GET", crate::acme::client::CREDENTIALS, None).expect(200);
    let status: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| (one["status"].clone(), one["uses"].clone())).collect();
    assert_eq!(status, [(json!("revoked"), json!(1)), (json!("used_up"), json!(1))]);
    assert!(!listed.to_string().contains("hmac"), "the key is shown once");
}

/// A credential whose time is over binds no more, and those that it has bound go on.
#[test]
fn a_credential_that_has_ended_binds_no_more() {
    let (appliance, _) = open();
    let end = jiff::Timestamp::now().as_second() + 6;
    let expires = jiff::Timestamp::from_second(end).unwrap().to_string();
    let credential = Credential::create(&appliance, json!({"default_template_id": "web", "expires_at": expires}));
    let client = Client::register(&appliance, &credential);
    while jiff::Timestamp::now().as_second() < end {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_refused(&Client::stranger(&appliance, "ES256").sign_up(&credential, json!({})), 403, "unauthorized");
    client.certify(&["a.internal.example.com"]);
    let listed = appliance.call("GET", crate::acme::client::CREDENTIALS, None).expect(200);
    assert_eq!(listed["data"][1]["status"], "expired", "{listed}");
}

/// 7.3.4: an account of a time in which none need be bound goes no further once all need to be.
#[test]
fn an_unbound_account_is_stopped_once_accounts_are_bound() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "url = \"https://acme.test\"\nexternal_account_required = false";
    let mut appliance = with_acme(dir.path(), lines);
    furnish(&appliance, json!({}));
    let mut client = Client::stranger(&appliance, "ES256");
    let answer = client.post_with_key("new-account", &json!({"termsOfServiceAgreed": true}));
    answer.expect(201);
    client.account = answer.header("location").unwrap().to_owned();
    client.order(&["www.example.com"]);
    let (key, account) = (client.key, client.account);
    assert!(appliance.stop());
    let path = dir.path().join("chancery.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("external_account_required = false", "")).unwrap();
    let appliance = crate::appliance::Appliance::start_in(dir.path());
    let mut client = Client::stranger(&appliance, "ES256");
    (client.key, client.account) = (key, account);
    let order = crate::acme::client::order_of(&["www.example.com"], json!({}));
    assert_refused(&client.post("new-order", &order), 403, "externalAccountRequired");
    assert_refused(&client.get(&client.account.clone()), 403, "externalAccountRequired");
}
