//! The rules of a role, exactly.

use serde_json::{Value, json};

use super::{assert_violations, violations};
use crate::appliance::Appliance;
use crate::requester::Requester;

/// Patterns, whether subdomains are allowed, what is admitted and what is not.
type Rule = (&'static [&'static str], bool, &'static [&'static str], &'static [&'static str]);

const RULES: [Rule; 8] = [
    (
        &["example.com"],
        false,
        &["example.com", "EXAMPLE.com"],
        &["www.example.com", "*.example.com", "a.b.example.com", "badexample.com", "xample.com", "example.com.evil.org", "example.org"],
    ),
    (
        &["example.com"],
        true,
        &["example.com", "www.example.com", "a.b.example.com", "*.example.com", "*.a.example.com"],
        &["badexample.com", "www.badexample.com", "xample.com", "example.com.evil.org", "*.com.example"],
    ),
    (
        &["*.example.com"],
        false,
        &["www.example.com", "*.example.com"],
        &["example.com", "a.b.example.com", "*.a.example.com", "badexample.com"],
    ),
    (&["*.example.com"], true, &["www.example.com", "a.b.example.com", "*.a.example.com"], &["example.com", "badexample.com"]),
    (&["*.internal", "host.local"], false, &["db.internal", "host.local"], &["internal", "a.db.internal", "a.host.local", "local"]),
    (&["Example.COM"], false, &["example.com"], &["www.example.com"]),
    (&["xn--bcher-kva.example"], true, &["xn--bcher-kva.example", "www.xn--bcher-kva.example"], &["bcher-kva.example"]),
    (&[], true, &[], &["example.com", "localhost"]),
];

#[test]
fn the_patterns_of_a_role_admit_exactly_what_they_say() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    for (place, (domains, allow_subdomains, admitted, refused)) in RULES.into_iter().enumerate() {
        let role = format!("role{place}");
        appliance.role(&role, &ca, json!({"allowed_domains": domains, "allow_subdomains": allow_subdomains}));
        let issue = |body: Value| appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body));
        for name in admitted {
            let answer = issue(json!({"common_name": name}));
            assert_eq!(answer.status, 201, "{name} under {domains:?} ({allow_subdomains}): {}", answer.text());
        }
        let answer = issue(json!({"common_name": admitted.first().unwrap_or(&"10.0.0.1"), "alt_names": refused}));
        assert_violations(&answer, (0..refused.len()).map(|i| (format!("alt_names[{i}]"), "outside the role's allowed domains")));
    }
}

#[test]
fn addresses_are_certified_where_the_role_allows_them() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("with", &ca, json!({"allowed_domains": []}));
    appliance.role("without", &ca, json!({"allow_ip_sans": false}));
    let issued = appliance.call("POST", "/v1/pki/issue/with", Some(json!({"common_name": "10.0.5.100"}))).expect(201);
    let text = Requester::new().certificate_text(issued["certificate"].as_str().unwrap());
    assert!(text.contains("CN = 10.0.5.100\n") && text.contains("IP Address:10.0.5.100\n"), "{text}");
    let body = json!({"common_name": "10.0.0.1", "alt_names": ["www.example.com"], "ip_sans": ["10.0.0.2", "::1"]});
    let part = "does not allow IP addresses";
    let answer = appliance.call("POST", "/v1/pki/issue/without", Some(body));
    let fields = ["ip_sans[0]", "ip_sans[1]", "common_name"];
    assert_violations(&answer, fields.map(|field| (field.to_owned(), part)));
}

#[test]
fn only_keys_of_the_roles_type_are_certified() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let kinds = [("ec", 256, "P-256"), ("ec", 384, "P-384"), ("ec", 521, "P-521"), ("ed25519", 256, "ed25519"), ("rsa", 2048, "rsa-2048")];
    let requester = Requester::new();
    for (key_type, bits, kind) in kinds {
        appliance.role(kind, &ca, json!({"key_type": key_type, "key_bits": bits}));
        requester.key(kind, kind);
    }
    requester.key("rsa-3072", "rsa-3072");
    for (.., role) in kinds {
        for key in kinds.iter().map(|(.., kind)| *kind).chain(["rsa-3072"]) {
            let csr = requester.csr(key, "/CN=www.example.com", "");
            let answer = appliance.call("POST", &format!("/v1/pki/sign/{role}"), Some(json!({"csr_pem": csr})));
            if key == role {
                assert_eq!(answer.status, 201, "{key} under {role}: {}", answer.text());
            } else {
                let found = violations(&answer);
                assert_eq!(found.len(), 1, "{key} under {role}: {found:?}");
                assert!(found[0].1.contains("keys only"), "{found:?}");
            }
        }
    }
}

#[test]
fn every_violation_of_an_issue_request_is_told_at_once() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({"allow_ip_sans": false, "max_ttl": "1h"}));
    let body = json!({"common_name": "www.other.org", "alt_names": ["a_b.example.com", "www.example.com", "*"], "ip_sans": ["10.0.0.1"], "ttl": "2h"});
    let answer = appliance.call("POST", "/v1/pki/issue/web", Some(body));
    let wanted = [
        ("alt_names[0]", "underscore"),
        ("alt_names[2]", "bare wildcard"),
        ("ip_sans[0]", "does not allow IP addresses"),
        ("common_name", "outside the role's allowed domains"),
        ("ttl", "at most 1h"),
    ];
    assert_violations(&answer, wanted.map(|(field, part)| (field.to_owned(), part)));
    // What is malformed is told together with what is not allowed.
    let body = json!({"common_name": "www.other.org", "ip_sans": ["nowhere"], "ttl": "long", "private_key_format": "jwk"});
    let (code, mut fields) = appliance.call("POST", "/v1/pki/issue/web", Some(body)).refused(400);
    fields.sort_unstable();
    assert_eq!(
        (code.as_str(), fields),
        ("invalid_request", ["common_name", "ip_sans[0]", "private_key_format", "ttl"].map(str::to_owned).to_vec())
    );
    assert_eq!(appliance.call("GET", "/v1/pki/certificates", None).expect(200)["data"], json!([]), "nothing was issued");
}
