//! `/v1/pki/roles`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::present;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::id::CaId;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::profiles::{ProfileError, RoleName, read_rules};

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark("roles");
    let cursor = query.cursor(&mark);
    query.finish()?;
    let after = cursor.and_then(|cursor| std::str::from_utf8(cursor.key()).ok().and_then(RoleName::parse));
    let found = call.app.roles.list(call.caller.organization(), after.as_ref(), limit + 1);
    let page = present::cut(found, limit, &mark, |role| role.name.as_str().as_bytes().to_vec());
    present::json(StatusCode::OK, &present::page(page, |role| present::role(&role)))
}

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let (name, ca, rules) = call.read::<wire::CreateRole>().await?.into_parts();
    let mut violations = Vec::new();
    let name = RoleName::parse(&name);
    if name.is_none() {
        violations.push(Violation::new("name", "1 to 64 letters, digits, dots, dashes or underscores".to_owned()));
    }
    let ca = read_authority(&call, &ca, &mut violations);
    violations.extend(read_rules(&rules, None).err().unwrap_or_default());
    match (name, ca) {
        (Some(name), Some(ca)) if violations.is_empty() => {
            let role = call.app.roles.create((call.caller.organization(), name), ca, &rules, call.caller.origin()).await?;
            present::json(StatusCode::CREATED, &present::role(&role))
        }
        (name, _) => {
            // Alone it is a conflict; beside others it is one fault of the request more.
            if name.is_some_and(|name| call.app.roles.get(call.caller.organization(), &name).is_some()) {
                violations.push(Violation::new("name", ProfileError::NameTaken.to_string()));
            }
            Err(Problem::invalid(violations))
        }
    }
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let role = call.app.roles.get(call.caller.organization(), &name(&call)?).ok_or_else(|| Problem::not_found("role"))?;
    present::json(StatusCode::OK, &present::role(&role))
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let name = name(&call)?;
    call.app.roles.get(call.caller.organization(), &name).ok_or_else(|| Problem::not_found("role"))?;
    let rules: wire::UpdateRole = call.read().await?;
    let mut violations = Vec::new();
    let ca = rules.ca_id.as_ref().and_then(|id| read_authority(&call, id, &mut violations));
    if !violations.is_empty() {
        violations.extend(read_rules(&rules, call.app.roles.get(call.caller.organization(), &name).as_deref()).err().unwrap_or_default());
        return Err(Problem::invalid(violations));
    }
    let role = call.app.roles.update((call.caller.organization(), &name), ca, &rules, call.caller.origin()).await?;
    present::json(StatusCode::OK, &present::role(&role))
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.roles.delete((call.caller.organization(), &name(&call)?), call.caller.origin()).await?;
    Ok(present::no_content())
}

fn name(call: &Call) -> Result<RoleName, Problem> {
    RoleName::parse(call.parameter("name")).ok_or_else(|| Problem::not_found("role"))
}

fn read_authority(call: &Call, text: &str, violations: &mut Vec<Violation>) -> Option<CaId> {
    let known = text.parse().ok().and_then(|id| call.app.authorities.get(call.caller.organization(), id)).map(|authority| authority.id);
    if known.is_none() {
        violations.push(Violation::new("ca_id", "there is no such authority; GET /v1/pki/ca lists them".to_owned()));
    }
    known
}
