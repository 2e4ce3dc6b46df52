//! The OpenAPI 3.1 document of every endpoint, made from the table of routes and the wire types, and the page that shows it.
//!
//! It can promise nothing the code does not do: permission, limits and paths are the route's own, and schemas are derived from the types
//! that requests are read into and answers are written from.

mod operation;
mod operations;
mod page;

use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use self::operation::{Answer, Content, Operation, Parameter, of};
use self::operations::OPERATIONS;
use super::call::Call;
use super::idempotency;
use super::pki::present;
use super::problem::Problem;
use super::routes::{ROUTES, Route};
use crate::access::Permission;
use crate::api::acme;
use crate::api::problem::{CONTENT_TYPE, ProblemDocument};
use crate::base::page::MAX_LIMIT;

/// What the page may load: nothing, for it brings its style with it.
const PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'");

/// `GET /v1/openapi.json`.
pub async fn show(_: Call) -> Result<Response<Body>, Problem> {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string().into());
    present::bytes_of(StatusCode::OK, "application/json", text.clone())
}

/// `GET /v1/docs`: the same for people, with nothing loaded from elsewhere.
pub async fn show_page(_: Call) -> Result<Response<Body>, Problem> {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| page::render(&document()).into());
    let mut response = present::bytes_of(StatusCode::OK, "text/html; charset=utf-8", text.clone())?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    Ok(response)
}

/// Whether a request of the route makes something, and is answered 201 then.
pub fn creates(route: &Route) -> bool {
    let operation = OPERATIONS.iter().find(|known| known.path == route.path && known.method == route.method.as_str());
    operation.is_some_and(|operation| operation.answers.iter().any(|answer| answer.status == StatusCode::CREATED.as_u16()))
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = of::<ProblemDocument>()(&mut generator);
    let acme_problem = of::<acme::Problem>()(&mut generator);
    let mut paths = Map::new();
    for route in ROUTES {
        // A test holds that there is one for each route.
        let Some(operation) = OPERATIONS.iter().find(|known| known.path == route.path && known.method == route.method.as_str()) else {
            continue;
        };
        let shown = described(route, operation, &mut generator);
        let path = paths.entry(shown_path(route.path)).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(route.method.as_str().to_ascii_lowercase(), shown);
        }
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Chancery",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A certificate authority whose keys never leave a PKCS#11 token. Times are RFC 3339 in UTC, durations a number with \
                            s, m, h, d or w, serial numbers hexadecimal pairs with colons. Every refusal is a problem document (RFC 9457).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": {
                "Problem": {
                    "description": "A refusal: `code` says why, and `violations` names every fault.",
                    "content": {CONTENT_TYPE: {"schema": problem}},
                },
                "AcmeProblem": {
                    "description": "A refusal as RFC 8555, 6.7 has it.",
                    "content": {CONTENT_TYPE: {"schema": acme_problem}},
                },
            },
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API token, `chy_` and more. A client certificate may stand for one.",
            }},
        },
    })
}

fn described(route: &Route, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let in_path =
        path_parameters(route.path).map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = operation.query.iter().map(|Parameter { name, description, kind }| {
        let schema = match *name {
            "limit" => json!({"type": kind, "minimum": 1, "maximum": MAX_LIMIT}),
            _ => json!({"type": kind}),
        };
        json!({"name": name, "in": "query", "description": description, "schema": schema})
    });
    let has_key = idempotency::is_for(route);
    let in_header = has_key.then(|| {
        json!({
            "name": idempotency::HEADER,
            "in": "header",
            "description": "The same for each attempt at the same thing, which is then made once; the answer is kept for a day.",
            "schema": {"type": "string", "minLength": 1, "maxLength": idempotency::LONGEST, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        })
    });
    let mut responses = Map::new();
    for Answer { status, contents } in operation.answers {
        let text = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
        let mut shown = json!({"description": text, "content": content(contents, generator)});
        if let (true, Value::Object(shown)) = (has_key, &mut shown) {
            let replayed = "`true` when this answer was given before; private keys and secrets are not repeated.";
            shown.insert("headers".to_owned(), json!({"Idempotency-Replayed": {"description": replayed, "schema": {"type": "string"}}}));
        }
        responses.insert(status.to_string(), shown);
    }
    for status in refusals(route, operation) {
        let problem = if route.is_acme() { "#/components/responses/AcmeProblem" } else { "#/components/responses/Problem" };
        responses.entry(status.to_string()).or_insert_with(|| json!({"$ref": problem}));
    }
    // The health answer is the same in both cases.
    if let (true, Some(well)) = (route.path == "/healthz", responses.get("200").cloned()) {
        responses.insert("503".to_owned(), well);
    }
    let mut shown = json!({
        "operationId": id_of(route),
        "summary": operation.summary,
        "tags": [tag_of(route.path)],
        "security": match route.permission {
            Permission::Public => json!([]),
            Permission::Scope(scope) => json!([{"token": [scope.name()]}]),
            // One of the two is enough.
            Permission::ScopeOrOn { scope, capability } => json!([{"token": [scope.name()]}, {"token": [capability.name()]}]),
        },
        "parameters": in_path.chain(in_query).chain(in_header).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let (Value::Object(shown), Some(body)) = (&mut shown, operation.body) {
        let schema = (body.schema)(generator);
        shown.insert("requestBody".to_owned(), json!({"required": !body.optional, "content": {"application/json": {"schema": schema}}}));
    }
    shown
}

fn content(contents: &[Content], generator: &mut SchemaGenerator) -> Value {
    let entry = |content: &Content| match content {
        Content::Json(schema) => ("application/json".to_owned(), json!({"schema": schema(generator)})),
        Content::Other { media_type, is_text: true } => ((*media_type).to_owned(), json!({"schema": {"type": "string"}})),
        // OpenAPI 3.1, 4.8.14.3: bytes have no schema.
        Content::Other { media_type, is_text: false } => ((*media_type).to_owned(), json!({})),
    };
    Value::Object(contents.iter().map(entry).collect())
}

/// The statuses of refusals: those every such route may answer, and the operation's own.
fn refusals(route: &Route, operation: &Operation) -> Vec<u16> {
    let is_public = route.permission == Permission::Public;
    let changes = route.method != Method::GET;
    let rules = [
        (true, &[429, 500, 503][..]),
        (!is_public, &[401, 403]),
        (route.path.contains('{'), &[404]),
        (!operation.query.is_empty(), &[400]),
        (operation.body.is_some(), &[400, 408, 413, 415]),
        (changes, &[507]),
        (idempotency::is_for(route), &[400, 409, 422]),
    ];
    let mut found: Vec<u16> = rules.iter().filter(|(holds, _)| *holds).flat_map(|(_, statuses)| *statuses).copied().collect();
    found.extend(operation.problems);
    found.sort_unstable();
    found.dedup();
    found
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).map(|name| name.trim_start_matches('*'))
}

/// OpenAPI has no sign for a parameter that spans segments (OpenAPI 3.1, 4.8.8.1).
fn shown_path(path: &str) -> String {
    path.replace("{*", "{")
}

/// The method and the path's words, which is stable as long as the route is.
fn id_of(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    [route.method.as_str().to_ascii_lowercase().as_str()].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

/// The family and the kind of thing a path is about.
fn tag_of(path: &str) -> &str {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    match (words.next(), words.next(), words.next()) {
        (Some("v1"), Some("pki"), Some(kind)) => kind,
        (Some("v1"), Some("admin"), Some(_)) => "administration",
        (Some("api"), Some("acme"), _) => "acme",
        (Some("v1"), Some(kind), _) if !matches!(kind, "openapi.json" | "docs") => kind,
        _ => "public",
    }
}

#[cfg(test)]
mod tests;
