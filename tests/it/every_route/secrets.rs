//! No secret is written anywhere but where it belongs.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::World;
use crate::requester::Requester;

/// Every file under a directory, with its bytes as characters: the standard library finds a text in a text quickly.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), characters(&std::fs::read(&path).unwrap_or_default())));
        }
    }
    found
}

/// One character for each byte, without the zeros a file may end with.
fn characters(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].iter().copied().map(char::from).collect()
}

#[test]
fn no_secret_reaches_the_log_the_trail_or_the_store() {
    let mut world = World::new();
    let appliance = &world.appliance;
    let admin = appliance.admin_token();
    let token = appliance.token(&["pki:admin"]);
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "canary.example.com"}))).expect(201);
    let issued_key = issued["private_key"].as_str().unwrap();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let own_key = requester.read("key.pem");

    // Secrets in every wrong place.
    let send = |method: &str, path: &str, body: serde_json::Value| {
        let answer = appliance.call_as(Some(&token), method, path, Some(body));
        assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.text());
    };
    send("POST", "/v1/pki/sign/web", json!({"csr_pem": own_key}));
    send("POST", "/v1/pki/sign/web", json!({"csr_pem": format!("{own_key}{own_key}"), "ttl": token}));
    send("POST", "/v1/pki/sign/web", json!({"csr_pem": 5, "token": token, "private_key": own_key}));
    send("POST", "/v1/pki/issue/web", json!({"common_name": ["x"], "private_key_format": token}));
    send("POST", "/v1/pki/certificates/import", json!({"certificate_pem": own_key, "private_key_pem": own_key, "chain_pem": own_key}));
    send("POST", "/v1/pki/certificates/import", json!({"certificate_pem": issued["certificate"], "private_key_pem": own_key}));
    send("POST", "/v1/pki/certificates/import", json!({"certificate_pem": issued["certificate"], "private_key": own_key}));
    send("POST", "/v1/pki/revoke", json!({"serial_number": token, "reason": token}));
    send("POST", "/v1/pki/roles", json!({"name": "x y", "ca_id": token, "max_ttl": token}));
    send("POST", "/v1/admin/tokens", json!({"name": "x", "scopes": ["pki:read"], "ttl": token}));
    send("DELETE", &format!("/v1/admin/tokens/{token}"), json!({}));
    send("GET", &format!("/v1/pki/ca/{token}"), json!({}));
    send("GET", &format!("/v1/pki/certificates?cursor={token}&expiring_within={token}&token={token}"), json!({}));
    send("GET", &format!("/v1/{token}"), json!({}));
    send("DELETE", &format!("/v1/pki/roles/{token}"), json!({}));
    send("POST", &format!("/v1/pki/issue/{token}"), json!({"common_name": "www.example.com"}));
    send("POST", "/v1/pki/issue/web", json!({"common_name": token, "alt_names": [own_key, format!("https://{token}/")]}));
    appliance.call_raw(None, "GET", "/v1/pki/ca", None, &[&format!("Authorization: Basic {token}")]).refused(401);
    appliance.call_raw(None, "POST", "/v1/pki/ca", Some(token.as_bytes()), &[&format!("Authorization: Bearer {token}x")]).refused(401);

    let trail = appliance.call("GET", "/v1/admin/audit?limit=1000", None).text();
    let pin = std::fs::read_to_string(world.appliance.path("token.pin")).unwrap();
    assert!(world.appliance.stop());
    let mut places = files(&world.appliance.path("data"));
    places.push(("the log".to_owned(), world.appliance.log()));
    places.push(("the audit trail".to_owned(), trail));
    assert!(places.iter().any(|(_, bytes)| bytes.contains("canary.example.com")), "the search finds what is there");

    let scalar = |pem: &str, file: &str| {
        requester.write(file, pem);
        let text = requester.openssl(&["pkey", "-in", file, "-noout", "-text"]);
        let hex: String = text.split("priv:").nth(1).and_then(|rest| rest.split("pub:").next()).unwrap().split([':', ' ', '\n']).collect();
        let digits = hex.len() - hex.len().min(64);
        hex[digits..].to_owned()
    };
    for (what, secret) in [("the admin token", admin.as_str()), ("a token", &token), ("the PIN", pin.trim())] {
        assert_nowhere(&places, what, secret.strip_prefix("chy_").unwrap_or(secret).as_bytes());
    }
    for (what, pem) in [("an issued key", issued_key), ("a requester's key", &own_key)] {
        let hex = scalar(pem, "searched.pem");
        let bytes: Vec<_> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        assert_nowhere(&places, what, &bytes);
        assert_nowhere(&places, what, hex.as_bytes());
        assert_nowhere(&places, what, STANDARD.encode(&bytes).trim_end_matches('=').as_bytes());
        for line in pem.lines().filter(|line| !line.starts_with("-----")) {
            assert_nowhere(&places, what, line.as_bytes());
        }
    }
}

fn assert_nowhere(places: &[(String, String)], what: &str, secret: &[u8]) {
    assert!(secret.len() >= 16, "{what} is too short to be looked for");
    let secret = characters(secret);
    for (place, bytes) in places {
        assert!(!bytes.contains(&secret), "{what} is in {place}");
    }
}
