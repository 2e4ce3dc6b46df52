//! `/v1/admin/users`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::read;
use crate::access::{User, UserChange, UserRequest, UserRole};
use crate::api::admin as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let wire::CreateUser { name, role, permissions, organization_id } = call.read().await?;
    let mut violations = Vec::new();
    read::check_name(&name, &mut violations);
    let role = read_role(&call, &role, &mut violations);
    let organization = read::organization(&call, organization_id.as_deref(), &mut violations);
    let permissions = read::grants(&call, organization, "permissions", &permissions.unwrap_or_default(), &mut violations);
    match role {
        Some(role) if violations.is_empty() => {
            let made = call.app.access.create_user(UserRequest { organization, name, role, permissions }, &call.caller).await?;
            present::json(StatusCode::CREATED, &view(&made))
        }
        _ => Err(Problem::invalid(violations)),
    }
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    read::list(&call, "users", |organization| call.app.access.users(organization), |user| user.id.as_bytes().to_vec(), view)
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let found = call.app.access.user(call.id("id", "user")?, &call.caller)?;
    present::json(StatusCode::OK, &view(&found))
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let before = call.app.access.user(call.id("id", "user")?, &call.caller)?;
    let wire::UpdateUser { name, role, permissions } = call.read().await?;
    let mut violations = Vec::new();
    if let Some(name) = &name {
        read::check_name(name, &mut violations);
    }
    let role = role.and_then(|role| read_role(&call, &role, &mut violations));
    let permissions = permissions.map(|texts| read::grants(&call, before.organization, "permissions", &texts, &mut violations));
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let updated = call.app.access.update_user(before.id, UserChange { name, role, permissions }, &call.caller).await?;
    present::json(StatusCode::OK, &view(&updated))
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.access.delete_user(call.id("id", "user")?, &call.caller).await?;
    Ok(present::no_content())
}

fn read_role(call: &Call, text: &str, violations: &mut Vec<Violation>) -> Option<UserRole> {
    let fault = match text.parse::<UserRole>() {
        Ok(role) if call.caller.may_give_all(&role.rights()) => return Some(role),
        Ok(_) => "a token cannot give more than it holds".to_owned(),
        Err(fault) => fault.to_string(),
    };
    violations.push(Violation::new("role", fault));
    None
}

fn view(user: &User) -> wire::User {
    wire::User {
        id: user.id.to_string(),
        organization_id: user.organization.to_string(),
        name: user.name.clone(),
        role: user.role.to_string(),
        permissions: user.permissions.iter().map(ToString::to_string).collect(),
        created_at: rfc3339(user.created_at),
    }
}
