//! What holds for every endpoint, asked of the table of routes itself: a route that is added is tested by being in it.

mod access;
mod bodies;
mod matrix;
mod paths;
mod retries;
mod secrets;
mod timing;

use axum::http::Method;
use chancery::access::{Permission, Scope};
use chancery::http::routes::{ROUTES, Route};
use serde_json::{Value, json};

use crate::acme::client::{Client, Credential};
use crate::appliance::{Answer, Appliance};

/// An appliance in which every route has something to name.
pub struct World {
    pub appliance: Appliance,
    names: Names,
}

/// What the routes name.
#[derive(Clone)]
struct Names {
    ca: String,
    certificate: String,
    /// One that is on hold.
    held: String,
    serial: String,
    role: String,
    token: String,
    anchor: String,
    /// A request that is pending.
    request: String,
    /// Another one, to be rejected.
    refused: String,
    /// One without authorities.
    organization: String,
    project: String,
    user: String,
    webhook: String,
    secret: String,
    /// One that binds ACME accounts.
    credential: String,
    /// One of an ACME client.
    account: String,
}

/// The organisation that everything belongs to that no other is named for.
const DEFAULT_ORGANIZATION: &str = "org_00000000000000000000000000000001";

impl Names {
    /// Names of the same form that nothing has.
    fn of_nothing() -> Self {
        let id = |prefix: &str| format!("{prefix}0123456789abcdef0123456789abcdef");
        Self {
            ca: id("ca_"),
            certificate: id("cert_"),
            held: id("cert_"),
            serial: "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF".to_owned(),
            role: "unknown".to_owned(),
            token: id("tok_"),
            anchor: id("trust_anchor_"),
            request: id("csr_"),
            refused: id("csr_"),
            organization: id("org_"),
            project: id("proj_"),
            user: id("usr_"),
            secret: "unknown/secret".to_owned(),
            webhook: id("webhook_"),
            credential: id("cred_"),
            account: id("acct_"),
        }
    }

    fn all(&self) -> [&str; 16] {
        let Self {
            ca,
            certificate,
            held,
            serial,
            role,
            token,
            anchor,
            request,
            refused,
            organization,
            project,
            user,
            webhook,
            secret,
            credential,
            account,
        } = self;
        [
            ca,
            certificate,
            held,
            serial,
            role,
            token,
            anchor,
            request,
            refused,
            organization,
            project,
            user,
            webhook,
            secret,
            credential,
            account,
        ]
    }

    /// The route's path with these for its parameters.
    fn path(&self, route: &Route) -> String {
        let id = match route.path {
            path if path.starts_with("/v1/pki/ca/") || path.starts_with("/api/v1/ca/") => &self.ca,
            "/v1/pki/certificates/{id}/unrevoke" => &self.held,
            path if path.starts_with("/v1/pki/certificates/") => &self.certificate,
            path if path.starts_with("/v1/pki/trust-anchors/") => &self.anchor,
            "/v1/pki/csr/{id}/reject" => &self.refused,
            path if path.starts_with("/v1/pki/csr/") => &self.request,
            path if path.starts_with("/v1/admin/tokens/") => &self.token,
            // What they name is the default organization's.
            path if path.ends_with("/{account_id}") || path.ends_with("/{affected_id}") => DEFAULT_ORGANIZATION,
            path if path.starts_with("/v1/admin/organizations/") || path.starts_with("/api/v1/organizations/") => &self.organization,
            path if path.starts_with("/v1/admin/projects/") => &self.project,
            path if path.starts_with("/v1/admin/users/") => &self.user,
            path if path.starts_with("/v1/webhooks/") => &self.webhook,
            path if path.starts_with("/api/acme/account/") => "acct_0123456789abcdef0123456789abcdef",
            path if path.starts_with("/api/acme/") => "ord_0123456789abcdef0123456789abcdef",
            _ => "",
        };
        let file = if route.path == "/crl/{file}" { format!("{}.crl", self.ca) } else { format!("{}.crt", self.ca) };
        let path = [
            ("{id}", id),
            ("{cred_id}", &self.credential),
            ("{account_id}", &self.account),
            ("{affected_id}", &self.ca),
            ("{name}", &self.role),
            ("{role}", &self.role),
            ("{file}", &file),
            ("{*path}", &self.secret),
            ("{ca}", &self.ca),
            ("{*request}", "AAAA"),
        ]
        .iter()
        .fold(route.path.to_owned(), |path, (parameter, value)| path.replace(parameter, value));
        assert!(!path.contains(['{', '}']) && !path.contains("//"), "teach this test the parameters of {path}");
        path
    }
}

impl World {
    pub fn new() -> Self {
        Self::of(Appliance::start())
    }

    /// The same in a new appliance that the test has started.
    fn of(appliance: Appliance) -> Self {
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, json!({"store_private_keys": true}));
        let id = |value: Value| value["id"].as_str().unwrap().to_owned();
        let body = json!({"common_name": "www.example.com"});
        let issued = appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
        let serial = issued["serial_number"].as_str().unwrap().to_owned();
        let certificate = id(issued);
        let body = json!({"common_name": "held.example.com"});
        let held = id(appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201));
        let body = json!({"certificate_id": held, "reason": "certificate_hold"});
        appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
        let body = json!({"name": "spare", "scopes": ["pki:read"], "ttl": "1h"});
        let token = id(appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201));
        let pem = appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200)["certificate_pem"].clone();
        let body = json!({"name": "ours", "certificate_pem": pem});
        let anchor = id(appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201));
        let make = |path: &str, body: Value| id(appliance.call("POST", path, Some(body)).expect(201));
        let [request, refused] =
            ["one.example.com", "two.example.com"].map(|host| make("/v1/pki/csr", json!({"subject": {"common_name": host}})));
        let organization = make("/v1/admin/organizations", json!({"name": "spare"}));
        let project = make("/v1/admin/projects", json!({"name": "spare"}));
        let user = make("/v1/admin/users", json!({"name": "spare", "role": "user"}));
        // Nobody listens there.
        let webhook = make("/v1/webhooks", json!({"url": "https://127.0.0.1:9/spare"}));
        let secret = "spare/secret".to_owned();
        appliance.call("PUT", &format!("/v1/secrets/{secret}"), Some(json!({"value": "of no worth"}))).expect(201);
        let credential = Credential::create(&appliance, json!({"cluster_label": "spare"}));
        let account = Client::register(&appliance, &credential).account.rsplit_once('/').unwrap().1.to_owned();
        let credential = credential.id;
        let names = Names {
            ca,
            certificate,
            held,
            serial,
            role: "web".to_owned(),
            token,
            anchor,
            request,
            refused,
            organization,
            project,
            user,
            webhook,
            secret,
            credential,
            account,
        };
        Self { appliance, names }
    }

    /// The route's path with parameters that exist.
    pub fn path(&self, route: &Route) -> String {
        self.names.path(route)
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
        Permission::Scope(scope) | Permission::ScopeOrOn { scope, .. } => Some(scope),
    }
}

/// Every route but those of the ACME server, whose bodies are signed and whose callers are accounts: `acme::every_route` asks the same of them.
fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| !route.is_acme())
}

/// The routes that read a body.
fn body_routes() -> impl Iterator<Item = &'static Route> {
    // What is asked of an OCSP responder is no JSON, and whatever it is, it is answered.
    let bodiless = ["/v1/pki/ca/{id}/crl", "/v1/webhooks/{id}/test", "/v1/pki/certificates/{id}/unrevoke", "/ocsp/{ca}"];
    routes().filter(move |route| [Method::POST, Method::PUT, Method::PATCH].contains(&route.method) && !bodiless.contains(&route.path))
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
