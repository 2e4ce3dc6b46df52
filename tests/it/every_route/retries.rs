//! `Idempotency-Key` on every route that makes something: by the table, and over the loss of the answer.

use axum::http::Method;
use chancery::http::idempotency;
use chancery::http::routes::{ROUTES, Route};
use chancery::storage::{Change, Class, Options, Storage, Table};
use serde_json::{Value, json};

use super::{World, assert_problem, matrix, routes};
use crate::appliance::{Answer, Appliance};

const KEY: &str = "Idempotency-Key: the very same";

fn making() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| idempotency::is_for(route))
}

impl World {
    fn make(&self, token: &str, route: &Route, body: &Value, key: &str) -> Answer {
        let headers = ["Content-Type: application/json", key];
        self.appliance.call_raw(Some(token), route.method.as_str(), &self.path(route), Some(body.to_string().as_bytes()), &headers)
    }
}

/// An answer's members without what is told once, and without what is said about that.
fn told_again(answer: &Answer) -> Value {
    let mut body = answer.expect(201);
    let members = body.as_object_mut().unwrap();
    for name in ["private_key", "token", "secret", "eab_hmac_key", "warnings"] {
        members.remove(name);
    }
    // How far a webhook is changes with every event.
    if members.get("status").is_some_and(Value::is_object) {
        members.remove("status");
    }
    body
}

#[test]
fn what_is_sent_again_is_answered_again_and_not_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()));
    let admin = world.appliance.admin_token();
    // What is to be signed has been approved before.
    world.appliance.call("POST", &format!("/v1/pki/csr/{}/approve", world.names.request), None).expect(200);
    let scopes = ["pki:admin", "system", "secrets:read", "secrets:write"];
    let other = world.appliance.token(&scopes);
    let mut first = Vec::new();
    for route in making() {
        let what = format!("{} {}", route.method, route.path);
        let body = matrix::body(route, &world.names).unwrap();
        // A refusal is not kept, whatever it was sent with.
        assert_problem(&world.make(&admin, route, &json!({"no_such_field": 1}), KEY), 400, "invalid_request", &what);
        let answer = world.make(&admin, route, &body, KEY);
        assert_eq!(answer.header("idempotency-replayed"), None, "{what}");
        let told = told_again(&answer);
        let again = world.make(&admin, route, &body, KEY);
        assert_eq!((again.header("idempotency-replayed"), told_again(&again)), (Some("true"), told.clone()), "{what}");
        let secrets = ["private_key", "token", "secret", "eab_hmac_key"]
            .iter()
            .filter(|name| answer.json().get(name).is_some_and(Value::is_string))
            .count();
        let text = again.text();
        assert!(!text.contains("PRIVATE KEY") && !text.contains("\"chy_"), "{what}: {text}");
        assert_eq!(text.matches("is not repeated").count(), secrets, "{what}: {text}");
        if secrets == 0 {
            assert_eq!(again.body, answer.body, "{what}: byte for byte");
        }
        let mut changed = body.clone();
        changed["no_such_field"] = json!(1);
        assert_problem(&world.make(&admin, route, &changed, KEY), 422, "idempotency_key_reused", &what);
        // The key of another caller is another key.
        let answer = world.make(&other, route, &body, KEY);
        assert_eq!(answer.header("idempotency-replayed"), None, "{what}");
        if answer.status == 201 {
            assert_ne!(told_again(&answer), told, "{what}");
        }
        first.push((route, body, told, secrets));
    }
    assert!(first.len() >= 9, "the table was looked through");
    // As if the daemon had been killed after the deed and before its answer was kept.
    assert!(world.appliance.stop());
    let (storage, _) = Storage::open(&dir.path().join("data"), Options::default()).unwrap();
    let answers: Vec<_> = storage.scan_keys(Table::IdempotencyAnswers, &[], None).map(Result::unwrap).collect();
    assert!(answers.len() >= first.len());
    let change = answers.iter().fold(Change::new(Class::Normal), |change, key| change.delete(Table::IdempotencyAnswers, key));
    storage.commit_blocking(change).unwrap();
    drop(storage);
    world.appliance = Appliance::start_in(dir.path());
    for (route, body, told, secrets) in first {
        let what = format!("{} {} after the answer was lost", route.method, route.path);
        for _ in 0..2 {
            let again = world.make(&admin, route, &body, KEY);
            assert_eq!((again.header("idempotency-replayed"), told_again(&again)), (Some("true"), told.clone()), "{what}");
            assert_eq!(again.text().matches("is not repeated").count(), secrets, "{what}: {}", again.text());
        }
        assert_problem(&world.make(&admin, route, &json!({}), KEY), 422, "idempotency_key_reused", &what);
    }
}

#[test]
fn a_key_is_printable_and_one() {
    let world = World::new();
    let admin = world.appliance.admin_token();
    let long = format!("Idempotency-Key: {}", "k".repeat(256));
    for route in making() {
        let body = matrix::body(route, &world.names).unwrap();
        for key in ["Idempotency-Key;", &long, "Idempotency-Key: \u{e9}", "Idempotency-Key: a\tb"] {
            let what = format!("{} {} with {key:?}", route.method, route.path);
            let answer = world.make(&admin, route, &body, key);
            assert_problem(&answer, 400, "invalid_request", &what);
            assert_eq!(answer.refused(400).1, ["Idempotency-Key"], "{what}");
        }
    }
    let twice = ["Content-Type: application/json", "Idempotency-Key: a", "Idempotency-Key: b"];
    let answer = world.appliance.call_raw(Some(&admin), "POST", "/v1/pki/roles", Some(b"{}"), &twice);
    assert_eq!(answer.refused(400).1, ["Idempotency-Key"]);
}

#[test]
fn every_post_that_answers_201_takes_a_key_and_no_other_route_does() {
    let world = World::new();
    let document = world.appliance.call_as(None, "GET", "/v1/openapi.json", None).expect(200);
    for route in routes() {
        let path = route.path.replace("{*", "{");
        let operation = &document["paths"][path][route.method.as_str().to_ascii_lowercase()];
        let creates = route.method == Method::POST && operation["responses"].get("201").is_some();
        let takes = operation["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!((takes, idempotency::is_for(route)), (creates, creates), "{} {}", route.method, route.path);
        assert_eq!(operation["responses"].get("422").is_some(), creates, "{} {}", route.method, route.path);
    }
}
