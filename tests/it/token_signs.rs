//! The token signs: seen from between the daemon and the module, and from what happens when the token is away.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::token_tool::softhsm;

const SPIES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/pkcs11/pkcs11-spy.so", "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"];

/// What tells a private or secret key, in any template.
const SECRETS: [&str; 8] = [
    "CKA_VALUE ",
    "CKA_PRIVATE_EXPONENT",
    "CKA_PRIME_1",
    "CKA_PRIME_2",
    "CKA_PRIME ",
    "CKA_EXPONENT_1",
    "CKA_EXPONENT_2",
    "CKA_COEFFICIENT",
];

fn first_there<'a>(paths: &[&'a str]) -> &'a str {
    paths.iter().find(|path| Path::new(path).exists()).unwrap_or_else(|| panic!("install one of {paths:?}"))
}

/// The calls the spy has seen: the function's name and all it told of the call.
fn calls(log: &str) -> Vec<(String, String)> {
    let begins = |line: &str| {
        let (number, name) = line.split_once(": ")?;
        (number.parse::<u64>().is_ok() && name.starts_with("C_")).then(|| name.trim().to_owned())
    };
    let mut calls: Vec<(String, String)> = Vec::new();
    for line in log.lines() {
        match (begins(line), calls.last_mut()) {
            (Some(name), _) => calls.push((name, String::new())),
            (None, Some((_, told))) => *told += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    calls
}

/// How many entries of an action the audit trail has.
fn done(appliance: &Appliance, action: &str) -> usize {
    appliance.told(action).iter().filter(|entry| entry["outcome"] == "done").count()
}

#[test]
fn the_token_signs_once_for_each_certificate_and_crl_and_tells_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("spy.log");
    let mut appliance = Appliance::start_with(&dir.path().join("appliance"), |command| {
        command.arg("--module").arg(first_there(&SPIES));
        command.env("PKCS11SPY", softhsm()).env("PKCS11SPY_OUTPUT", &log);
    });
    let root = appliance.root("root", "ec", 256);
    let rsa = appliance.root("rsa", "rsa", 2048);
    appliance.role("ec", &root, json!({}));
    appliance.role("rsa", &rsa, json!({}));
    let mut issued = Vec::new();
    for role in ["ec", "rsa", "ec"] {
        let body = json!({"common_name": "www.example.com"});
        issued.push(appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201));
    }
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let csr = requester.csr("key.pem", "/CN=www.example.com", "");
    appliance.call("POST", "/v1/pki/sign/ec", Some(json!({"csr_pem": csr}))).expect(201);
    appliance.call("POST", "/v1/pki/sign/ec", Some(json!({"csr_pem": csr.replace("MI", "MH")}))).refused(400);
    appliance.call("POST", "/v1/pki/issue/ec", Some(json!({"common_name": "www.other.org"}))).refused(400);
    appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": issued[0]["serial_number"]}))).expect(200);
    appliance.call("POST", &format!("/v1/pki/ca/{root}/crl"), None).expect(200);
    let (authorities, certificates, crls) =
        (done(&appliance, "ca.create"), done(&appliance, "certificate.issue"), done(&appliance, "crl.publish"));
    assert_eq!((authorities, certificates), (2, 4));
    assert!(crls >= 3, "one of each authority and one that was asked for, not {crls}");
    assert!(appliance.stop());
    let settled = done_in_log(&log);

    let calls = calls(&std::fs::read_to_string(&log).unwrap());
    let count = |name: &str| calls.iter().filter(|(called, _)| called == name).count();
    // C_Sign is called twice for each signature, the first time without a buffer, to learn its length.
    let signed = calls.iter().filter(|(name, told)| name == "C_Sign" && !told.contains("pSignature[*pulSignatureLen] NULL"));
    assert_eq!(signed.count(), authorities + certificates + crls, "{settled}");
    assert_eq!(count("C_SignInit"), authorities + certificates + crls);
    assert_eq!(count("C_GenerateKeyPair"), authorities);
    for forbidden in ["C_WrapKey", "C_CreateObject", "C_UnwrapKey", "C_DeriveKey", "C_Decrypt", "C_CopyObject", "C_SetAttributeValue"] {
        assert_eq!(count(forbidden), 0, "{forbidden}");
    }
    for (name, told) in &calls {
        for secret in SECRETS {
            assert!(!told.contains(secret), "{name} was asked for {secret}:\n{told}");
        }
    }
    for (attribute, value) in [("CKA_SENSITIVE", "True"), ("CKA_EXTRACTABLE", "False"), ("CKA_PRIVATE", "True"), ("CKA_TOKEN", "True")] {
        let read = |told: &str| told.lines().any(|line| line.trim().starts_with(attribute) && line.trim().ends_with(value));
        let read_back = calls.iter().filter(|(name, told)| name == "C_GetAttributeValue" && read(told)).count();
        assert!(read_back >= authorities, "{attribute} {value} was read back of {read_back} keys");
    }
}

/// How the log ends, for the message of a failure.
fn done_in_log(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().rev().take(3).collect::<Vec<_>>().join(" | ")
}

#[test]
fn without_the_token_nothing_is_issued_and_all_comes_back_by_itself() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issue = || appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    let first = issue().expect(201);
    let crl = format!("/v1/pki/ca/{ca}/crl");
    appliance.call("POST", &crl, None).expect(200);

    let (tokens, away) = (appliance.path("tokens"), appliance.path("tokens.away"));
    std::fs::rename(&tokens, &away).unwrap();
    let refused = await_answer(issue, 503);
    assert_eq!(refused.refused(503).0, "token_unavailable");
    let wait: u32 = refused.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    appliance.call("POST", &crl, None).refused(503);
    let health = await_answer(|| appliance.call_as(None, "GET", "/healthz", None), 503).json();
    assert_eq!((&health["status"], &health["token"]), (&json!("failing"), &json!("unreachable")));
    // What needs no signature goes on: the CRL is served, revocations are taken, certificates are shown.
    assert_eq!(appliance.call_raw(None, "GET", &crl, None, &[]).status, 200);
    let body = json!({"certificate_id": first["id"], "reason": "key_compromise"});
    assert_eq!(appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200)["is_revoked"], true);
    let listed = appliance.call("GET", "/v1/pki/certificates?include_revoked=true", None).expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "nothing was issued meanwhile");

    std::fs::rename(&away, &tokens).unwrap();
    let second = await_answer(issue, 201).expect(201);
    let published = await_answer(|| appliance.call("POST", &crl, None), 200).expect(200);
    assert_eq!(published["revoked_certificates"], 1, "what was revoked without the token");
    await_answer(|| appliance.call_as(None, "GET", "/healthz", None), 200);
    let requester = Requester::new();
    requester.verify(second["certificate"].as_str().unwrap(), &[second["ca_chain"][0].as_str().unwrap()]);
    assert_ne!(second["serial_number"], Value::Null);
}

/// Calls until the status is the one that is wanted, for half a minute.
fn await_answer(call: impl Fn() -> crate::appliance::Answer, status: u16) -> crate::appliance::Answer {
    let begun = Instant::now();
    loop {
        let answer = call();
        if answer.status == status {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{status} did not come; last: {} {}", answer.status, answer.text());
        std::thread::sleep(Duration::from_millis(100));
    }
}
