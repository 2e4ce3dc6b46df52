//! `/api/v1/organizations/{id}/acme-accounts` and `…/acme-incidents`: what the operator does about the ACME server's clients.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::credentials::{PageAsked, organization, plain, server};
use crate::acme_server::{Account, AcmeServer, Affected, Incident};
use crate::api::acme as wire;
use crate::base::clock::rfc3339;
use crate::base::id::AcmeAccountId;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

const LONGEST_URL: usize = 500;

pub async fn accounts(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let asked = PageAsked::read(&call)?;
    let server = server(&call)?;
    let (before, length) = asked.range();
    let (found, total) = server.accounts_of(organization, before, length).await.map_err(plain)?;
    let data = found.iter().map(|account| account_view(&server, account)).collect();
    present::json(StatusCode::OK, &asked.of(data, total))
}

pub async fn account(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let server = server(&call)?;
    let found = server.account_of(organization, account_id(&call)?).map_err(plain)?.ok_or_else(no_account)?;
    present::json(StatusCode::OK, &account_view(&server, &found))
}

pub async fn deactivate(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let id = account_id(&call)?;
    let ended = server(&call)?.deactivate_account(organization, id, &call.caller).await.map_err(plain)?;
    ended.map(|_| present::no_content()).ok_or_else(no_account)
}

pub async fn incidents(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let asked = PageAsked::read(&call)?;
    let all = server(&call)?.incidents(organization).map_err(plain)?;
    present::json(StatusCode::OK, &asked.cut(&all, incident_view))
}

pub async fn declare(mut call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let affected = affected(&call)?;
    let server = server(&call)?;
    let wire::DeclareIncident { explanation_url } = call.read_or_default().await?;
    let is_url = |url: &String| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
        !rest.is_empty() && url.len() <= LONGEST_URL && url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
    };
    if !explanation_url.as_ref().is_none_or(is_url) {
        return Err(Problem::field("explanation_url", "an http:// or https:// URL of at most 500 ASCII characters"));
    }
    let declared = server.declare_incident(organization, affected, explanation_url, &call.caller).await.map_err(plain)?;
    present::json(StatusCode::OK, &incident_view(&declared.ok_or_else(nothing_affected)?))
}

pub async fn end(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let affected = affected(&call)?;
    match server(&call)?.end_incident(organization, affected, &call.caller).await.map_err(plain)? {
        true => Ok(present::no_content()),
        false => Err(nothing_affected()),
    }
}

fn account_id(call: &Call) -> Result<AcmeAccountId, Problem> {
    call.id("account_id", "ACME account")
}

fn no_account() -> Problem {
    Problem::not_found("ACME account")
}

fn affected(call: &Call) -> Result<Affected, Problem> {
    Affected::parse(call.parameter("affected_id")).ok_or_else(nothing_affected)
}

fn nothing_affected() -> Problem {
    Problem::not_found("certificate or authority")
}

fn account_view(server: &AcmeServer, account: &Account) -> wire::ManagedAccount {
    wire::ManagedAccount {
        id: account.id.to_string(),
        organization_id: account.organization.to_string(),
        project_id: account.project.map(|id| id.to_string()),
        credential_id: account.credential.map(|id| id.to_string()),
        status: server.standing_of(account).to_owned(),
        url: account.url.clone(),
        contact: account.contacts.clone(),
        key_thumbprint: account.key.thumbprint_text(),
        created_at: rfc3339(account.created_at),
        deactivated_at: account.deactivated_at.map(rfc3339),
    }
}

fn incident_view(incident: &Incident) -> wire::Incident {
    wire::Incident {
        affected_id: incident.affected.to_string(),
        declared_at: rfc3339(incident.declared_at),
        explanation_url: incident.explanation.clone(),
    }
}
