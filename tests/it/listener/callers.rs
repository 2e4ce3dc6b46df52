//! What is known of callers, and for how long it holds.

use std::process::Command;

use serde_json::json;

use crate::appliance::{Appliance, run};

#[test]
fn no_refused_write_of_a_known_caller_is_missing_from_the_trail() {
    let appliance = Appliance::start();
    const MANY: usize = 300;
    // Over one connection, so that it is more than was ever noted in a second.
    let mut command = Command::new("curl");
    command.args(["--silent", "--insecure", "--http1.1", "--request", "POST", "--data", "[]", "--output", "/dev/null"]);
    command.args(["--header", "Content-Type: application/json", "--header", &format!("Authorization: Bearer {}", appliance.admin_token())]);
    let url = format!("{}/v1/pki/roles", appliance.base_url());
    for _ in 0..MANY {
        command.args([&url, "--output", "/dev/null"]);
    }
    run(&mut command);
    let entries = appliance.trail();
    let refused: Vec<_> = entries.iter().filter(|entry| entry["action"] == "request.refused").collect();
    assert_eq!(refused.len(), MANY);
    for entry in refused {
        assert!(entry["details"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{entry}");
        assert!(entry["details"].get("suppressed").is_none(), "{entry}");
    }
}

#[test]
fn every_entry_of_a_request_says_where_it_came_from() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    appliance.call_as(None, "POST", "/v1/pki/issue/web", None).refused(401);
    for entry in appliance.trail() {
        let peer = entry["details"]["peer"].as_str().unwrap_or_default();
        assert_eq!(peer.starts_with("127.0.0.1:"), entry["request_id"].is_string(), "{entry}");
    }
}

#[test]
fn texts_that_turn_or_hide_are_refused() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let path = format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap());
    for bad in ["a\u{202e}b", "a\u{2066}b", "a\u{200b}b", "a\u{feff}b", "a\u{7f}b", "a\u{61c}b", "a\u{e0041}b"] {
        let token = json!({"name": bad, "scopes": ["pki:read"], "ttl": "1h"});
        assert_eq!(appliance.call("POST", "/v1/admin/tokens", Some(token)).refused(400).1, ["name"], "{bad:?}");
        assert_eq!(appliance.call("PATCH", &path, Some(json!({"tags": [bad]}))).refused(400).1, ["tags[0]"], "{bad:?}");
        assert_eq!(appliance.call("PATCH", &path, Some(json!({"description": bad}))).refused(400).1, ["description"], "{bad:?}");
    }
    for good in ["Prüfstand – Köln", "認証局", "build #3 (eu)"] {
        appliance.call("PATCH", &path, Some(json!({"tags": [good]}))).expect(200);
        appliance.call("POST", "/v1/admin/tokens", Some(json!({"name": good, "scopes": ["pki:read"], "ttl": "1h"}))).expect(201);
    }
}
