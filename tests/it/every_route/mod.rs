//! What holds for every endpoint, asked of the table of routes itself: a route that is added is tested by being in it.

mod access;
mod bodies;
mod paths;
mod secrets;

use axum::http::Method;
use chancery::access::{Permission, Scope};
use chancery::http::routes::{ROUTES, Route};
use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};

/// An appliance in which every route has something to name.
struct World {
    appliance: Appliance,
    ca: String,
    certificate: String,
    token: String,
    anchor: String,
}

impl World {
    fn new() -> Self {
        let appliance = Appliance::start();
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, json!({}));
        let id = |value: Value| value["id"].as_str().unwrap().to_owned();
        let body = json!({"common_name": "www.example.com"});
        let certificate = id(appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201));
        let body = json!({"name": "spare", "scopes": ["pki:read"], "ttl": "1h"});
        let token = id(appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201));
        let pem = appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200)["certificate_pem"].clone();
        let body = json!({"name": "ours", "certificate_pem": pem});
        let anchor = id(appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201));
        Self { appliance, ca, certificate, token, anchor }
    }

    /// The route's path with parameters that exist.
    fn path(&self, route: &Route) -> String {
        let id = match route.path {
            path if path.starts_with("/v1/pki/ca/") => &self.ca,
            path if path.starts_with("/v1/pki/certificates/") => &self.certificate,
            path if path.starts_with("/v1/pki/trust-anchors/") => &self.anchor,
            path if path.starts_with("/v1/admin/tokens/") => &self.token,
            _ => "",
        };
        let file = if route.path == "/crl/{file}" { format!("{}.crl", self.ca) } else { format!("{}.crt", self.ca) };
        let path = [("{id}", id), ("{name}", "web"), ("{role}", "web"), ("{file}", &file)]
            .iter()
            .fold(route.path.to_owned(), |path, (parameter, value)| path.replace(parameter, value));
        assert!(!path.contains(['{', '}']) && !path.contains("//"), "teach this test the parameters of {path}");
        path
    }

    /// A call of a route with a JSON object that says nothing.
    fn call(&self, token: Option<&str>, route: &Route, path: &str) -> Answer {
        let body = (route.method != Method::GET).then_some(json!({}));
        self.appliance.call_as(token, route.method.as_str(), path, body)
    }
}

/// The scope a route asks for; none when it is public.
fn scope(route: &Route) -> Option<Scope> {
    match route.permission {
        Permission::Public => None,
        Permission::Scope(scope) => Some(scope),
    }
}

/// The routes that read a body.
fn body_routes() -> impl Iterator<Item = &'static Route> {
    let bodiless = ["/v1/pki/ca/{id}/crl"];
    ROUTES.iter().filter(move |route| [Method::POST, Method::PATCH].contains(&route.method) && !bodiless.contains(&route.path))
}

/// That an answer is a problem document of this status and code, whole and with the id of its request.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{what}: {problem}");
    assert_eq!(problem["status"], status, "{what}");
    assert_eq!(problem["type"], format!("urn:chancery:problem:{code}"), "{what}");
    assert!(problem["title"].is_string() && !problem["detail"].as_str().unwrap().is_empty(), "{what}: {problem}");
    let request = answer.header("x-request-id").unwrap_or_else(|| panic!("{what} has no request id"));
    assert!(request.starts_with("req_"), "{what}: {request}");
    assert_eq!(problem["request_id"], request, "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
}
