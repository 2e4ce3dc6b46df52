//! The documented endpoints and fields, row by row, against the table of routes and the document made from it.

use chancery::access::Permission;
use chancery::http::routes::ROUTES;
use serde_json::Value;

use crate::appliance::Appliance;

const ENDPOINTS: &str = include_str!("../../contract/endpoints.tsv");
const FIELDS: &str = include_str!("../../contract/fields.tsv");

/// What is documented and not built yet: each row by its name, with the reason.
const NOT_BUILT_YET: &[(&str, &str, &str)] = &[
    ("GET", "/v1/pki/acme/accounts", "obtaining certificates by ACME"),
    ("POST", "/v1/pki/acme/accounts", "obtaining certificates by ACME"),
    ("GET", "/v1/pki/acme/accounts/{id}", "obtaining certificates by ACME"),
    ("DELETE", "/v1/pki/acme/accounts/{id}", "obtaining certificates by ACME"),
    ("POST", "/v1/pki/acme/issue", "obtaining certificates by ACME"),
    ("GET", "/v1/pki/acme/orders", "obtaining certificates by ACME"),
    ("GET", "/v1/pki/acme/orders/{id}", "obtaining certificates by ACME"),
    ("POST", "/v1/pki/acme/orders/{id}/refresh", "obtaining certificates by ACME"),
    ("POST", "/v1/pki/acme/challenges/{id}/complete", "obtaining certificates by ACME"),
    ("GET", "/v1/pki/dns-providers", "DNS challenges of ACME"),
    ("POST", "/v1/pki/dns-providers", "DNS challenges of ACME"),
    ("GET", "/v1/pki/dns-providers/{id}", "DNS challenges of ACME"),
    ("PATCH", "/v1/pki/dns-providers/{id}", "DNS challenges of ACME"),
    ("DELETE", "/v1/pki/dns-providers/{id}", "DNS challenges of ACME"),
];

fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("not {N} columns: {line}")))
}

fn name(permission: Permission) -> String {
    match permission {
        Permission::Public => "public".to_owned(),
        Permission::Scope(scope) | Permission::ScopeOrOn { scope, .. } => scope.name().to_owned(),
    }
}

#[test]
fn every_documented_endpoint_is_a_route_with_its_permission() {
    let (mut wrong, mut missing, mut known) = (Vec::new(), Vec::new(), 0);
    for [method, path, permission] in rows(ENDPOINTS) {
        let not_built = NOT_BUILT_YET.iter().any(|(m, p, _)| (*m, *p) == (method, path));
        match ROUTES.iter().find(|route| route.method.as_str() == method && route.path == path) {
            None if !not_built => missing.push(format!("{method} {path}")),
            None => {}
            Some(_) if not_built => wrong.push(format!("{method} {path} is built: take it off the list of what is not")),
            Some(route) if name(route.permission) != permission => {
                wrong.push(format!("{method} {path} asks for {} and not for {permission}", name(route.permission)));
            }
            Some(_) => known += 1,
        }
    }
    assert!(missing.is_empty() && wrong.is_empty(), "missing: {missing:#?}\nwrong: {wrong:#?}");
    assert!(known >= 35, "{known} rows were looked at");
    for (method, path, reason) in NOT_BUILT_YET {
        assert!(rows(ENDPOINTS).any(|[m, p, _]| (m, p) == (*method, *path)), "{method} {path} ({reason}) is not documented");
    }
}

/// What a reference leads to.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolved(document, document.pointer(reference.trim_start_matches('#')).expect("a schema")),
        None => schema,
    }
}

/// The types a schema takes, without null.
fn types(document: &Value, schema: &Value) -> Vec<String> {
    let schema = resolved(document, schema);
    let own: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().map(|one| one.as_str().expect("a type").to_owned()).collect(),
        _ => ["anyOf", "oneOf"].iter().filter_map(|of| schema[of].as_array()).flatten().flat_map(|one| types(document, one)).collect(),
    };
    own.into_iter().filter(|one| one != "null").collect()
}

#[test]
fn every_documented_field_has_its_spelling_and_its_type() {
    let appliance = Appliance::start();
    let document = appliance.call_as(None, "GET", "/v1/openapi.json", None).expect(200);
    let (mut wrong, mut known) = (Vec::new(), 0);
    for [method, path, place, field, wanted, required] in rows(FIELDS) {
        let what = format!("{method} {path} {place} {field}");
        let operation = &document["paths"][path][method.to_ascii_lowercase()];
        let (schema, is_required) = if place == "query" {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let found = parameters.into_iter().find(|parameter| parameter["name"] == field && parameter["in"] == "query");
            let Some(found) = found else {
                wrong.push(format!("{what}: there is no such parameter"));
                continue;
            };
            (&found["schema"], found["required"] == true)
        } else {
            let content = if place == "body" { &operation["requestBody"] } else { &operation["responses"][place] };
            let object = resolved(&document, &content["content"]["application/json"]["schema"]);
            let Some(found) = object["properties"].get(field) else {
                wrong.push(format!("{what}: there is no such field"));
                continue;
            };
            let is_required = object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == field));
            (found, is_required)
        };
        let found = types(&document, schema);
        if found != [wanted] || is_required != (required == "yes") {
            wrong.push(format!("{what}: {found:?}, required: {is_required}"));
        }
        known += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(known > 70, "{known} rows were looked at");
}
