//! A listener's key in the token.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::own_authority::prepared;
use super::{PATIENCE, address, configured, inspect, shown, with_tls};
use crate::appliance::{Appliance, run};
use crate::token_tool;

fn with_key(dir: &Path, key_type: &str) -> Appliance {
    let names = "ca = \"Listeners\"\nnames = [\"127.0.0.1\"]\nkey_in_token = true";
    configured(dir, |text| with_tls(&text, &format!("{names}\nkey_type = \"{key_type}\"")))
}

/// Whether the token's public key of the listener's id is the one in this certificate, by a tool that is not ours.
fn token_has_key_of(appliance: &Appliance, pem: &str) -> bool {
    let id = std::fs::read_to_string(appliance.path("data/tls/listener.key-id")).unwrap();
    let tool = |arguments: &[&str]| run(token_tool::without_login(appliance.dir()).args(arguments));
    let directory = tempfile::tempdir().unwrap();
    let wanted = directory.path().join("shown.pub");
    std::fs::write(&wanted, format!("{}\n", inspect(pem, &["-pubkey"]))).unwrap();
    let wanted = Command::new("openssl").args(["pkey", "-pubin", "-outform", "DER", "-in"]).arg(&wanted).output().unwrap().stdout;
    assert!(!wanted.is_empty());
    let listed = tool(&["--list-objects", "--type", "pubkey", "--id", &id]);
    // Not every version of the tool keeps to the id.
    let listed = listed.split("Public Key Object;").find(|object| object.contains(&id)).unwrap_or_else(|| panic!("{listed}"));
    assert!(listed.contains("chancery listener"), "{listed}");
    match listed.lines().find_map(|line| line.trim().strip_prefix("EC_POINT:")) {
        // An OCTET STRING of the point, which is the end of the SubjectPublicKeyInfo.
        Some(point) => wanted.ends_with(&hex::decode(&point.trim()[4..]).unwrap()),
        None => {
            let read = directory.path().join("read.der").display().to_string();
            tool(&["--read-object", "--type", "pubkey", "--id", &id, "--output-file", &read]);
            let found = std::fs::read(read).unwrap();
            !found.is_empty() && wanted == found
        }
    }
}

#[test]
fn handshakes_are_signed_by_the_token_with_every_kind_of_key() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path(), "Listeners", "ec", 256);
    let types = [
        ("ec-256", &[("-tls1_3", "", "ecdsa"), ("-tls1_2", "", "ecdsa")][..]),
        ("ec-384", &[("-tls1_3", "", "ecdsa"), ("-tls1_2", "", "ecdsa")][..]),
        (
            "rsa-2048",
            &[
                ("-tls1_3", "rsa_pss_rsae_sha256", "rsa-pss"),
                ("-tls1_3", "rsa_pss_rsae_sha384", "rsa-pss"),
                ("-tls1_3", "rsa_pss_rsae_sha512", "rsa-pss"),
                ("-tls1_2", "rsa_pss_rsae_sha256", "rsa-pss"),
                ("-tls1_2", "rsa_pkcs1_sha256", "rsa"),
                ("-tls1_2", "rsa_pkcs1_sha512", "rsa"),
            ][..],
        ),
        ("ed25519", &[("-tls1_3", "", "ed25519"), ("-tls1_2", "", "ed25519")][..]),
    ];
    for (retired, (key_type, suites)) in types.into_iter().enumerate() {
        let mut appliance = with_key(dir.path(), key_type);
        let signed = |appliance: &Appliance| {
            let metrics = appliance.call_as(None, "GET", "/metrics", None).text();
            let line = metrics.lines().find(|line| line.starts_with("chancery_token_signatures_total{")).unwrap().to_owned();
            line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
        };
        let root = appliance.path("ca.pem").display().to_string();
        for (version, algorithms, kind) in suites {
            let before = signed(&appliance);
            let mut command = Command::new("openssl");
            command.args(["s_client", "-connect", &address(&appliance), "-CAfile", &root, "-verify_return_error", "-brief", version]);
            if !algorithms.is_empty() {
                // The certificate's own signature is by the authority's key, which the client has to read as well.
                command.args(["-sigalgs", &format!("{algorithms}:ecdsa_secp256r1_sha256")]);
            }
            let text = run(command.stdin(std::process::Stdio::null()));
            assert!(text.contains("Verification: OK"), "{key_type} {version} {algorithms}: {text}");
            let peer = text.lines().find(|line| line.starts_with("Signature type:")).unwrap_or_default();
            assert!(peer.to_lowercase().contains(kind), "{key_type} {version} {algorithms}: {text}");
            assert!(signed(&appliance) > before, "{key_type} {version}: the token made no signature");
        }
        let pem = shown(&address(&appliance), &[]);
        assert!(token_has_key_of(&appliance, &pem), "{key_type}: the certificate's key is not the token's");
        assert!(!std::fs::read_to_string(appliance.path("data/tls/listener.pem")).unwrap().contains("PRIVATE"), "{key_type}");
        assert!(appliance.stop());
        // The key stays for the next certificate and over a start.
        let id = std::fs::read_to_string(dir.path().join("data/tls/listener.key-id")).unwrap();
        let mut appliance = Appliance::start_in(dir.path());
        assert_eq!(shown(&address(&appliance), &[]), pem, "{key_type}");
        assert_eq!(std::fs::read_to_string(dir.path().join("data/tls/listener.key-id")).unwrap(), id);
        // Those of the types before lie in the token still, and are told of.
        let faults = appliance.call_as(None, "GET", "/healthz", None).expect(200)["key_faults"].clone();
        assert_eq!(faults, if retired == 0 { Value::Null } else { json!({"retired": retired}) }, "{key_type}");
        assert!(appliance.stop());
    }
}

#[test]
fn a_token_that_is_away_fails_the_handshake_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path(), "Listeners", "ec", 256);
    let appliance = with_key(dir.path(), "ec-256");
    let mut line = super::Line::open(&address(&appliance), &[]);
    assert_eq!(line.get("/v1/pki/nothing").0, 404);
    // The token's files go away from under it.
    std::fs::rename(dir.path().join("tokens"), dir.path().join("away")).unwrap();
    std::fs::create_dir(dir.path().join("tokens")).unwrap();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                Command::new("openssl")
                    .args(["s_client", "-connect", &address(&appliance)])
                    .stdin(std::process::Stdio::null())
                    .output()
                    .unwrap()
            });
        }
    });
    assert!(begun.elapsed() < PATIENCE, "handshakes hung for {:?}", begun.elapsed());
    assert_eq!(line.get("/v1/pki/nothing").0, 404, "who is connected is served on");
    let plain = std::fs::read_to_string(appliance.path("http.addr")).unwrap();
    run(Command::new("curl").args(["--silent", "--max-time", "10", &format!("http://{plain}/ca/none")]));
    std::fs::remove_dir(dir.path().join("tokens")).unwrap();
    std::fs::rename(dir.path().join("away"), dir.path().join("tokens")).unwrap();
    crate::waiting::wait_for("handshakes again", || {
        appliance.curl("GET", "/healthz", None, None, &[]).is_some_and(|answer| answer.status == 200)
    });
}
