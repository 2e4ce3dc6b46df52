//! `/v1/admin/organizations`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::read;
use crate::access::{Organization, OrganizationChange, OrganizationRequest};
use crate::api::admin as wire;
use crate::base::clock::rfc3339;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::CreateOrganization = call.read().await?;
    let mut violations = Vec::new();
    read::check_name(&body.name, &mut violations);
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let request = OrganizationRequest { name: body.name, allow_self_approval: body.allow_self_approval.unwrap_or(false) };
    let made = call.app.access.create_organization(request, &call.caller).await?;
    present::json(StatusCode::CREATED, &view(&made))
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark("organizations");
    let cursor = query.cursor(&mark);
    query.finish()?;
    let mut found = call.app.access.organizations(&call.caller);
    found.retain(|organization| cursor.as_ref().is_none_or(|cursor| organization.id.as_bytes().as_slice() > cursor.key()));
    found.truncate(limit + 1);
    let page = present::cut(found, limit, &mark, |organization| organization.id.as_bytes().to_vec());
    present::json(StatusCode::OK, &present::page(page, |organization| view(&organization)))
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let found = call.app.access.organization(call.id("id", "organization")?, &call.caller)?;
    present::json(StatusCode::OK, &view(&found))
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = call.app.access.organization(call.id("id", "organization")?, &call.caller)?.id;
    let wire::UpdateOrganization { name, allow_self_approval } = call.read().await?;
    let mut violations = Vec::new();
    if let Some(name) = &name {
        read::check_name(name, &mut violations);
    }
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let change = OrganizationChange { name, allow_self_approval };
    let updated = call.app.access.update_organization(id, change, &call.caller).await?;
    present::json(StatusCode::OK, &view(&updated))
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.access.delete_organization(call.id("id", "organization")?, &call.caller).await?;
    Ok(present::no_content())
}

fn view(organization: &Organization) -> wire::Organization {
    wire::Organization {
        id: organization.id.to_string(),
        name: organization.name.clone(),
        allow_self_approval: organization.allow_self_approval,
        created_at: rfc3339(organization.created_at),
    }
}
