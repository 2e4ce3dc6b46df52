//! At each start the keys in the token are held against the records: what is missing, another, doubled or left over is told of and not used.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::token_tool::token_tool;

/// The CKA_ID of an authority's key, as the audit trail tells it.
fn key_of(appliance: &Appliance, ca: &str) -> String {
    let made = appliance.told("key.generate");
    let made = made.iter().find(|entry| entry["object"] == ca).unwrap_or_else(|| panic!("{ca}: {made:?}"));
    made["details"]["key_id"].as_str().unwrap().to_owned()
}

#[test]
fn keys_that_are_not_as_the_records_say_are_told_of_and_not_used() {
    let mut appliance = Appliance::start();
    let [good, missing, changed, doubled] = ["good", "missing", "changed", "doubled"].map(|name| {
        let ca = appliance.root(name, "ec", 256);
        appliance.role(name, &ca, json!({}));
        ca
    });
    let well = appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert!(well.get("key_faults").is_none(), "{well}");
    let ids = [&missing, &changed, &doubled].map(|ca| key_of(&appliance, ca));
    assert!(appliance.stop());

    for id in &ids[..2] {
        token_tool(appliance.dir(), &["--delete-object", "--type", "privkey", "--id", id]);
        token_tool(appliance.dir(), &["--delete-object", "--type", "pubkey", "--id", id]);
    }
    let orphan = "ca_0123456789abcdef0123456789abcdef";
    for (id, label) in [(ids[1].as_str(), "other"), (&ids[2], "second"), ("0badcafe", orphan)] {
        token_tool(appliance.dir(), &["--keypairgen", "--key-type", "EC:prime256v1", "--usage-sign", "--id", id, "--label", label]);
    }

    let again = Appliance::start_in(appliance.dir());
    let health = again.call_as(None, "GET", "/healthz", None).expect(200);
    assert_eq!(health["key_faults"], json!({"missing": 1, "changed": 1, "ambiguous": 1, "orphaned": 1}));
    let metrics = again.call("GET", "/metrics", None).text();
    for line in ["chancery_key_faults{fault=\"missing\"} 1", "chancery_key_faults{fault=\"exposed\"} 0"] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    let issue = |role: &str| again.call("POST", &format!("/v1/pki/issue/{role}"), Some(json!({"common_name": "www.example.com"})));
    issue("good").expect(201);
    for role in ["missing", "changed", "doubled"] {
        assert_eq!(issue(role).refused(503).0, "key_missing", "{role}");
    }
    let findings = again.told("key.finding");
    let mut findings: Vec<(Value, Value)> =
        findings.iter().map(|entry| (entry["details"]["fault"].clone(), entry["object"].clone())).collect();
    findings.sort_by_key(|(fault, _)| fault.to_string());
    let wanted = [("ambiguous", doubled.as_str()), ("changed", &changed), ("missing", &missing), ("orphaned", orphan)];
    assert_eq!(findings, wanted.map(|(fault, ca)| (json!(fault), json!(ca))));
    assert!(!good.is_empty());
}

/// The files of all objects in the token.
fn objects(appliance: &Appliance) -> HashSet<PathBuf> {
    let tokens = std::fs::read_dir(appliance.path("tokens")).unwrap();
    tokens.flat_map(|token| std::fs::read_dir(token.unwrap().path()).unwrap()).map(|file| file.unwrap().path()).collect()
}

/// SoftHSM2 keeps an attribute in its files as type, kind and value; this turns one that is a truth value over (SoftHSM 2.6.1, File.cpp).
fn turn_over<'a>(files: impl Iterator<Item = &'a PathBuf>, attribute: u64, to: bool) {
    let attribute = [attribute.to_be_bytes(), 1_u64.to_be_bytes()].concat();
    let mut turned = 0;
    for file in files {
        let mut bytes = std::fs::read(file).unwrap();
        if let Some(at) = bytes.windows(attribute.len()).position(|window| window == attribute) {
            bytes[at + attribute.len()] = if to { 0xff } else { 0 };
            std::fs::write(file, bytes).unwrap();
            turned += 1;
        }
    }
    assert_eq!(turned, 1, "only the private key has the attribute");
}

#[test]
fn a_key_that_could_leave_the_token_is_exposed_and_not_used() {
    let mut appliance = Appliance::start();
    let [_, exposed, insensitive] = ["kept", "exposed", "insensitive"].map(|name| {
        let before = objects(&appliance);
        let ca = appliance.root(name, "ec", 256);
        appliance.role(name, &ca, json!({}));
        objects(&appliance).difference(&before).cloned().collect::<Vec<_>>()
    });
    assert!(appliance.stop());
    // CKA_EXTRACTABLE and CKA_SENSITIVE.
    turn_over(exposed.iter(), 0x162, true);
    turn_over(insensitive.iter(), 0x103, false);
    let again = Appliance::start_in(appliance.dir());
    assert_eq!(again.call_as(None, "GET", "/healthz", None).expect(200)["key_faults"], json!({"exposed": 2}));
    assert!(again.call("GET", "/metrics", None).text().contains("chancery_key_faults{fault=\"exposed\"} 2"));
    let issue = |role: &str| again.call("POST", &format!("/v1/pki/issue/{role}"), Some(json!({"common_name": "www.example.com"})));
    issue("kept").expect(201);
    for role in ["exposed", "insensitive"] {
        assert_eq!(issue(role).refused(503).0, "key_missing", "{role}");
    }
}
