//! `/v1/pki/roles`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::present;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::id::CaId;
use crate::http::app::App;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::profiles::{RoleFields, RoleName};

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let cursor = query.cursor("roles");
    query.finish()?;
    let after = cursor.and_then(|cursor| std::str::from_utf8(cursor.key()).ok().and_then(RoleName::parse));
    let found = call.app.roles.list(after.as_ref(), limit + 1);
    let page = present::cut(found, limit, "roles", |role| role.name.as_str().as_bytes().to_vec());
    present::json(StatusCode::OK, &present::page(page, |role| present::role(&role)))
}

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::CreateRole = call.read().await?;
    let mut violations = Vec::new();
    let name = RoleName::parse(&body.name);
    if name.is_none() {
        violations.push(Violation::new("name", "1 to 64 letters, digits, dots, dashes or underscores".to_owned()));
    }
    let ca = read_authority(&call.app, &body.ca_id, &mut violations);
    let fields = RoleFields {
        ca_id: ca,
        allowed_domains: body.allowed_domains,
        allow_subdomains: body.allow_subdomains,
        allow_ip_sans: body.allow_ip_sans,
        max_ttl: body.max_ttl,
        key_type: body.key_type,
        key_bits: body.key_bits,
        require_cn: body.require_cn,
        store_private_keys: body.store_private_keys,
    };
    violations.extend(fields.apply(None).err().unwrap_or_default());
    match (name, ca) {
        (Some(name), Some(ca)) if violations.is_empty() => {
            let role = call.app.roles.create(name, ca, fields, call.caller.origin()).await?;
            present::json(StatusCode::CREATED, &present::role(&role))
        }
        _ => Err(Problem::invalid(violations)),
    }
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let role = call.app.roles.get(&name(&call)?).ok_or_else(|| Problem::not_found("role"))?;
    present::json(StatusCode::OK, &present::role(&role))
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let name = name(&call)?;
    let body: wire::UpdateRole = call.read().await?;
    let mut violations = Vec::new();
    let ca = body.ca_id.as_ref().and_then(|id| read_authority(&call.app, id, &mut violations));
    let fields = RoleFields {
        ca_id: ca,
        allowed_domains: body.allowed_domains,
        allow_subdomains: body.allow_subdomains,
        allow_ip_sans: body.allow_ip_sans,
        max_ttl: body.max_ttl,
        key_type: body.key_type,
        key_bits: body.key_bits,
        require_cn: body.require_cn,
        store_private_keys: body.store_private_keys,
    };
    if !violations.is_empty() {
        violations.extend(fields.apply(None).err().unwrap_or_default());
        return Err(Problem::invalid(violations));
    }
    let role = call.app.roles.update(&name, fields, call.caller.origin()).await?;
    present::json(StatusCode::OK, &present::role(&role))
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.roles.delete(&name(&call)?, call.caller.origin()).await?;
    Ok(present::no_content())
}

fn name(call: &Call) -> Result<RoleName, Problem> {
    RoleName::parse(call.parameter("name")).ok_or_else(|| Problem::not_found("role"))
}

fn read_authority(app: &App, text: &str, violations: &mut Vec<Violation>) -> Option<CaId> {
    let known = text.parse().ok().and_then(|id| app.authorities.get(id)).map(|authority| authority.id);
    if known.is_none() {
        violations.push(Violation::new("ca_id", "there is no such authority; GET /v1/pki/ca lists them".to_owned()));
    }
    known
}
