//! Section 6: message transport.

use serde_json::json;

use crate::acme::client::{Client, JOSE, Key, assert_refused, b64, refusal};
use crate::acme::open;

/// 6.1: URLs are of the scheme https.
#[test]
fn urls_are_https() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["a.internal.example.com"]);
    assert!(place.starts_with("https://") && client.account.starts_with("https://"));
    assert!(order["finalize"].as_str().unwrap().starts_with("https://"));
}

/// 6.2: "Because client requests in ACME carry JWS objects in the Flattened JSON Serialization, they must have the Content-Type header
/// field set to application/jose+json"; "if a request does not meet this requirement … 415".
#[test]
fn a_body_of_another_media_type_is_415() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let url = client.url("new-order");
    let body = client.key.jws(&client.header(&url), b"{}").to_string();
    for kind in ["application/json", "application/jose", "text/plain", "application/x-www-form-urlencoded"] {
        assert_refused(&client.send(&url, body.as_bytes(), &[&format!("Content-Type: {kind}")]), 415, "malformed");
    }
    assert_eq!(client.send(&url, body.as_bytes(), &["Content-Type: application/jose+json; charset=utf-8"]).status, 400);
}

/// 6.2: the flattened serialization, one signature, no unprotected header, nothing detached.
#[test]
fn other_serializations_are_malformed() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let url = client.url("new-order");
    let good = || client.key.jws(&client.header(&url), br#"{"identifiers":[{"type":"dns","value":"a.internal.example.com"}]}"#);
    let refused = |body: String| assert_refused(&client.send(&url, body.as_bytes(), &[JOSE]), 400, "malformed");
    refused(String::new());
    refused("{}".to_owned());
    refused("[]".to_owned());
    refused("not json".to_owned());
    let whole = good();
    let text = |name: &str| whole[name].as_str().unwrap().to_owned();
    // Compact.
    refused(format!("{}.{}.{}", text("protected"), text("payload"), text("signature")));
    // General.
    let signature = json!({"protected": text("protected"), "signature": text("signature")});
    refused(json!({"payload": text("payload"), "signatures": [signature]}).to_string());
    let mut both = good();
    both["signatures"] = json!([]);
    refused(both.to_string());
    let mut unprotected = good();
    unprotected["header"] = json!({"kid": client.account});
    refused(unprotected.to_string());
    let mut detached = good();
    detached.as_object_mut().unwrap().remove("payload");
    refused(detached.to_string());
    let mut padded = good();
    padded["signature"] = json!(format!("{}=", padded["signature"].as_str().unwrap()));
    refused(padded.to_string());
    // The array that serde would take for the object.
    refused(json!([text("protected"), text("payload"), text("signature")]).to_string());
    client.send(&url, good().to_string().as_bytes(), &[JOSE]).expect(201);
}

/// 6.2: what the protected header must have, and must not have.
#[test]
fn protected_headers_are_held_to_what_they_must_have() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let url = client.url("new-order");
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut header = client.header(&url);
        change(&mut header);
        client.send_signed(&url, &header, b"{}")
    };
    let without = |name: &str| {
        with(&|header| {
            header.as_object_mut().unwrap().remove(name);
        })
    };
    for name in ["alg", "url", "nonce", "kid"] {
        assert_refused(&without(name), 400, "malformed");
    }
    // "jwk" and "kid" are mutually exclusive.
    assert_refused(&with(&|header| header["jwk"] = client.key.jwk()), 400, "malformed");
    // RFC 7797.
    assert_refused(&with(&|header| header["b64"] = json!(false)), 400, "malformed");
    // RFC 7515, 4.1.11.
    assert_refused(&with(&|header| header["crit"] = json!(["exp"])), 400, "malformed");
    // new-account and revoke-cert alone take a jwk; all others take a kid.
    assert_refused(&client.post_with_key("new-order", &json!({})), 400, "malformed");
    assert_refused(&client.post("new-account", &json!({})), 400, "malformed");
}

/// 6.2: "the server MUST return … badSignatureAlgorithm … algorithms".
#[test]
fn algorithms_that_are_not_taken_are_told_with_those_that_are() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let url = client.url("new-order");
    for algorithm in ["none", "HS256", "RS512", "PS256", "ES256K", "ES384", "RS256", "EdDSA"] {
        let mut header = client.header(&url);
        header["alg"] = json!(algorithm);
        let answer = client.send_signed(&url, &header, b"{}");
        assert_refused(&answer, 400, "badSignatureAlgorithm");
        assert_eq!(answer.json()["algorithms"], json!(["RS256", "ES256", "ES384", "ES512", "EdDSA"]), "{algorithm}");
    }
    // A MAC under the public key, or none at all, is no signature (RFC 8725, 2.1).
    let url = client.url("new-account");
    let mut header = client.key_header(&url);
    header["alg"] = json!("none");
    let whole = json!({"protected": b64(header.to_string()), "payload": b64("{}"), "signature": ""});
    assert_refused(&client.send(&url, whole.to_string().as_bytes(), &[JOSE]), 400, "badSignatureAlgorithm");
}

/// 6.2: "badPublicKey" for a key that cannot be taken.
#[test]
fn public_keys_that_cannot_be_taken_are_bad() {
    let (appliance, _) = open();
    let client = Client::stranger(&appliance, "ES256");
    let url = client.url("new-account");
    let small = b64([0xFF; 128]);
    for (algorithm, jwk) in [
        ("RS256", json!({"kty": "RSA", "n": small, "e": "AQAB"})),
        ("RS256", json!({"kty": "RSA", "n": b64([0xFF; 256]), "e": "AQ"})),
        // 2050 bits: no key of such a size is certified either.
        ("RS256", json!({"kty": "RSA", "n": b64([[3].as_slice(), &[0xFF; 256]].concat()), "e": "AQAB"})),
        ("ES256", json!({"kty": "EC", "crv": "P-256", "x": b64([1; 32]), "y": b64([1; 32])})),
        ("ES256", json!({"kty": "EC", "crv": "secp256k1", "x": b64([1; 32]), "y": b64([1; 32])})),
        ("EdDSA", json!({"kty": "OKP", "crv": "Ed25519", "x": b64([1; 31])})),
        ("ES256", json!({"kty": "oct", "k": "AAAA"})),
        ("ES256", json!("key")),
    ] {
        let mut header = client.key_header(&url);
        header["alg"] = json!(algorithm);
        header["jwk"] = jwk;
        assert_refused(&client.send_signed(&url, &header, b"{}"), 400, "badPublicKey");
    }
    // A private key was shown.
    let mut header = client.key_header(&url);
    header["jwk"]["d"] = json!(b64([1; 32]));
    assert_refused(&client.send_signed(&url, &header, b"{}"), 400, "badPublicKey");
}

/// 6.2: the signature is verified with the key of the account, over these bytes.
#[test]
fn a_signature_of_another_key_or_over_something_else_is_none() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let url = client.url("new-order");
    let stranger = Key::new("ES256");
    let forged = stranger.jws(&client.header(&url), b"{}");
    assert_refused(&client.send(&url, forged.to_string().as_bytes(), &[JOSE]), 400, "malformed");
    for part in ["protected", "payload"] {
        let mut changed = client.key.jws(&client.header(&url), br#"{"a":1}"#);
        let other = if part == "payload" { b64(br#"{"a":2}"#) } else { b64(client.header(&url).to_string()) };
        changed[part] = json!(other);
        assert_refused(&client.send(&url, changed.to_string().as_bytes(), &[JOSE]), 400, "malformed");
    }
}

/// 6.2: "accountDoesNotExist" for a kid that names no account.
#[test]
fn an_unknown_account_does_not_exist() {
    let (appliance, _) = open();
    let mut client = Client::stranger(&appliance, "ES256");
    for account in ["acct_0123456789abcdef0123456789abcdef", "1", ""] {
        client.account = client.url(&format!("account/{account}"));
        assert_refused(&client.post("new-order", &json!({})), 400, "accountDoesNotExist");
    }
    client.account = "https://elsewhere.example/".to_owned();
    assert_refused(&client.post("new-order", &json!({})), 400, "accountDoesNotExist");
}

/// 6.3: "servers MUST return … 405 … malformed" for a GET of what is asked for by POST-as-GET; and a payload that is there is no GET.
#[test]
fn resources_are_asked_for_by_post() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["a.internal.example.com"]);
    for url in [&client.account, &place, order["authorizations"][0].as_str().unwrap()] {
        let path = url.strip_prefix(&appliance.base_url()).unwrap();
        assert_refused(&appliance.call_as(None, "GET", path, None), 405, "malformed");
    }
    assert_refused(&client.post(&place, &json!({})), 400, "malformed");
    client.get(&place).expect(200);
    // The directory and renewal information are asked for by GET (6.3 and RFC 9773, 4.1).
    appliance.call_as(None, "GET", "/api/acme/directory", None).expect(200);
}

/// 6.4: "the server MUST … unauthorized" when the URL of the header is not that of the request.
#[test]
fn a_request_for_another_url_is_unauthorized() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, _) = client.order(&["a.internal.example.com"]);
    for other in [client.url("new-order"), format!("{place}/"), format!("{place}?x"), place.replace("https", "http"), String::new()] {
        assert_refused(&client.send_signed(&place, &client.header(&other), b""), 401, "unauthorized");
    }
    assert_eq!(client.get(&place).status, 200);
}

/// 6.4: where the server is does not follow from what a request says alone: it is a name of the listener's certificate, or the configured one.
#[test]
fn a_request_that_was_meant_for_another_host_is_refused() {
    let (appliance, _) = open();
    let port = appliance.base_url().rsplit(':').next().unwrap().to_owned();
    let directory = |appliance: &crate::appliance::Appliance, host: &str| {
        appliance.call_raw(None, "GET", "/api/acme/directory", None, &[&format!("Host: {host}")])
    };
    for host in [format!("localhost:{port}"), "LOCALHOST".to_owned(), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let url = directory(&appliance, &host).expect(200)["newNonce"].clone();
        assert_eq!(url, format!("https://{}/api/acme/new-nonce", host.to_lowercase()));
    }
    let client = Client::stranger(&appliance, "ES256");
    for host in ["acme.evil.example", "evil.example:443", "localhost.evil.example", "192.0.2.1", "", "127.0.0.1:x"] {
        assert_refused(&directory(&appliance, host), 421, "malformed");
        // What a client has signed for the other server is nothing here.
        let url = format!("https://{host}/api/acme/new-account");
        let body = client.key.jws(&client.key_header(&url), b"{}").to_string();
        let host = format!("Host: {host}");
        let answer = appliance.call_raw(None, "POST", "/api/acme/new-account", Some(body.as_bytes()), &[JOSE, &host]);
        assert_refused(&answer, 421, "malformed");
    }
    // Where the configuration says it, the request does not.
    let dir = tempfile::tempdir().unwrap();
    let appliance = crate::acme::with_acme(dir.path(), "url = \"https://acme.test\"");
    for host in ["acme.evil.example", "localhost"] {
        assert_eq!(directory(&appliance, host).expect(200)["newNonce"], "https://acme.test/api/acme/new-nonce");
    }
}

/// 6.5: "badNonce", with a fresh one, which is taken.
#[test]
fn a_nonce_is_taken_once() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let url = client.url("new-order");
    let header = client.header(&url);
    let payload = br#"{"identifiers":[{"type":"dns","value":"a.internal.example.com"}]}"#;
    client.send_signed(&url, &header, payload).expect(201);
    let again = client.send_signed(&url, &header, payload);
    assert_refused(&again, 400, "badNonce");
    let mut header = client.header(&url);
    header["nonce"] = json!(again.header("replay-nonce").expect("6.5: a fresh nonce with every badNonce"));
    client.send_signed(&url, &header, payload).expect(201);
    // One that this server has never made.
    for nonce in [b64([7; 32]), b64([7; 4])] {
        header["nonce"] = json!(nonce);
        assert_refused(&client.send_signed(&url, &header, payload), 400, "badNonce");
    }
    // 6.5.2: what is no base64url is malformed.
    header["nonce"] = json!("a+b/c=");
    assert_refused(&client.send_signed(&url, &header, payload), 400, "malformed");
}

/// 6.5: a nonce is good at the next start, and what has changed something is not done again with it.
#[test]
fn nonces_outlive_the_daemon_and_what_was_done_is_not_done_again() {
    let dir = tempfile::tempdir().unwrap();
    // By a name of its own, for the address stands in requests and is another at each start.
    let mut appliance = crate::acme::with_acme(dir.path(), "url = \"https://acme.test\"");
    let credential = crate::acme::furnish(&appliance, json!({}));
    let (key, account, used, fresh, url) = {
        let client = Client::register(&appliance, &credential);
        let url = client.url("new-order");
        let header = client.header(&url);
        client.send_signed(&url, &header, br#"{"identifiers":[{"type":"dns","value":"a.internal.example.com"}]}"#).expect(201);
        let fresh = client.header(&url);
        (client.key, client.account, header, fresh, url)
    };
    appliance.kill();
    let appliance = crate::appliance::Appliance::start_in(dir.path());
    let mut client = Client::stranger(&appliance, "ES256");
    (client.key, client.account) = (key, account);
    let other = br#"{"identifiers":[{"type":"dns","value":"b.internal.example.com"}]}"#;
    assert_refused(&client.send_signed(&url, &used, other), 400, "badNonce");
    client.send_signed(&url, &fresh, other).expect(201);
}

/// 6.5.1: "a Replay-Nonce header field in every successful response to a POST request and SHOULD provide it in error responses as well".
#[test]
fn every_answer_to_a_post_has_a_nonce_and_points_to_the_directory() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let answers = [
        client.post("new-order", &json!({})),
        client.get(&client.account),
        client.send(&client.url("new-order"), b"", &[JOSE]),
        client.send(&client.url("order/unknown"), b"", &[JOSE]),
    ];
    let mut seen = std::collections::HashSet::new();
    for answer in &answers {
        assert!(seen.insert(answer.header("replay-nonce").expect("a nonce").to_owned()), "a new one each time");
        assert!(answer.headers.iter().any(|(name, value)| name == "link" && value.ends_with("rel=\"index\"")), "7.1: {:?}", answer.headers);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let directory = appliance.call_as(None, "GET", "/api/acme/directory", None);
    assert!(directory.headers.iter().all(|(name, value)| name != "link" || !value.contains("index")));
}

/// 6.6: "rateLimited" with Retry-After.
#[test]
fn what_is_too_much_is_told_with_the_time_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = crate::acme::with_acme(dir.path(), "[acme.limits.orders_per_account]\nburst = 2\nper_hour = 1");
    let credential = crate::acme::furnish(&appliance, json!({}));
    let client = Client::register(&appliance, &credential);
    client.order(&["a.internal.example.com"]);
    client.order(&["b.internal.example.com"]);
    let answer = client.post("new-order", &crate::acme::client::order_of(&["c.internal.example.com"], json!({})));
    assert_refused(&answer, 429, "rateLimited");
    let wait: u64 = answer.header("retry-after").expect("6.6").parse().unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
    // Another account has an allowance of its own.
    Client::register(&appliance, &credential).order(&["c.internal.example.com"]);
}

/// 6.7: problem documents of the ACME namespace, whatever is wrong.
#[test]
fn refusals_are_problem_documents_of_acme() {
    let (appliance, _) = open();
    let client = Client::stranger(&appliance, "ES256");
    for path in ["new-account", "new-order", "order/x", "authz/x", "challenge/x", "finalize/x", "cert/x", "revoke-cert", "key-change"] {
        let (status, kind) = refusal(&client.send(&client.url(path), b"x", &[JOSE]));
        assert!([400, 404].contains(&status) && kind == "malformed", "{path}: {status} {kind}");
    }
}
