//! The matrix of who may call what: every route of the table with no token, an expired one, a malformed one, each that is too narrow, one of
//! another organisation with every right there, and the right one.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::http::Method;
use chancery::access::{Permission, Scope};
use chancery::http::routes::Route;
use serde_json::{Value, json};

use super::{DEFAULT_ORGANIZATION, Names, World, assert_problem, routes, scope};
use crate::appliance::{Answer, Appliance};
use crate::requester::Requester;

/// A body with which the route does what it is for, naming these; none where it takes none. A route that is not here fails the matrix.
pub(super) fn body(route: &Route, names: &Names) -> Option<Value> {
    let name = "made by the matrix";
    Some(match (route.method.as_str(), route.path) {
        ("GET" | "DELETE", _)
        | ("POST", "/v1/pki/ca/{id}/crl" | "/v1/webhooks/{id}/test" | "/v1/pki/certificates/{id}/unrevoke" | "/ocsp/{ca}") => {
            return None;
        }
        ("POST", "/v1/pki/ca") => {
            json!({"name": name, "common_name": "M", "ca_type": "intermediate", "parent_ca_id": names.ca, "key_type": "ec"})
        }
        ("PATCH", "/v1/pki/ca/{id}") => json!({"crl": {"delta": true}}),
        ("POST", "/api/v1/ca/{id}/crl/regenerate") => json!({"type": "full"}),
        ("POST", "/v1/pki/ca/{id}/revoke") => json!({"reason": "superseded"}),
        ("POST", "/v1/pki/roles") => json!({"name": "matrix", "ca_id": names.ca}),
        ("PATCH", "/v1/pki/roles/{name}") => json!({"ca_id": names.ca}),
        ("POST", "/v1/pki/issue/{role}") => json!({"common_name": "matrix.example.com"}),
        ("POST", "/v1/pki/sign/{role}") => json!({"csr_pem": csr()}),
        ("PATCH", "/v1/pki/certificates/{id}") => json!({"tags": ["matrix"]}),
        ("POST", "/v1/pki/certificates/{id}/private-key") => json!({}),
        ("POST", "/v1/pki/certificates/{id}/renew") => json!({"ttl": "24h"}),
        ("POST", "/v1/pki/csr") => json!({"subject": {"common_name": "matrix.example.com"}}),
        ("POST", "/v1/pki/csr/import") => json!({"csr_pem": csr()}),
        ("POST", "/v1/pki/csr/{id}/approve") => json!({}),
        ("POST", "/v1/pki/csr/{id}/reject") => json!({"reason": "matrix"}),
        ("POST", "/v1/pki/csr/{id}/sign") => json!({"ca_id": names.ca}),
        ("POST", "/v1/pki/revoke") => json!({"serial_number": names.serial}),
        ("POST", "/v1/pki/certificates/import") => json!({"certificate_pem": foreign_root()}),
        ("POST", "/v1/pki/certificates/validate") => json!({"certificate_pem": foreign_root()}),
        ("POST", "/v1/pki/trust-anchors") => json!({"name": "matrix", "certificate_pem": foreign_root()}),
        ("PUT", "/v1/secrets/{*path}") => json!({"value": name}),
        ("POST", "/v1/admin/organizations") => json!({"name": name}),
        ("PATCH", "/v1/admin/organizations/{id}") => json!({"allow_self_approval": true}),
        ("POST", "/v1/admin/projects") => json!({"name": name, "organization_id": organization(names)}),
        ("PATCH", "/v1/admin/projects/{id}") => json!({"description": name}),
        ("POST", "/v1/admin/users") => json!({"name": name, "role": "user", "organization_id": organization(names)}),
        ("PATCH", "/v1/admin/users/{id}") => json!({"name": "changed by the matrix"}),
        ("POST", "/v1/admin/tokens") => {
            json!({"name": name, "scopes": ["pki:read"], "ttl": "1h", "user_id": names.user, "project_id": names.project})
        }
        ("POST", "/api/v1/organizations/{id}/acme-credentials") => json!({"cluster_label": name}),
        ("PUT", "/api/v1/organizations/{id}/acme-incidents/{affected_id}") => json!({"explanation_url": "https://status.example.com/1"}),
        ("POST", "/v1/webhooks") => json!({"url": "https://127.0.0.1:9/matrix", "events": ["ca.*"]}),
        ("PATCH", "/v1/webhooks/{id}") => json!({"description": name}),
        (method, path) => panic!("teach the matrix what {method} {path} is for"),
    })
}

/// The organisation that the projects and users of these names are in.
fn organization(names: &Names) -> &str {
    if names.ca == Names::of_nothing().ca { &names.organization } else { DEFAULT_ORGANIZATION }
}

/// These names, where the route is about the caller's own organisation and not about one that is to be deleted.
fn own(route: &Route, names: &Names) -> Names {
    let is_changed = route.path == "/v1/admin/organizations/{id}" && route.method != Method::DELETE;
    let own = is_changed || route.path.starts_with("/api/v1/organizations/");
    if own { Names { organization: DEFAULT_ORGANIZATION.to_owned(), ..names.clone() } } else { names.clone() }
}

fn csr() -> &'static str {
    static CSR: OnceLock<String> = OnceLock::new();
    CSR.get_or_init(|| made_by_openssl("-new", "/CN=matrix.example.com"))
}

fn foreign_root() -> &'static str {
    static ROOT: OnceLock<String> = OnceLock::new();
    ROOT.get_or_init(|| made_by_openssl("-x509", "/CN=Foreign"))
}

/// A request or a certificate of a new key.
fn made_by_openssl(kind: &str, subject: &str) -> String {
    let requester = Requester::new();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k"];
    requester.openssl(&[&["req", kind], &key[..], &["-out", "c", "-subj", subject]].concat());
    requester.read("c")
}

impl World {
    fn ask(&self, token: Option<&str>, route: &Route, names: &Names) -> Answer {
        let names = own(route, names);
        self.appliance.call_as(token, route.method.as_str(), &names.path(route), body(route, &names))
    }

    fn ask_from(&self, source: &str, token: Option<&str>, route: &Route, names: &Names) -> Answer {
        let names = own(route, names);
        self.appliance.call_from(source, token, route.method.as_str(), &names.path(route), body(route, &names))
    }
}

/// A token with these scopes in an organisation.
fn token_in(appliance: &Appliance, organization: &str, scopes: &[&str], ttl: &str) -> String {
    let body = json!({"name": "matrix", "scopes": scopes, "ttl": ttl, "organization_id": organization});
    appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned()
}

/// An answer without what is different in each: the ids that were asked for, and the request's own.
fn neutral(answer: &Answer, names: &Names) -> (u16, String) {
    let request = answer.header("x-request-id").unwrap_or_default();
    // The role of this world is called as the kind of thing begins.
    let text = answer.text().replace("no such webhook", "no such thing");
    let text = names.all().iter().fold(text, |text, name| text.replace(name, "NAME"));
    (answer.status, text.replace(request, "REQUEST"))
}

#[test]
fn without_a_valid_token_only_public_routes_answer() {
    let world = World::new();
    let begun = Instant::now();
    let expired = token_in(&world.appliance, DEFAULT_ORGANIZATION, &["pki:admin"], "1s");
    let revoked = token_in(&world.appliance, DEFAULT_ORGANIZATION, &["pki:admin"], "1h");
    let listed = world.appliance.call("GET", "/v1/admin/tokens", None).expect(200);
    let id = listed["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    assert_eq!(world.appliance.call("DELETE", &format!("/v1/admin/tokens/{id}"), None).status, 204);
    std::thread::sleep(Duration::from_millis(2_100).saturating_sub(begun.elapsed()));
    for (number, route) in routes().enumerate() {
        let what = format!("{} {}", route.method, world.path(route));
        // Each from an address of its own: one that shows too many wrong tokens is told to wait.
        let source = format!("127.0.{}.{}", 1 + number / 200, 1 + number % 200);
        if scope(route).is_none() {
            let answer = world.ask(None, route, &world.names);
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            continue;
        }
        let malformed = "chy_unknown";
        for token in [None, Some(expired.as_str()), Some(revoked.as_str()), Some(malformed)] {
            let answer = world.ask_from(&source, token, route, &world.names);
            assert_problem(&answer, 401, "unauthenticated", &what);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"chancery\""), "RFC 9110, 11.6.1: {what}");
        }
    }
}

#[test]
fn a_token_of_too_narrow_a_scope_is_refused_and_an_exact_one_is_not() {
    let world = World::new();
    let tokens: Vec<_> = Scope::ALL.iter().map(|scope| (*scope, world.appliance.token(&[scope.name()]))).collect();
    let nothing = Names::of_nothing();
    for route in routes() {
        let (needed, capability) = match route.permission {
            Permission::Public => continue,
            Permission::Scope(scope) => (scope, scope),
            Permission::ScopeOrOn { scope, capability } => (scope, capability),
        };
        for (held, token) in &tokens {
            let what = format!("{} {} with {held}", route.method, route.path);
            if held.includes(needed) || held.includes(capability) {
                let answer = world.appliance.call_as(Some(token), route.method.as_str(), &nothing.path(route), Some(json!({})));
                assert!(![401, 403].contains(&answer.status), "{what}: {}", answer.text());
            } else {
                // What exists is refused as what does not: a token learns nothing about what it may not see.
                let existing = world.ask(Some(token), route, &world.names);
                assert_problem(&existing, 403, "forbidden", &what);
                let unknown = world.ask(Some(token), route, &nothing);
                assert_eq!(neutral(&existing, &world.names), neutral(&unknown, &nothing), "{what}");
            }
        }
    }
}

#[test]
fn what_another_organization_owns_does_not_exist() {
    let world = World::new();
    let make = |name: &str| world.appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": name}))).expect(201);
    let theirs = make("elsewhere")["id"].as_str().unwrap().to_owned();
    let token = token_in(&world.appliance, &theirs, &["pki:admin"], "1h");
    let nothing = Names::of_nothing();
    for route in routes().filter(|route| scope(route).is_some_and(|needed| Scope::PkiAdmin.includes(needed))) {
        let what = format!("{} {}", route.method, route.path);
        let existing = world.ask(Some(&token), route, &world.names);
        if route.path.contains('{') {
            assert_problem(&existing, 404, "not_found", &what);
        }
        if route.path == "/v1/admin/audit" {
            // It names what they asked for themselves.
            let entries = existing.json()["data"].as_array().unwrap().clone();
            assert!(!entries.is_empty() && entries.iter().all(|entry| entry["organization_id"] == *theirs), "{entries:?}");
            continue;
        }
        let unknown = world.ask(Some(&token), route, &nothing);
        // What was made, by a route that names nothing of others, is made for themselves and only once.
        if existing.status != 201 {
            assert_eq!(neutral(&existing, &world.names), neutral(&unknown, &nothing), "{what}");
        }
        for name in world.names.all().iter().filter(|name| **name != world.names.role) {
            assert!(!existing.text().contains(name) || existing.status >= 400, "{what} shows {name}: {}", existing.text());
        }
        if body(route, &world.names) != body(route, &nothing) {
            assert!((400..500).contains(&existing.status), "{what}: {}", existing.text());
        }
    }
    // Nothing of it was done.
    let admin = world.appliance.admin_token();
    let certificate = world.appliance.call("GET", &format!("/v1/pki/certificates/{}", world.names.certificate), None).expect(200);
    assert_eq!((&certificate["is_revoked"], &certificate["tags"]), (&json!(false), &json!([])));
    for route in routes().filter(|route| route.method == Method::GET) {
        let answer = world.ask(Some(&admin), route, &world.names);
        assert_eq!(answer.status, 200, "{} {}", route.path, answer.text());
    }
}

#[test]
fn the_right_token_does_what_the_route_is_for() {
    let world = World::new();
    // What is deleted, and what ends an authority, comes last.
    let rank = |route: &Route| match (route.method.as_str(), route.path) {
        ("GET", _) => 0,
        ("DELETE", "/v1/pki/roles/{name}") => 4,
        ("DELETE", _) => 3,
        (_, path) if path.ends_with("/revoke") => 2,
        _ => 1,
    };
    let mut routes: Vec<_> = routes().collect();
    routes.sort_by_key(|route| rank(route));
    for route in routes {
        let token = scope(route).map(|needed| {
            // Who makes a user or a token gives a right, and must have it.
            let scopes = [needed.name(), "pki:read"];
            token_in(&world.appliance, DEFAULT_ORGANIZATION, &scopes, "1h")
        });
        let answer = world.ask(token.as_deref(), route, &world.names);
        let what = format!("{} {}", route.method, route.path);
        assert!((200..300).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    }
}

#[test]
fn a_capability_on_one_authority_opens_what_is_about_that_one() {
    let world = World::new();
    let other = world.appliance.root("other", "ec", 256);
    let on = |scopes: &[String]| {
        let scopes: Vec<_> = scopes.iter().map(String::as_str).collect();
        world.appliance.token(&scopes)
    };
    let routes: Vec<_> = routes().filter(|route| matches!(route.permission, Permission::ScopeOrOn { .. })).collect();
    assert!(!routes.is_empty());
    for route in routes {
        let Permission::ScopeOrOn { capability, .. } = route.permission else { continue };
        let what = format!("{} {} with {capability}", route.method, route.path);
        let elsewhere = on(&[format!("{capability}@{other}")]);
        let answer = world.ask(Some(&elsewhere), route, &world.names);
        assert!(matches!(answer.status, 404), "{what} on another authority: {} {}", answer.status, answer.text());
        let reads = on(&[format!("{capability}@{other}"), "pki:read".to_owned()]);
        assert_problem(&world.ask(Some(&reads), route, &world.names), 403, "forbidden", &what);
        let here = on(&[format!("{capability}@{}", world.names.ca)]);
        let answer = world.ask(Some(&here), route, &world.names);
        assert!((200..300).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    }
}
