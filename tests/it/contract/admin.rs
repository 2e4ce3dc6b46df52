//! Tokens, the audit trail, health and metrics.

use std::time::Duration;

use serde_json::{Value, json};

use super::{World, assert_fields, time};

#[test]
fn a_token_is_shown_once_and_ends_when_it_is_revoked() {
    let world = World::new();
    let body = json!({"name": "deploy", "scopes": ["pki:issue"], "ttl": "30d"});
    let made = world.appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201);
    assert_fields(&made, &["id", "organization_id", "name", "scopes", "created_at", "expires_at", "is_active", "token"]);
    assert_eq!((&made["name"], &made["scopes"], &made["is_active"]), (&json!("deploy"), &json!(["pki:issue"]), &json!(true)));
    assert_eq!(time(&made["expires_at"]).as_second() - time(&made["created_at"]).as_second(), 30 * 86_400);
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("chy_") && secret.len() >= 4 + 43, "256 random bits");
    let mut listed = made.clone();
    listed.as_object_mut().unwrap().remove("token");
    let all = world.all("/v1/admin/tokens");
    assert_eq!(all.len(), 2, "the development token and this");
    assert_eq!(all[1], listed);
    assert_eq!(world.all("/v1/admin/tokens?limit=1"), all);

    world.appliance.call_as(Some(secret), "GET", "/v1/pki/roles", None).expect(200);
    let path = format!("/v1/admin/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(world.appliance.call("DELETE", &path, None).status, 204);
    assert_eq!(world.appliance.call_as(Some(secret), "GET", "/v1/pki/roles", None).refused(401).0, "unauthenticated");
    assert_eq!(world.appliance.call("DELETE", &path, None).refused(404).0, "not_found");
}

#[test]
fn a_token_ends_by_itself() {
    let world = World::new();
    let body = json!({"name": "brief", "scopes": ["pki:read"], "ttl": "2s"});
    let made = world.appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201);
    let read = || world.appliance.call_as(made["token"].as_str(), "GET", "/v1/pki/roles", None);
    read().expect(200);
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(read().refused(401).0, "unauthenticated");
    assert_eq!(world.all("/v1/admin/tokens")[1]["is_active"], false);
}

#[test]
fn a_token_that_cannot_stand_is_refused_with_every_fault() {
    let world = World::new();
    let create = |body| world.appliance.call("POST", "/v1/admin/tokens", Some(body)).refused(400).1;
    let body = json!({"name": "", "scopes": ["pki:read", "root"], "ttl": "367d"});
    assert_eq!(create(body), ["name", "scopes[1]", "ttl"]);
    assert_eq!(create(json!({"name": "x", "scopes": [], "ttl": "1h"})), ["scopes"]);
    assert_eq!(create(json!({"name": "x", "scopes": ["pki:read"]})), ["ttl"], "every token ends");
}

#[test]
fn the_audit_trail_tells_who_did_what_in_which_request() {
    let world = World::new();
    let token = world.appliance.token(&["pki:issue"]);
    let body = json!({"common_name": "www.internal"});
    let answer = world.appliance.call_as(Some(&token), "POST", "/v1/pki/issue/svc-mtls", Some(body));
    let issued = answer.expect(201);
    let trail = world.all("/v1/admin/audit?limit=3");
    let sequences: Vec<_> = trail.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    let actions: Vec<_> = trail.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["daemon.start", "token.create", "key.generate", "ca.create", "role.create", "certificate.intend", "crl.publish"] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    let issue = trail.iter().find(|entry| entry["action"] == "certificate.issue").expect("the certificate");
    assert_fields(
        issue,
        &["sequence", "time", "request_id", "organization_id", "actor", "action", "severity", "object", "outcome", "details"],
    );
    time(&issue["time"]);
    assert_eq!((&issue["object"], &issue["outcome"]), (&issued["id"], &json!("done")));
    assert_eq!(issue["request_id"].as_str(), answer.header("x-request-id"));
    assert!(issue["actor"].as_str().unwrap().contains("(a test's)"), "{issue}");
    assert_eq!(issue["details"]["serial_number"], issued["serial_number"]);
    let intended = trail.iter().position(|entry| entry["details"]["serial_number"] == issued["serial_number"]).unwrap();
    assert_eq!(actions[intended], "certificate.intend", "the intention comes first");
}

#[test]
fn an_audit_cursor_finds_what_came_after_it() {
    let world = World::new();
    let first = world.get("/v1/admin/audit?limit=2");
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    world.issue("later");
    let mut rest: Vec<Value> = Vec::new();
    let mut page = world.get(&format!("/v1/admin/audit?cursor={cursor}"));
    loop {
        rest.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["cursor"].as_str() else { break };
        page = world.get(&format!("/v1/admin/audit?cursor={cursor}"));
    }
    assert_eq!(rest[0]["sequence"].as_u64(), first["data"][1]["sequence"].as_u64().map(|last| last + 1), "nothing is skipped");
    assert!(rest.iter().any(|entry| entry["details"]["common_name"] == "later.svc.cluster.local"));
    assert_eq!(world.appliance.call("GET", "/v1/admin/audit?cursor=AAAA", None).refused(400).1, ["cursor"]);
}

#[test]
fn health_is_public_and_says_what_is_well() {
    let world = World::new();
    let health = world.appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert_fields(&health, &["status", "token", "tokens", "storage", "crls", "version"]);
    assert_eq!(health["crls"], "ok");
    assert_eq!(health["tokens"], json!([{"name": "main", "status": "ok"}]));
    assert_eq!((&health["status"], &health["token"], &health["storage"]), (&json!("ok"), &json!("ok"), &json!("ok")));
}

#[test]
fn metrics_count_requests_signatures_and_changes() {
    let world = World::new();
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let scrape = || {
        let answer = world.appliance.call_as(None, "GET", "/metrics", None);
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
        answer.text()
    };
    let before = scrape();
    assert!(before.ends_with("# EOF\n"), "the end of OpenMetrics");
    assert_eq!(value(&before, "chancery_token_reachable"), 1.0);
    assert_eq!(value(&before, "chancery_storage_failed"), 0.0);
    world.issue("one");
    world.issue("two");
    let after = scrape();
    let issued = r#"chancery_http_requests_total{method="POST",path="/v1/pki/issue/{role}",status="201"}"#;
    assert_eq!(value(&after, issued), 2.0);
    assert!(value(&after, "chancery_token_signatures_total") >= value(&before, "chancery_token_signatures_total") + 2.0);
    assert!(value(&after, "chancery_journal_sequence") >= value(&before, "chancery_journal_sequence") + 4.0);
    assert!(!after.contains("cluster.local") && !after.contains(&world.issuing), "names and ids are no labels");
}
