//! Paths, ids and methods that are not there.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, assert_problem, routes};

/// What stands in the place of a parameter and names nothing: well formed, of another kind, and no id at all.
const STRANGERS: [&str; 11] = [
    "ca_0123456789abcdef0123456789abcdef",
    "cert_0123456789abcdef0123456789abcdef",
    "tok_0123456789abcdef0123456789abcdef",
    "csr_0123456789abcdef0123456789abcdef",
    "ca_0123456789abcdef0123456789abcdef.crl",
    "unknown",
    "%00",
    "%ff%fe",
    "..%2f..%2fetc%2fpasswd",
    "%25s%25n",
    "CA_0123456789ABCDEF0123456789ABCDEF",
];

#[test]
fn unknown_ids_are_not_found() {
    let world = World::new();
    let token = world.appliance.admin_token();
    // What is put where nothing is becomes something.
    for route in routes().filter(|route| route.path.contains('{') && route.method != axum::http::Method::PUT) {
        let (before, rest) = route.path.split_once('{').unwrap();
        let after = rest.split_once('}').unwrap().1;
        let long = "a".repeat(2_000);
        for stranger in STRANGERS.iter().copied().chain([long.as_str()]) {
            let path = format!("{before}{stranger}{after}");
            let what = format!("{} {path}", route.method);
            assert_problem(&world.call(Some(&token), route, &path), 404, "not_found", &what);
        }
    }
}

#[test]
fn unknown_paths_are_not_found() {
    let world = World::new();
    for path in ["/", "/v1", "/v1/pki", "/v2/pki/ca", "/v1/pki/ca/", "/v1/pki//ca", "/V1/pki/ca", "/v1/pki/ca/../roles", "/healthz/x", "//"]
    {
        for token in [None, Some(world.appliance.admin_token())] {
            let answer = world.appliance.call_as(token.as_deref(), "GET", path, None);
            assert_problem(&answer, 404, "no_such_endpoint", path);
        }
    }
}

#[test]
fn other_methods_are_refused_with_those_that_are_allowed() {
    let world = World::new();
    let mut methods: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for route in routes() {
        methods.entry(world.path(route)).or_default().insert(route.method.as_str());
    }
    let token = world.appliance.admin_token();
    for (path, known) in &methods {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if known.contains(method) {
                continue;
            }
            let what = format!("{method} {path}");
            let answer = world.appliance.call_as(Some(&token), method, path, None);
            assert_problem(&answer, 405, "method_not_allowed", &what);
            let allowed = answer.header("allow").unwrap_or_else(|| panic!("RFC 9110, 15.5.6: {what} has no Allow"));
            let allowed: BTreeSet<_> = allowed.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
            assert_eq!(&allowed, known, "{what}");
        }
    }
}

#[test]
fn every_readable_route_answers_head() {
    let world = World::new();
    let token = world.appliance.admin_token();
    for route in routes().filter(|route| route.method == axum::http::Method::GET) {
        let path = world.path(route);
        let answer = world.appliance.call_as(Some(&token), "HEAD", &path, None);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "HEAD {path}");
    }
}

#[test]
fn a_head_that_is_too_long_is_refused_and_the_daemon_goes_on() {
    let world = World::new();
    let header = format!("X-Long: {}", "x".repeat(64 * 1024));
    let answer = world.appliance.curl("GET", "/healthz", None, None, &[&header]);
    assert!(answer.is_none_or(|answer| answer.status == 431), "16 KiB are the limit");
    assert_eq!(world.appliance.call_as(None, "GET", "/healthz", None).status, 200);
}
