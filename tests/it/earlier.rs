//! Stores that earlier versions wrote, as an upgrade finds them: read by a dry run, brought up to date, and served with all that is in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::requester::Requester;

/// How tests/fixtures/stores/README.md calls them, and what such a version had beside authorities, roles and certificates.
const STORES: [(&str, &[Part]); 2] = [("2026-11-22-morning", &[]), ("2026-11-22-evening", &[Part::Keys, Part::Requests, Part::Values])];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Keys,
    Requests,
    Values,
}

/// An appliance's directory, in which an earlier version's data, token and PIN are in the place of a new one's.
struct Upgrade {
    dir: TempDir,
    /// What was made by the earlier version.
    made: Value,
}

impl Upgrade {
    fn from(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let mut fresh = Appliance::start_in(dir.path());
        assert!(fresh.stop());
        for (folder, files) in [("data", &[][..]), ("tokens", &[]), ("", &["token.pin", "admin.token"])] {
            if !folder.is_empty() {
                std::fs::remove_dir_all(dir.path().join(folder)).unwrap();
            }
            files.iter().for_each(|file| std::fs::remove_file(dir.path().join(file)).unwrap());
        }
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/stores/{name}.tar.gz"));
        run(Command::new("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(dir.path()));
        let made = serde_json::from_slice(&std::fs::read(dir.path().join("made.json")).unwrap()).unwrap();
        Self { dir, made }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("chancery.toml")
    }

    fn migrate(&self, arguments: &[&str]) -> String {
        run(Command::new(env!("CARGO_BIN_EXE_chanceryd")).arg("migrate").args(arguments).arg("--config").arg(self.config()))
    }

    #[track_caller]
    fn text(&self, pointer: &str) -> &str {
        self.made.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {}", self.made))
    }
}

/// Everything on the CRL of an authority, by openssl's word, once it has been made anew.
fn revoked(appliance: &Appliance, ca: &str) -> String {
    appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), Some(json!({}))).expect(200);
    let files = Requester::new();
    files.write("crl.der", appliance.call_as(None, "GET", &format!("/crl/{ca}.crl"), None).expect_any(200).body.clone());
    files.openssl(&["crl", "-inform", "DER", "-in", "crl.der", "-noout", "-text"])
}

#[test]
fn a_store_of_an_earlier_version_is_served_with_all_that_is_in_it() {
    for (name, parts) in STORES {
        let upgrade = Upgrade::from(name);
        let told = upgrade.migrate(&["--dry-run"]);
        assert!(told.contains("every record can be read, and the hash chain is whole"), "{name}: {told}");
        let appliance = Appliance::start_in(upgrade.dir.path());
        assert!(upgrade.migrate(&["--dry-run"]).contains("up to date: nothing to move"), "{name}");

        // What was made is there and is the same, and what was revoked stays so.
        let (root, below) = (upgrade.text("/root"), upgrade.text("/below"));
        for (id, wanted) in [(root, "root"), (below, "below")] {
            assert_eq!(appliance.call("GET", &format!("/v1/pki/ca/{id}"), None).expect(200)["name"], wanted, "{name}");
        }
        let listed = appliance.call("GET", &format!("/v1/pki/certificates?ca_id={below}&include_revoked=true&limit=100"), None).expect(200);
        let is_revoked = |serial: &str| {
            let mut all = listed["data"].as_array().unwrap().iter();
            let found = all.find(|one| one["serial_number"] == serial).unwrap_or_else(|| panic!("{name}: no {serial} in {listed}"));
            found["is_revoked"].as_bool().unwrap()
        };
        assert!(!is_revoked(upgrade.text("/first")), "{name}");
        let list = revoked(&appliance, below).replace(':', "");
        for serial in ["/revoked", "/held"] {
            assert!(is_revoked(upgrade.text(serial)), "{name} {serial}");
            assert!(list.contains(&upgrade.text(serial).replace(':', "")), "{name} {serial}: {list}");
        }
        let first = json!({"serial_number": upgrade.text("/first"), "reason": "superseded"});
        appliance.call("POST", "/v1/pki/revoke", Some(first)).expect(200);

        // The keys and the role go on.
        let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "after.example.com"}))).expect(201);
        let above = |id: &str| {
            let shown = appliance.call("GET", &format!("/v1/pki/ca/{id}/certificate"), None).expect(200);
            shown["certificate_pem"].as_str().unwrap().to_owned()
        };
        Requester::new().verify(issued["certificate"].as_str().unwrap(), &[&above(below), &above(root)]);
        let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "{name}: {health}");
        let readers = appliance.call("GET", "/v1/admin/tokens", None).expect(200);
        assert!(readers["data"].as_array().unwrap().iter().any(|token| token["name"] == "a reader"), "{name}: {readers}");
        for part in parts {
            assert_has(&appliance, &upgrade, *part);
        }
        // And the trail says all of it from its first entry on.
        run(Command::new(env!("CARGO_BIN_EXE_chancery")).args(["audit", "verify"]).arg(upgrade.dir.path().join("data")));
        assert!(appliance.trail().iter().any(|entry| entry["action"] == "ca.create" && entry["object"] == root), "{name}");
    }
}

fn assert_has(appliance: &Appliance, upgrade: &Upgrade, part: Part) {
    match part {
        Part::Keys => {
            for kept in ["token", "wrapped"] {
                let path = format!("/v1/pki/certificates/{}/private-key", upgrade.text(&format!("/kept_{kept}/id")));
                let key = appliance.call("POST", &path, None).expect(200);
                assert_eq!(key["private_key"], upgrade.text(&format!("/kept_{kept}/key")), "{kept}");
            }
        }
        Part::Requests => {
            let requests = appliance.call("GET", "/v1/pki/csr", None).expect(200);
            assert_eq!(requests["data"].as_array().unwrap().len(), 1, "{requests}");
            assert_eq!(requests["data"][0]["status"], "pending", "{requests}");
        }
        Part::Values => {
            assert_eq!(appliance.call("GET", "/v1/secrets/earlier/value", None).expect(200)["value"], "kept since then");
            let anchors = appliance.call("GET", "/v1/pki/trust-anchors", None).expect(200);
            assert_eq!(anchors["data"].as_array().unwrap().len(), 1, "{anchors}");
            for (list, name) in [("organizations", "another"), ("users", "somebody"), ("projects", "a project")] {
                let shown = appliance.call("GET", &format!("/v1/admin/{list}"), None).expect(200);
                assert!(shown["data"].as_array().unwrap().iter().any(|one| one["name"] == name), "{list}: {shown}");
            }
            let webhooks = appliance.call("GET", "/v1/webhooks", None).expect(200);
            assert_eq!(webhooks["data"].as_array().unwrap().len(), 1, "{webhooks}");
        }
    }
}
