//! `/v1/admin/projects`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::read;
use crate::access::{Project, ProjectChange, ProjectRequest};
use crate::api::admin as wire;
use crate::base::clock::rfc3339;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let wire::CreateProject { name, description, organization_id } = call.read().await?;
    let mut violations = Vec::new();
    read::check_name(&name, &mut violations);
    let description = description.unwrap_or_default();
    read::check_description(&description, &mut violations);
    let organization = read::organization(&call, organization_id.as_deref(), &mut violations);
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let made = call.app.access.create_project(ProjectRequest { organization, name, description }, &call.caller).await?;
    present::json(StatusCode::CREATED, &view(&made))
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    read::list(&call, "projects", |organization| call.app.access.projects(organization), |project| project.id.as_bytes().to_vec(), view)
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let found = call.app.access.project(call.id("id", "project")?, &call.caller)?;
    present::json(StatusCode::OK, &view(&found))
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = call.app.access.project(call.id("id", "project")?, &call.caller)?.id;
    let wire::UpdateProject { name, description } = call.read().await?;
    let mut violations = Vec::new();
    if let Some(name) = &name {
        read::check_name(name, &mut violations);
    }
    if let Some(description) = &description {
        read::check_description(description, &mut violations);
    }
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let updated = call.app.access.update_project(id, ProjectChange { name, description }, &call.caller).await?;
    present::json(StatusCode::OK, &view(&updated))
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.access.delete_project(call.id("id", "project")?, &call.caller).await?;
    Ok(present::no_content())
}

fn view(project: &Project) -> wire::Project {
    wire::Project {
        id: project.id.to_string(),
        organization_id: project.organization.to_string(),
        name: project.name.clone(),
        description: project.description.clone(),
        created_at: rfc3339(project.created_at),
    }
}
