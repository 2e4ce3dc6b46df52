//! Authorities: their keys and algorithms, what bounds them, and how they end.

mod bounds;
mod expired;
mod keys;
mod revoked;

use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};

/// Asks for an authority with a P-256 key, below a parent or a root, changed by `fields`.
fn create(appliance: &Appliance, name: &str, parent: Option<&str>, fields: Value) -> Answer {
    let mut body = json!({"name": name, "common_name": format!("{name} CA"), "key_type": "ec", "key_size": 256});
    match parent {
        None => body["ca_type"] = json!("root"),
        Some(parent) => {
            body["ca_type"] = json!("intermediate");
            body["parent_ca_id"] = json!(parent);
        }
    }
    for (key, value) in fields.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    appliance.call("POST", "/v1/pki/ca", Some(body))
}

/// The id of an authority that was made.
#[track_caller]
fn made(answer: Answer) -> String {
    answer.expect(201)["id"].as_str().unwrap().to_owned()
}

/// The certificate of an authority.
fn certificate(appliance: &Appliance, id: &str) -> String {
    let answer = appliance.call("GET", &format!("/v1/pki/ca/{id}/certificate"), None);
    answer.expect(200)["certificate_pem"].as_str().unwrap().to_owned()
}

/// A certificate of this role and its chain.
#[track_caller]
fn issue(appliance: &Appliance, role: &str) -> (Value, Vec<String>) {
    let body = json!({"common_name": "www.example.com"});
    let issued = appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201);
    let chain = issued["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap().to_owned()).collect();
    (issued, chain)
}
