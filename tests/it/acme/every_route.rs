//! What holds for every route of the server, by the table of routes.

use axum::http::Method;
use chancery::access::Permission;
use chancery::http::routes::{ROUTES, Route};
use serde_json::json;

use super::client::{Client, JOSE, assert_refused, refusal};
use super::open;
use crate::appliance::Appliance;

fn signed() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.is_acme() && route.method == Method::POST && !route.path.ends_with("/new-nonce"))
}

/// A path whose parameter names nothing.
fn path(route: &Route) -> String {
    route.path.replace("{id}", "ord_0123456789abcdef0123456789abcdef")
}

#[test]
fn a_signature_stands_for_a_token_everywhere() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let admin = appliance.admin_token();
    assert!(signed().count() >= 11, "the table was looked through");
    for route in signed() {
        let path = path(route);
        assert_eq!(route.permission, Permission::Public);
        for token in [None, Some(admin.as_str())] {
            let answer = appliance.call_raw(token, "POST", &path, Some(b"{}"), &[JOSE]);
            // What names nothing is told so before anything is read.
            let status = if route.path.contains('{') { 404 } else { 400 };
            assert_refused(&answer, status, "malformed");
            assert!(answer.header("replay-nonce").is_some(), "{path}");
        }
        if !route.path.contains('{') {
            let answer = appliance.call_raw(None, "POST", &path, Some(b"{}"), &["Content-Type: application/json"]);
            assert_refused(&answer, 415, "malformed");
        }
        assert_refused(&appliance.call_raw(None, "GET", &path, None, &[]), 405, "malformed");
        // With a slash at the end it is the same.
        let (status, _) = refusal(&appliance.call_raw(None, "POST", &format!("{path}/"), Some(b"{}"), &[JOSE]));
        assert!([400, 404].contains(&status), "{path}/: {status}");
    }
    // A request for a URL with a slash is signed for that URL.
    let url = format!("{}/", client.url("new-order"));
    let payload = br#"{"identifiers":[{"type":"dns","value":"a.internal.example.com"}]}"#;
    client.send_signed(&url, &client.header(&url), payload).expect(201);
}

#[test]
fn there_is_no_server_where_it_is_off() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Appliance::start_in(dir.path()).stop());
    let config = dir.path().join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("[acme]\nenabled = true\n", "")).unwrap();
    let appliance = Appliance::start_in(dir.path());
    for route in ROUTES.iter().filter(|route| route.is_acme()) {
        let answer = appliance.call_raw(None, route.method.as_str(), &path(route), None, &[JOSE]);
        assert_eq!(answer.status, 404, "{} {}", route.method, route.path);
    }
    let answer = appliance.call("POST", super::client::CREDENTIALS, Some(json!({})));
    assert_eq!(answer.refused(409).0, "acme_disabled");
}

#[test]
fn a_credential_is_of_one_organization_and_its_fields_are_held_to_what_they_may_be() {
    let (appliance, credential) = open();
    let make = |body| appliance.call("POST", super::client::CREDENTIALS, Some(body));
    for (body, field) in [
        (json!({"project_id": "proj_0123456789abcdef0123456789abcdef"}), "project_id"),
        (json!({"default_template_id": "unknown"}), "default_template_id"),
        (json!({"cluster_label": "a\nb"}), "cluster_label"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"max_uses": 0}), "max_uses"),
        (json!({"allowed_names": ["*"]}), "allowed_names[0]"),
    ] {
        assert_eq!(make(body).refused(400), ("invalid_request".to_owned(), vec![field.to_owned()]));
    }
    let organization = appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": "other"}))).expect(201);
    let body = json!({"name": "t", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": organization["id"]});
    let token = appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
    let theirs = format!("/api/v1/organizations/{}/acme-credentials", organization["id"].as_str().unwrap());
    let own = format!("{}/{}", super::client::CREDENTIALS, credential.id);
    for (method, path) in [("GET", super::client::CREDENTIALS), ("DELETE", own.as_str())] {
        assert_eq!(appliance.call_as(Some(&token), method, path, None).refused(404).0, "not_found");
    }
    let others = format!("{theirs}/{}", credential.id);
    assert_eq!(appliance.call_as(Some(&token), "DELETE", &others, None).refused(404).0, "not_found");
    appliance.call_as(Some(&token), "POST", &theirs, Some(json!({}))).expect(201);
    let listed = appliance.call_as(Some(&token), "GET", &theirs, None).expect(200);
    assert_eq!(listed["pagination"], json!({"page": 1, "per_page": 100, "total": 1}));
}
