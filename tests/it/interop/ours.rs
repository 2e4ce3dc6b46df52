//! Others read what we made.

use serde_json::json;

use super::{ROLES, World};

#[test]
fn certtool_reads_and_verifies_what_we_sign() {
    let world = World::new();
    for (role, ..) in ROLES {
        world.issue(role, "traditional");
        let pems =
            [format!("{role}.pem"), "issuing.pem".to_owned(), "root.pem".to_owned()].map(|name| world.requester.read(&name)).concat();
        world.requester.write("chain.pem", pems);
        let verdict = world.tool("certtool", &["--verify", "--load-ca-certificate", "root.pem", "--infile", "chain.pem"]);
        assert!(verdict.contains("Chain verification output: Verified. The certificate is trusted."), "{role}: {verdict}");
        let text = world.tool("certtool", &["--certificate-info", "--infile", &format!("{role}.pem")]);
        for part in [
            "CN=www.example.com",
            "DNSname: api.example.com",
            "IPAddress: 10.0.5.100",
            "IPAddress: 2001:db8::1",
            "TLS WWW Server",
            "Digital signature",
        ] {
            assert!(text.contains(part), "{role}: no {part}\n{text}");
        }
        assert_eq!(text.contains("Key encipherment"), role == "rsa", "RFC 4055 and 8410: only RSA keys encipher keys\n{text}");
    }
    for (crl, ca) in [("root.crl", "root.pem"), ("issuing.crl", "issuing.pem")] {
        let verdict = world.tool("certtool", &["--verify-crl", "--load-ca-certificate", ca, "--infile", crl]);
        assert!(verdict.contains("Verification output: Verified."), "{crl}: {verdict}");
    }
}

#[test]
fn pythons_cryptography_reads_and_verifies_what_we_sign() {
    let world = World::new();
    let revoked = world.issue("ec", "traditional");
    world
        .appliance
        .call("POST", "/v1/pki/revoke", Some(json!({"serial_number": revoked["serial_number"], "reason": "superseded"})))
        .expect(200);
    let crl = world.appliance.call("POST", &format!("/v1/pki/ca/{}/crl", world.issuing), None).expect(200);
    world.requester.write("issuing.crl", crl["crl_pem"].as_str().unwrap());
    world.requester.write("revoked.txt", revoked["serial_number"].as_str().unwrap().replace(':', ""));
    for (role, ..) in ROLES {
        world.issue(role, "pkcs8");
    }
    world.requester.write("read.py", include_str!("read.py"));
    let said = world.tool("python3", &["read.py", "rsa", "ec", "ed25519"]);
    assert_eq!(said.trim(), "all read and verified");
}

#[test]
fn pkilint_finds_no_error() {
    let world = World::new();
    for (role, ..) in ROLES {
        world.issue(role, "traditional");
    }
    for certificate in ["root.pem", "issuing.pem", "rsa.pem", "ec.pem", "ed25519.pem"] {
        let found = world.tool("lint_pkix_cert", &["lint", "-s", "WARNING", certificate]);
        assert_eq!(found.trim(), "", "{certificate}");
    }
    for crl in ["root.crl", "issuing.crl"] {
        let found = world.tool("lint_crl", &["lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", crl]);
        assert_eq!(found.trim(), "", "{crl}");
    }
}

#[test]
fn pkilint_finds_no_error_on_a_crl_with_every_reason() {
    let world = World::new();
    for reason in ["unspecified", "key_compromise", "superseded", "cessation_of_operation", "certificate_hold"] {
        let issued = world.issue("ec", "traditional");
        let mut body = json!({"serial_number": issued["serial_number"], "reason": reason});
        if reason == "key_compromise" {
            body["invalidity_date"] = json!("2026-01-01T00:00:00Z");
        }
        world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    }
    let crl = world.appliance.call("POST", &format!("/v1/pki/ca/{}/crl", world.issuing), None).expect(200);
    world.requester.write("full.crl", crl["crl_pem"].as_str().unwrap());
    let found = world.tool("lint_crl", &["lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", "full.crl"]);
    assert_eq!(found.trim(), "");
}

#[test]
fn issued_keys_load_everywhere_in_each_form() {
    let world = World::new();
    for (role, format, label) in [
        ("rsa", "traditional", "RSA PRIVATE KEY"),
        ("rsa", "pkcs8", "PRIVATE KEY"),
        ("ec", "traditional", "EC PRIVATE KEY"),
        ("ec", "pkcs8", "PRIVATE KEY"),
        // RFC 8410, 7: Ed25519 has no older form.
        ("ed25519", "traditional", "PRIVATE KEY"),
        ("ed25519", "pkcs8", "PRIVATE KEY"),
    ] {
        let issued = world.issue(role, format);
        let what = format!("{role} as {format}");
        let pem = issued["private_key"].as_str().unwrap();
        assert!(pem.starts_with(&format!("-----BEGIN {label}-----\n")) && pem.ends_with(&format!("-----END {label}-----\n")), "{what}");
        let (key, certificate) = (format!("{role}.key"), format!("{role}.pem"));
        assert!(world.requester.openssl(&["pkey", "-in", &key, "-check", "-noout"]).contains("Key is valid"), "{what}");
        let public = world.requester.openssl(&["pkey", "-in", &key, "-pubout"]);
        assert_eq!(public, world.requester.openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]), "{what}");
        let of_key = world.tool("certtool", &["--load-privkey", &key, "--pubkey-info"]);
        assert!(of_key.contains(public.trim()), "{what}: {of_key}");
    }
}
