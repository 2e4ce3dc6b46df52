//! dns-account-01 and dns-persist-01 through the daemon, with a real name server, by our own client: no other speaks them yet.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::acme::client::{Client, Credential, csr};

/// One try for each challenge, so that a wrong one is told soon.
const ONCE: &str = "caa_identities = [\"ca.example.net\"]\n[acme.validation]\nattempts = 1";

fn ground(challenge: &str) -> Ground {
    Ground::with(ONCE, json!({"acme": {"challenges": [challenge]}}))
}

fn client(ground: &Ground) -> Client<'_> {
    let credential = Credential { id: String::new(), kid: ground.kid.clone(), key: URL_SAFE_NO_PAD.decode(&ground.hmac).unwrap() };
    Client::register(&ground.appliance, &credential)
}

fn update(ground: &Ground, line: &str) {
    run(Command::new("bash").args(["-euo", "pipefail", "-c", &ground.update(line)]));
}

/// What these programs make of a text.
fn shell(script: &str, text: &str) -> String {
    run(Command::new("bash").args(["-euo", "pipefail", "-c", script, "bash", text])).trim().to_owned()
}

/// Issues for these names, once every authorization of the order is valid.
fn issue(client: &Client<'_>, order: &Value, names: &[&str]) {
    assert_eq!(client.finalize(order, &csr(names)).expect(200)["status"], "valid");
}

#[test]
fn dns_account_01_is_met_by_a_record_of_the_accounts_own() {
    let ground = ground("dns-account-01");
    let (one, other) = (client(&ground), client(&ground));
    // draft-ietf-acme-dns-account-label, 3.2: by tools that we did not write.
    let label = |url: &str| shell("printf %s \"$1\" | openssl dgst -sha256 -binary | head -c 10 | basenc --base32 | tr A-Z a-z", url);
    let digest = |text: &str| shell("printf %s \"$1\" | openssl dgst -sha256 -binary | basenc --base64url | tr -d =", text);
    for (number, name) in ["www.example.com", "*.wild.example.com"].into_iter().enumerate() {
        let base = name.trim_start_matches("*.");
        let (_, order) = one.order(&[name]);
        let (url, challenge) = one.challenge(&order, "dns-account-01");
        let record = digest(&one.key.authorization(challenge["token"].as_str().unwrap()));
        let at = format!("_{}._acme-challenge.{base}.", label(&one.account));
        update(&ground, &format!("update add {at} 1 TXT {record}"));
        one.post(challenge["url"].as_str().unwrap(), &json!({})).expect(200);
        let found = one.decided(&url);
        assert_eq!(found["status"], "valid", "{found}");
        issue(&one, &order, &[name]);
        // It is neither another account's, nor that of dns-01.
        let (_, order) = other.order(&[name]);
        let (url, challenge) = other.challenge(&order, "dns-account-01");
        let record = digest(&other.key.authorization(challenge["token"].as_str().unwrap()));
        update(&ground, &format!("update add _acme-challenge.{base}. 1 TXT {record}"));
        if number == 1 {
            update(&ground, &format!("update add {at} 1 TXT {record}"));
        }
        other.post(challenge["url"].as_str().unwrap(), &json!({})).expect(200);
        let found = other.decided(&url);
        assert_eq!(found["status"], "invalid", "{found}");
    }
}

#[test]
fn dns_persist_01_is_met_by_a_record_that_stays() {
    let ground = ground("dns-persist-01");
    let (one, other) = (client(&ground), client(&ground));
    let until = jiff::Timestamp::now().as_second() + 3_600;
    let attempt = |client: &Client<'_>, name: &str| {
        let (_, order) = client.order(&[name]);
        let (url, challenge) = client.challenge(&order, "dns-persist-01");
        assert!(challenge.get("token").is_none(), "{challenge}");
        assert_eq!(challenge["issuer-domain-names"], json!(["ca.example.net"]));
        assert_eq!(challenge["accounturi"], json!(client.account));
        client.post(challenge["url"].as_str().unwrap(), &json!({})).expect(200);
        (order, client.decided(&url)["status"].as_str().unwrap().to_owned())
    };
    // As it stands in a script of nsupdate, inside of double quotes of the shell.
    let persist = |name: &str, value: &str| {
        update(&ground, &format!("update add _validation-persist.{name}. 1 TXT \\\"{value}\\\""));
    };
    let own = format!("ca.example.net; accounturi={}", one.account);
    persist("www.example.com", &format!("{own}; persistUntil={until}"));
    let (order, status) = attempt(&one, "www.example.com");
    assert_eq!(status, "valid");
    issue(&one, &order, &["www.example.com"]);
    // It says nothing of another account, of names below it, nor of wildcards.
    for (client, name) in [(&other, "www.example.com"), (&one, "a.www.example.com"), (&one, "*.www.example.com")] {
        assert_eq!(attempt(client, name).1, "invalid", "{name}");
    }
    persist("wild.example.com", &format!("{own}; policy=wildcard"));
    let (order, status) = attempt(&one, "*.wild.example.com");
    assert_eq!(status, "valid");
    issue(&one, &order, &["*.wild.example.com"]);
    for (name, value) in [
        ("past.example.com", format!("{own}; persistUntil={}", until - 7_200)),
        ("elsewhere.example.com", own.replace("ca.example.net", "ca.example.org")),
        ("nobody.example.com", "ca.example.net".to_owned()),
    ] {
        persist(name, &value);
        assert_eq!(attempt(&one, name).1, "invalid", "{name}");
    }
}
