//! Opening a role and making a credential by the command line.

use std::process::Command;

use serde_json::Value;

use super::client::{Client, Credential};
use crate::appliance::{Appliance, run};

fn chancery(appliance: &Appliance, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command.args(["--url", &appliance.base_url(), "--ca-file"]).arg(appliance.path("ca.pem"));
    command.arg("--token-file").arg(appliance.path("admin.token")).args(arguments);
    command
}

#[test]
fn a_role_is_opened_and_a_credential_made_listed_and_revoked() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let role = ["role", "create", "web", "--ca", &ca, "--allowed-domain", "example.com", "--allow-subdomains"];
    let open = ["--acme", "--acme-pre-authorized", "internal.example.com", "--acme-challenge", "http-01"];
    let told = run(&mut chancery(&appliance, &[&role[..], &open[..]].concat()));
    assert!(told.contains("http-01; without validation internal.example.com"), "{told}");
    let out = appliance.path("hmac.key");
    let create = ["--json", "acme", "credential", "create", "--role", "web", "--label", "cluster", "--out", out.to_str().unwrap()];
    let told = run(&mut chancery(&appliance, &create));
    let made: Value = serde_json::from_str(told.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    assert!(made.get("eab_hmac_key").is_none(), "{made}");
    let key = std::fs::read_to_string(&out).unwrap();
    let key = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key.trim()).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let credential = Credential { id: text("id"), kid: text("eab_key_id"), key };
    let client = Client::register(&appliance, &credential);
    let (_, order) = client.certify(&["a.internal.example.com"]);
    let certificate = order["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
    let incident = |words: &[&str]| run(&mut chancery(&appliance, &[&["acme", "incident"], words].concat()));
    assert!(incident(&["declare", certificate, &ca, "--explanation", "https://status.example.com/"]).contains(certificate));
    let listed = incident(&["list"]);
    assert!(listed.contains(certificate) && listed.contains(&ca) && listed.contains("https://status.example.com/"), "{listed}");
    incident(&["end", &ca]);
    let listed = incident(&["list"]);
    assert!(listed.contains(certificate) && !listed.contains(&ca), "{listed}");
    let listed = run(&mut chancery(&appliance, &["acme", "credential", "list"]));
    assert!(listed.contains(&credential.kid) && listed.contains("active"), "{listed}");
    let account = |words: &[&str]| run(&mut chancery(&appliance, &[&["acme", "account"], words].concat()));
    let (id, other) = (client.account.rsplit('/').next().unwrap(), Client::register(&appliance, &credential));
    assert!(account(&["list"]).contains(id));
    let shown = account(&["show", id]);
    assert!(shown.contains(&credential.id) && shown.contains("valid") && shown.contains(&client.account), "{shown}");
    let other_id = other.account.rsplit('/').next().unwrap();
    account(&["deactivate", other_id]);
    super::client::assert_refused(&other.get(&other.account), 401, "unauthorized");
    assert!(account(&["show", other_id]).contains("deactivated"));
    client.get(&client.account).expect(200);
    run(&mut chancery(&appliance, &["acme", "credential", "revoke", &credential.id]));
    assert!(account(&["show", id]).contains("stopped"));
    super::client::assert_refused(&client.get(&client.account), 401, "unauthorized");
    let closed = run(&mut chancery(&appliance, &["role", "update", "web", "--acme=false"]));
    assert!(!closed.contains("http-01"), "{closed}");
}
