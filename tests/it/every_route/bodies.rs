//! Bodies that are not what a route wants.

use std::collections::BTreeSet;

use axum::http::Method;
use chancery::access::Permission;
use chancery::api::acme::{CreateCredential, DeclareIncident};
use chancery::api::admin::{CreateOrganization, CreateProject, CreateToken, CreateUser, UpdateOrganization, UpdateProject, UpdateUser};
use chancery::api::body::{Body, FieldSpec, Kind};
use chancery::api::crl::{RegenerateCrl, UpdateAuthority};
use chancery::api::events::{CreateWebhook, UpdateWebhook};
use chancery::api::import::ImportCertificate;
use chancery::api::pki::{
    ApproveSigningRequest, CreateAuthority, CreateRole, CreateSigningRequest, CreateTrustAnchor, ImportSigningRequest, Issue,
    RejectSigningRequest, Renew, RetrievePrivateKey, Revoke, RevokeAuthority, Sign, SignSigningRequest, UpdateCertificate, UpdateRole,
    Validate,
};
use chancery::api::secrets::WriteSecret;
use chancery::http::routes::Route;
use serde_json::{Map, Value, json};

use super::{World, assert_problem, body_routes};
use crate::appliance::Answer;

const JSON: &[&str] = &["Content-Type: application/json"];

/// Where an empty body is a body without fields.
const BODY_MAY_BE_EMPTY: [&str; 5] = [
    "/v1/pki/ca/{id}/revoke",
    "/v1/pki/certificates/{id}/private-key",
    "/v1/pki/csr/{id}/approve",
    "/v1/pki/certificates/{id}/renew",
    "/api/v1/organizations/{id}/acme-incidents/{affected_id}",
];

fn fields(route: &Route) -> &'static [FieldSpec] {
    match (route.method.as_str(), route.path) {
        ("POST", "/v1/pki/ca") => CreateAuthority::FIELDS,
        ("PATCH", "/v1/pki/ca/{id}") => UpdateAuthority::FIELDS,
        ("POST", "/api/v1/ca/{id}/crl/regenerate") => RegenerateCrl::FIELDS,
        ("POST", "/v1/pki/ca/{id}/revoke") => RevokeAuthority::FIELDS,
        ("POST", "/v1/pki/roles") => CreateRole::FIELDS,
        ("PATCH", "/v1/pki/roles/{name}") => UpdateRole::FIELDS,
        ("POST", "/v1/pki/issue/{role}") => Issue::FIELDS,
        ("POST", "/v1/pki/sign/{role}") => Sign::FIELDS,
        ("PATCH", "/v1/pki/certificates/{id}") => UpdateCertificate::FIELDS,
        ("POST", "/v1/pki/certificates/{id}/private-key") => RetrievePrivateKey::FIELDS,
        ("POST", "/v1/pki/certificates/import") => ImportCertificate::FIELDS,
        ("POST", "/v1/pki/certificates/validate") => Validate::FIELDS,
        ("POST", "/v1/pki/certificates/{id}/renew") => Renew::FIELDS,
        ("POST", "/v1/pki/csr") => CreateSigningRequest::FIELDS,
        ("POST", "/v1/pki/csr/import") => ImportSigningRequest::FIELDS,
        ("POST", "/v1/pki/csr/{id}/approve") => ApproveSigningRequest::FIELDS,
        ("POST", "/v1/pki/csr/{id}/reject") => RejectSigningRequest::FIELDS,
        ("POST", "/v1/pki/csr/{id}/sign") => SignSigningRequest::FIELDS,
        ("POST", "/v1/pki/trust-anchors") => CreateTrustAnchor::FIELDS,
        ("PUT", "/v1/secrets/{*path}") => WriteSecret::FIELDS,
        ("POST", "/v1/pki/revoke") => Revoke::FIELDS,
        ("POST", "/v1/admin/tokens") => CreateToken::FIELDS,
        ("POST", "/v1/admin/organizations") => CreateOrganization::FIELDS,
        ("PATCH", "/v1/admin/organizations/{id}") => UpdateOrganization::FIELDS,
        ("POST", "/v1/admin/projects") => CreateProject::FIELDS,
        ("PATCH", "/v1/admin/projects/{id}") => UpdateProject::FIELDS,
        ("POST", "/v1/admin/users") => CreateUser::FIELDS,
        ("PATCH", "/v1/admin/users/{id}") => UpdateUser::FIELDS,
        ("POST", "/api/v1/organizations/{id}/acme-credentials") => CreateCredential::FIELDS,
        ("PUT", "/api/v1/organizations/{id}/acme-incidents/{affected_id}") => DeclareIncident::FIELDS,
        ("POST", "/v1/webhooks") => CreateWebhook::FIELDS,
        ("PATCH", "/v1/webhooks/{id}") => UpdateWebhook::FIELDS,
        (method, path) => panic!("teach this test the body of {method} {path}"),
    }
}

impl World {
    fn send(&self, route: &Route, body: &[u8], headers: &[&str]) -> Answer {
        let token = self.appliance.admin_token();
        self.appliance.call_raw(Some(&token), route.method.as_str(), &self.path(route), Some(body), headers)
    }
}

/// The fields an answer complains about, without the place inside a list or an object.
fn complaints(answer: &Answer) -> BTreeSet<String> {
    let problem = answer.json();
    let named = problem["violations"].as_array().into_iter().flatten().map(|violation| violation["field"].as_str().unwrap().to_owned());
    named.map(|field| field.split(['[', '.']).next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_is_no_json_object_is_refused() {
    let world = World::new();
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let deep_field = [br#"{"x":"#.repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat();
    let bodies: [&[u8]; 17] = [
        b"",
        b" ",
        b"not json",
        b"null",
        b"42",
        b"\"text\"",
        b"[]",
        b"[{}]",
        b"{",
        b"{\"a\":",
        b"{} {}",
        b"{}x",
        b"{\"\xff\": 1}",
        b"\xef\xbb\xbf{}",
        b"{'name': 'single quotes'}",
        &deep,
        &deep_field,
    ];
    for route in body_routes() {
        for body in bodies {
            if body.is_empty() && BODY_MAY_BE_EMPTY.contains(&route.path) {
                continue;
            }
            let what = format!("{} {} with {:?}", route.method, route.path, String::from_utf8_lossy(&body[..body.len().min(20)]));
            let answer = world.send(route, body, JSON);
            if body.len() > route.body_limit {
                assert_problem(&answer, 413, "body_too_large", &what);
                continue;
            }
            assert_problem(&answer, 400, "invalid_request", &what);
            assert!(!complaints(&answer).is_empty(), "{what}: {}", answer.text());
        }
    }
}

#[test]
fn fields_of_a_wrong_type_are_all_named() {
    let world = World::new();
    let values = [json!(null), json!(5), json!(-1), json!(1.5), json!(1e30), json!(true), json!("text"), json!([1]), json!({"a": [1]})];
    for route in body_routes() {
        for value in &values {
            let fits = |field: &FieldSpec| match (field.kind, value) {
                (_, Value::Null) => !field.required,
                (Kind::Text, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => true,
                (Kind::Integer, Value::Number(number)) => number.as_u64().is_some(),
                _ => false,
            };
            let wrong: BTreeSet<_> = fields(route).iter().filter(|field| !fits(field)).map(|field| field.name.to_owned()).collect();
            if wrong.is_empty() {
                continue;
            }
            let body: Map<String, Value> = fields(route).iter().map(|field| (field.name.to_owned(), value.clone())).collect();
            let what = format!("{} {} with {value} everywhere", route.method, route.path);
            let answer = world.send(route, Value::Object(body).to_string().as_bytes(), JSON);
            assert_problem(&answer, 400, "invalid_request", &what);
            assert_eq!(complaints(&answer), wrong, "{what}: {}", answer.text());
        }
    }
}

#[test]
fn unknown_missing_and_repeated_fields_are_all_named() {
    let world = World::new();
    for route in body_routes() {
        let known = fields(route)[0].name;
        let body = format!("{{\"{known}\": null, \"no_such_field\": {{\"deep\": [1]}}, \"{known}\": null}}");
        let answer = world.send(route, body.as_bytes(), JSON);
        let what = format!("{} {} with {body}", route.method, route.path);
        assert_problem(&answer, 400, "invalid_request", &what);
        let mut wanted: BTreeSet<_> = fields(route).iter().filter(|field| field.required).map(|field| field.name.to_owned()).collect();
        wanted.extend([known.to_owned(), "no_such_field".to_owned()]);
        assert_eq!(complaints(&answer), wanted, "{what}: {}", answer.text());
        let many: String = (0..5_000).map(|i| format!("\"f{i}\":0,")).collect();
        let answer = world.send(route, format!("{{{many}\"z\":0}}").as_bytes(), JSON);
        assert_problem(&answer, 400, "invalid_request", "very many fields");
        assert!(answer.body.len() < 64 * 1024, "the answer to a flood is small");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let world = World::new();
    for route in body_routes() {
        let body = format!("{{\"x\": \"{}\"}}", "x".repeat(route.body_limit));
        let what = format!("{} {}", route.method, route.path);
        assert_problem(&world.send(route, body.as_bytes(), JSON), 413, "body_too_large", &what);
        let chunked = ["Content-Type: application/json", "Transfer-Encoding: chunked"];
        assert_problem(&world.send(route, body.as_bytes(), &chunked), 413, "body_too_large", &format!("{what} in chunks"));
        let huge = "x".repeat(route.body_limit + 3 * 1024 * 1024);
        assert_problem(&world.send(route, huge.as_bytes(), JSON), 413, "body_too_large", &format!("{what} by far"));
        let fits = format!("{{\"x\": \"{}\"}}", "x".repeat(route.body_limit - 9));
        assert_eq!(fits.len(), route.body_limit);
        assert_problem(&world.send(route, fits.as_bytes(), JSON), 400, "invalid_request", &format!("{what} at the limit"));
    }
}

#[test]
fn a_body_of_another_media_type_is_refused() {
    let world = World::new();
    for route in body_routes() {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x", "json", ""]
        {
            let what = format!("{} {} as {kind:?}", route.method, route.path);
            // An empty value is written with a semicolon on curl's command line.
            let header = if kind.is_empty() { "Content-Type;".to_owned() } else { format!("Content-Type: {kind}") };
            assert_problem(&world.send(route, b"{}", &[&header]), 415, "unsupported_media_type", &what);
        }
        let answer = world.send(route, b"[]", &["Content-Type: Application/JSON; charset=utf-8"]);
        assert_problem(&answer, 400, "invalid_request", "parameters and case of a media type do not matter (RFC 9110, 8.3.1)");
    }
}

#[test]
fn refused_writes_are_in_the_audit_trail() {
    let world = World::new();
    let narrow = world.appliance.token(&["pki:read"]);
    let (mut refused, mut open) = (Vec::new(), Vec::new());
    for route in super::routes().filter(|route| route.method != Method::GET) {
        let path = super::Names::of_nothing().path(route);
        let token = world.appliance.admin_token();
        for token in [None, Some(narrow.as_str()), Some(token.as_str())] {
            let answer = world.appliance.call_raw(token, route.method.as_str(), &path, Some(b"[]"), JSON);
            assert!((400..500).contains(&answer.status), "{} {path}: {}", route.method, answer.text());
            if route.permission == Permission::Public {
                open.push(answer.header("x-request-id").unwrap().to_owned());
                continue;
            }
            // Strangers may ask for anything, so of theirs only the route is told.
            let told = if token.is_some() { path.clone() } else { route.path.to_owned() };
            refused.push((answer.header("x-request-id").unwrap().to_owned(), answer.json(), route, told));
            // Fewer than are noted of strangers in a second; what known callers were refused is always noted.
            if token.is_none() {
                std::thread::sleep(std::time::Duration::from_millis(110));
            }
        }
    }
    let trail = world.appliance.trail();
    // What anybody may ask for changes nothing, and who asks must not fill the trail.
    assert!(!open.is_empty());
    assert!(trail.iter().all(|entry| !open.iter().any(|id| entry["request_id"] == **id)));
    for (id, problem, route, path) in &refused {
        let what = format!("{} {} {problem}", route.method, route.path);
        let entry = trail.iter().find(|entry| entry["request_id"] == *id);
        let entry = entry.unwrap_or_else(|| panic!("not in the trail: {what}"));
        assert_eq!(entry["action"], "request.refused", "{what}");
        assert_eq!(entry["outcome"], format!("refused: {}", problem["code"].as_str().unwrap()), "{what}");
        assert_eq!(entry["details"]["method"], route.method.as_str(), "{what}");
        assert_eq!(entry["details"]["path"], *path, "{what}");
        assert_eq!(entry["actor"] == "anonymous", problem["status"] == 401, "{what}: {entry}");
    }
}
