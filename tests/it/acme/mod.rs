//! The ACME server, driven by a client of our own that can be wrong in every respect.

pub mod client;
mod clients;
mod command_line;
mod crash;
mod every_route;
mod interrupted;
mod issuing;
mod limits;
mod pages;
mod renewal_info;
mod rfc8555;
mod storm;
mod sweep;

use std::path::Path;

use serde_json::{Value, json};

use crate::appliance::Appliance;
use client::Credential;

/// An authority and a role `web` that is open: names below example.com need a challenge, names below internal.example.com need none.
fn open() -> (Appliance, Credential) {
    let appliance = Appliance::start();
    let credential = furnish(&appliance, json!({}));
    (appliance, credential)
}

/// The same in an appliance that is there, with other fields of the role.
fn furnish(appliance: &Appliance, fields: Value) -> Credential {
    let ca = appliance.root("root", "ec", 256);
    let mut role = json!({"acme": {"pre_authorized": ["internal.example.com"]}});
    for (name, value) in fields.as_object().into_iter().flatten() {
        role[name] = value.clone();
    }
    appliance.role("web", &ca, role);
    Credential::create(appliance, json!({"default_template_id": "web", "cluster_label": "test"}))
}

/// An appliance in this directory whose section `[acme]` goes on with these lines.
fn with_acme(dir: &Path, lines: &str) -> Appliance {
    assert!(Appliance::start_in(dir).stop());
    let path = dir.join("chancery.toml");
    let text = std::fs::read_to_string(&path).expect("the configuration");
    assert!(text.ends_with("[acme]\nenabled = true\n"), "{text}");
    std::fs::write(&path, text + lines + "\n").expect("the configuration can be written");
    Appliance::start_in(dir)
}
