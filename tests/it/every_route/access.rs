//! Who may call what.

use std::collections::BTreeMap;

use chancery::access::Scope;
use chancery::http::routes::ROUTES;

use super::{World, assert_problem, scope};

#[test]
fn without_a_valid_token_only_public_routes_answer() {
    let world = World::new();
    let revoked = world.appliance.token(&["pki:admin"]);
    let listed = world.appliance.call("GET", "/v1/admin/tokens", None).expect(200);
    let id = listed["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    assert_eq!(world.appliance.call("DELETE", &format!("/v1/admin/tokens/{id}"), None).status, 204);
    for route in ROUTES {
        let path = world.path(route);
        let what = format!("{} {path}", route.method);
        if scope(route).is_none() {
            let answer = world.call(None, route, &path);
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            continue;
        }
        for token in [None, Some(revoked.as_str()), Some("chy_unknown")] {
            let answer = world.call(token, route, &path);
            assert_problem(&answer, 401, "unauthenticated", &what);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"chancery\""), "RFC 9110, 11.6.1: {what}");
        }
    }
}

#[test]
fn an_authorization_of_another_form_is_refused() {
    let world = World::new();
    let token = world.appliance.admin_token();
    let get = |header: &str| world.appliance.call_raw(None, "GET", "/v1/pki/roles", None, &[header]);
    assert_eq!(get(&format!("Authorization: bearer {token}")).status, 200, "the scheme's case does not matter (RFC 9110, 11.1)");
    for header in [
        format!("Authorization: Basic {token}"),
        format!("Authorization: {token}"),
        format!("Authorization: Bearer {token}x"),
        format!("Authorization: Bearer {}", token.to_uppercase()),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer \u{fc}".to_owned(),
        format!("X-Authorization: Bearer {token}"),
        format!("Cookie: token={token}"),
    ] {
        assert_problem(&get(&header), 401, "unauthenticated", &header);
    }
    let in_query = world.appliance.call_raw(None, "GET", &format!("/v1/pki/roles?access_token={token}"), None, &[]);
    assert_problem(&in_query, 401, "unauthenticated", "a token in the query");
}

#[test]
fn a_token_of_too_narrow_a_scope_is_refused_and_an_exact_one_is_not() {
    let world = World::new();
    let tokens: BTreeMap<Scope, String> = Scope::ALL.iter().map(|scope| (*scope, world.appliance.token(&[scope.name()]))).collect();
    for route in ROUTES {
        let Some(needed) = scope(route) else { continue };
        let existing = world.path(route);
        let unknown = existing
            .replace(&world.ca, "ca_0123456789abcdef0123456789abcdef")
            .replace(&world.certificate, "cert_0123456789abcdef0123456789abcdef")
            .replace(&world.token, "tok_0123456789abcdef0123456789abcdef")
            .replace("/web", "/unknown");
        for (held, token) in &tokens {
            let what = format!("{} {unknown} with {held}", route.method);
            let answer = world.call(Some(token), route, &unknown);
            if held.includes(needed) {
                assert!(![401, 403].contains(&answer.status), "{what}: {}", answer.text());
            } else {
                assert_problem(&answer, 403, "forbidden", &what);
                // What exists is refused alike: a token learns nothing about what it may not see.
                assert_problem(&world.call(Some(token), route, &existing), 403, "forbidden", &what);
            }
        }
    }
}
