//! Every type of key and every algorithm an authority may sign with.

use serde_json::{Value, json};

use super::{create, issue, made};
use crate::appliance::Appliance;
use crate::requester::Requester;

/// Makes a root of this key, and lets openssl follow a chain to it and check its CRL.
fn prove(appliance: &Appliance, name: &str, fields: Value, wanted: &[&str]) {
    let id = made(create(appliance, name, None, fields));
    appliance.role(name, &id, json!({}));
    let (issued, chain) = issue(appliance, name);
    let requester = Requester::new();
    let chain: Vec<_> = chain.iter().map(String::as_str).collect();
    requester.verify(issued["certificate"].as_str().unwrap(), &chain);
    for pem in [issued["certificate"].as_str().unwrap(), chain[0]] {
        let text = requester.certificate_text(pem);
        for part in wanted {
            assert!(text.contains(part), "{name}: no {part:?} in\n{text}");
        }
    }
    let crl = appliance.call("POST", &format!("/v1/pki/ca/{id}/crl"), None).expect(200);
    requester.write("crl.pem", crl["crl_pem"].as_str().unwrap());
    let verdict = requester.openssl(&["crl", "-in", "crl.pem", "-CAfile", "root.pem", "-noout"]);
    assert!(verdict.contains("verify OK"), "{name}: {verdict}");
}

#[test]
fn curves_and_edwards_sign_chains_that_openssl_follows() {
    let appliance = Appliance::start();
    for (name, fields, algorithm) in [
        ("p256", json!({"key_type": "ec", "key_size": 256}), "ecdsa-with-SHA256"),
        ("p384", json!({"key_type": "ec", "key_size": 384}), "ecdsa-with-SHA384"),
        ("p521", json!({"key_type": "ec", "key_size": 521}), "ecdsa-with-SHA512"),
        ("ed", json!({"key_type": "ed25519", "key_size": null}), "ED25519"),
        ("p256-named", json!({"key_type": "ec", "key_size": 256, "signature_algorithm": "ecdsa-sha256"}), "ecdsa-with-SHA256"),
    ] {
        prove(&appliance, name, fields, &[&format!("Signature Algorithm: {algorithm}")]);
    }
}

#[test]
fn rsa_signs_with_every_hash_and_padding() {
    let appliance = Appliance::start();
    for hash in ["256", "384", "512"] {
        let fields = json!({"key_type": "rsa", "key_size": 2048, "signature_algorithm": format!("rsa-pkcs1-sha{hash}")});
        prove(&appliance, &format!("pkcs1-{hash}"), fields, &[&format!("Signature Algorithm: sha{hash}WithRSAEncryption")]);
        let fields = json!({"key_type": "rsa", "key_size": 2048, "signature_algorithm": format!("rsa-pss-sha{hash}")});
        // RFC 4055, 3.1: the hash, MGF1 over the same hash, a salt as long as it.
        let salt = format!("Salt Length: 0x{:02X}", hash.parse::<u32>().unwrap() / 8);
        let (digest, mask) = (format!("Hash Algorithm: sha{hash}"), format!("Mask Algorithm: mgf1 with sha{hash}"));
        prove(&appliance, &format!("pss-{hash}"), fields, &["Signature Algorithm: rsassaPss", &digest, &mask, &salt]);
    }
}

#[test]
fn without_a_size_rsa_keys_are_large() {
    let appliance = Appliance::start();
    let root = create(&appliance, "root", None, json!({"key_type": null, "key_size": null})).expect(201);
    assert_eq!((&root["key_type"], &root["key_size"]), (&json!("rsa"), &json!(4096)));
    assert_eq!(root["signature_algorithm"], "rsa-pkcs1-sha512");
    let below = create(&appliance, "below", root["id"].as_str(), json!({"key_type": null, "key_size": null})).expect(201);
    assert_eq!((&below["key_type"], &below["key_size"]), (&json!("rsa"), &json!(3072)));
    appliance.role("web", below["id"].as_str().unwrap(), json!({}));
    let (issued, chain) = issue(&appliance, "web");
    Requester::new().verify(issued["certificate"].as_str().unwrap(), &chain.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_chain_mixes_families() {
    let appliance = Appliance::start();
    let root = made(create(&appliance, "root", None, json!({"key_type": "ed25519", "key_size": null})));
    let middle = made(create(
        &appliance,
        "middle",
        Some(&root),
        json!({"key_type": "rsa", "key_size": 2048, "signature_algorithm": "rsa-pss-sha256"}),
    ));
    let low = made(create(&appliance, "low", Some(&middle), json!({"key_size": 384, "validity_days": 365})));
    appliance.role("web", &low, json!({"key_type": "ed25519", "key_bits": null}));
    let (issued, chain) = issue(&appliance, "web");
    assert_eq!(chain.len(), 3);
    Requester::new().verify(issued["certificate"].as_str().unwrap(), &chain.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn keys_and_algorithms_that_are_not_offered_are_refused() {
    let appliance = Appliance::start();
    for (fields, wanted) in [
        (json!({"key_type": "rsa", "key_size": 1024}), "key_size"),
        (json!({"key_type": "rsa", "key_size": 2047}), "key_size"),
        (json!({"key_type": "rsa", "key_size": 8192}), "key_size"),
        (json!({"key_type": "ec", "key_size": 224}), "key_size"),
        (json!({"key_type": "ed25519", "key_size": 448}), "key_size"),
        (json!({"key_type": "dsa"}), "key_type"),
        (json!({"key_type": "RSA"}), "key_type"),
        (json!({"signature_algorithm": "ecdsa-sha384"}), "signature_algorithm"),
        (json!({"signature_algorithm": "rsa-pss-sha256"}), "signature_algorithm"),
        (json!({"signature_algorithm": "sha1"}), "signature_algorithm"),
        (json!({"key_type": "rsa", "key_size": 2048, "signature_algorithm": "rsa-pkcs1-sha1"}), "signature_algorithm"),
    ] {
        assert_eq!(create(&appliance, "x", None, fields.clone()).refused(400).1, [wanted], "{fields}");
    }
}
