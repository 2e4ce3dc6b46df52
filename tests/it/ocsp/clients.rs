//! openssl, GnuTLS, Python's cryptography and pkilint take what the responder says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use chancery::x509::certificate::Certificate;
use chancery::x509::ocsp::{IdHash, Issuer, OcspRequest};
use chancery::x509::pem::{self, Label};

use super::World;

#[test]
fn openssl_is_told_what_is_so() {
    for (key_type, key_size) in [("rsa", 2048), ("ec", 384), ("ed25519", 256)] {
        let world = World::of(crate::appliance::Appliance::start(), key_type, key_size);
        let [good, held, revoked] = ["good", "held", "revoked"].map(|name| world.issue(name));
        world.revoke(&held, "certificate_hold");
        world.revoke(&revoked, "key_compromise");
        // A certificate of this issuer that is none of its own: the number was never given out.
        let unknown = "0x0123456789abcdef0123456789abcdef";
        for hash in ["-sha1", "-sha256", "-sha384"] {
            let all = [hash, "-cert", "good.pem", "-cert", "held.pem", "-cert", "revoked.pem", "-serial", unknown];
            let said = world.ask(&all);
            assert!(said.contains("Response verify OK") && !said.contains("WARNING"), "{key_type}: {said}");
            for line in [
                "good.pem: good",
                "held.pem: revoked",
                "Reason: certificateHold",
                "revoked.pem: revoked",
                "Reason: keyCompromise",
                "unknown",
            ] {
                assert!(said.contains(line), "{key_type} {hash}: no {line} in {said}");
            }
            assert_eq!(good["serial_number"].as_str().map(str::len), Some(47));
        }
        for (name, line) in [("good", "good.pem: good"), ("held", "held.pem: revoked")] {
            let said = world.ask(&["-no_nonce", "-cert", &format!("{name}.pem")]);
            assert!(said.contains("Response verify OK") && said.contains(line), "{said}");
        }
    }
}

#[test]
fn a_request_comes_in_the_path_as_well() {
    let world = World::new();
    world.issue("good");
    let request = world.request("good", &[]);
    let text = STANDARD.encode(&request);
    let escaped: String = text.bytes().map(|octet| format!("%{octet:02X}")).collect();
    let partly = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let posted = world.fetch("POST", &format!("/ocsp/{}", world.issuing), Some(&request), &[]);
    assert!(world.read(&posted.body, "good").contains("good.pem: good"));
    for path in [&text, &escaped, &partly, &text.trim_end_matches('=').to_owned()] {
        let answer = world.fetch("GET", &format!("/ocsp/{}/{path}", world.issuing), None, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/ocsp-response")), "{path}");
        assert_eq!(answer.body, posted.body, "{path}");
    }
    // Slashes next to each other are in the alphabet too.
    let read = |name: &str| Certificate::from_der(&pem::decode_one(&world.requester.read(name), Label::Certificate).unwrap()).unwrap();
    let (issuer, leaf) = (read("issuing.pem"), read("good.pem"));
    let key = issuer.public_key().unwrap();
    let issuer = Issuer { name: issuer.subject().der(), key_bits: key.bits() };
    let text = STANDARD.encode(OcspRequest::write(IdHash::Sha1, issuer, leaf.serial(), Some(&[0xFF; 30])));
    assert!(text.contains("//"), "{text}");
    let answer = world.fetch("GET", &format!("/ocsp/{}/{text}", world.issuing), None, &[]);
    let shown = world.read(&answer.body, "good");
    assert!(shown.contains(&"FF".repeat(30)), "{shown}");
}

#[test]
fn gnutls_is_told_what_is_so() {
    let world = World::new();
    let [_, revoked] = ["good", "revoked"].map(|name| world.issue(name));
    world.revoke(&revoked, "superseded");
    let url = world.url();
    for (name, status) in [("good", "Certificate Status: good"), ("revoked", "Certificate Status: revoked")] {
        let certificate = format!("{name}.pem");
        let ask = format!("--ask={url}");
        let arguments = [ask.as_str(), "--load-issuer", "issuing.pem", "--load-cert", &certificate, "--load-trust", "chain.pem", "--nonce"];
        let output = world.requester.command("ocsptool", &arguments).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(status) && said.contains("Success."), "{name}: {said}");
    }
}

#[test]
fn pythons_cryptography_is_told_what_is_so() {
    let world = World::new();
    let [_, revoked] = ["good", "revoked"].map(|name| world.issue(name));
    world.revoke(&revoked, "affiliation_changed");
    world.requester.write("ask.py", include_str!("ask.py"));
    let said = world.tool("python3", &["ask.py", &world.url()]);
    assert_eq!(said.trim(), "all asked and verified");
}

#[test]
fn pkilint_finds_no_error() {
    for (key_type, key_size) in [("rsa", 2048), ("ec", 256)] {
        let world = World::of(crate::appliance::Appliance::start(), key_type, key_size);
        let [_, held, revoked] = ["good", "held", "revoked"].map(|name| world.issue(name));
        world.revoke(&held, "certificate_hold");
        world.revoke(&revoked, "unspecified");
        for name in ["good", "held", "revoked"] {
            for arguments in [&[][..], &["-nonce"], &["-sha256"]] {
                let request = world.request(name, arguments);
                let answer = world.fetch("POST", &format!("/ocsp/{}", world.issuing), Some(&request), &[]);
                world.requester.write("response.der", &answer.body);
                let found = world.tool("lint_ocsp_response", &["lint", "-s", "WARNING", "response.der"]);
                assert_eq!(found.trim(), "", "{name} {arguments:?}");
            }
        }
        // The responder's certificate is one of the inventory.
        let listed = world.appliance.call("GET", &format!("/v1/pki/certificates?ca_id={}&limit=1000", world.issuing), None).expect(200);
        let responder = listed["data"].as_array().unwrap().iter().find(|c| c["common_name"] == "Issuing CA OCSP responder");
        let id = responder.unwrap_or_else(|| panic!("{listed}"))["id"].as_str().unwrap();
        let pem =
            world.appliance.call_raw(Some(&world.appliance.admin_token()), "GET", &format!("/v1/pki/certificates/{id}/pem"), None, &[]);
        world.requester.write("responder.pem", &pem.body);
        let found = world.tool("lint_pkix_cert", &["lint", "-s", "WARNING", "responder.pem"]);
        assert_eq!(found.trim(), "");
        let text = world.requester.certificate_text(&pem.text());
        for part in ["OCSP Signing", "OCSP No Check", "Digital Signature"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(!text.contains("CRL Distribution Points") && !text.contains("OCSP - URI"), "{text}");
    }
}
