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
    client.certify(&["a.internal.example.com"]);
    let listed = run(&mut chancery(&appliance, &["acme", "credential", "list"]));
    assert!(listed.contains(&credential.kid) && listed.contains("active"), "{listed}");
    run(&mut chancery(&appliance, &["acme", "credential", "revoke", &credential.id]));
    super::client::assert_refused(&client.get(&client.account), 401, "unauthorized");
    let closed = run(&mut chancery(&appliance, &["role", "update", "web", "--acme=false"]));
    assert!(!closed.contains("http-01"), "{closed}");
}
