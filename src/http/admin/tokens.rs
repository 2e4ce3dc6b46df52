//! `/v1/admin/tokens`.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;

use super::read;
use crate::access::{Credential, Kind, LONGEST_TOKEN_LIFE, Token, TokenRequest};
use crate::api::admin as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::base::duration::Span;
use crate::base::id::TokenId;
use crate::http::call::Call;
use crate::http::idempotency::not_repeated;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let request = read_request(call.read().await?, &call)?;
    let made = call.app.access.create_token(request, &call.caller).await?;
    let body = wire::CreatedToken {
        details: view(&made.token, call.app.clock.now()),
        token: made.secret.map(|secret| secret.expose().to_owned()),
        warnings: Vec::new(),
    };
    present::json(StatusCode::CREATED, &body)
}

/// The answer about a token that was made before; without its secret, which was in the first answer.
pub fn again(call: &Call, id: &str) -> Result<Response<Body>, Problem> {
    let id: TokenId = id.parse().map_err(|_| Problem::not_found("token"))?;
    let token = call.app.access.token(id, &call.caller).ok_or_else(|| Problem::not_found("token"))?;
    let had_secret = matches!(token.credential, Credential::Secret { .. });
    let warnings = had_secret.then(|| not_repeated("token")).into_iter().collect();
    let body = wire::CreatedToken { details: view(&token, call.app.clock.now()), token: None, warnings };
    present::json(StatusCode::CREATED, &body)
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let now = call.app.clock.now();
    let found = |organization| call.app.access.tokens(organization);
    read::list(&call, "tokens", found, |token| token.id.as_bytes().to_vec(), |token| view(token, now))
}

pub async fn revoke(call: Call) -> Result<Response<Body>, Problem> {
    call.app.access.revoke_token(call.id("id", "token")?, &call.caller).await?;
    Ok(present::no_content())
}

fn read_request(body: wire::CreateToken, call: &Call) -> Result<TokenRequest, Problem> {
    let wire::CreateToken { name, scopes, ttl, client_spki_sha256, organization_id, user_id, project_id } = body;
    let mut violations = Vec::new();
    read::check_name(&name, &mut violations);
    let organization = read::organization(call, organization_id.as_deref(), &mut violations);
    if scopes.is_empty() {
        violations.push(Violation::new("scopes", "at least one, such as pki:admin, pki:issue or pki:read".to_owned()));
    }
    let scopes = read::grants(call, organization, "scopes", &scopes, &mut violations);
    let ttl = match ttl.parse::<Span>() {
        Ok(ttl) if ttl > LONGEST_TOKEN_LIFE => {
            violations.push(Violation::new("ttl", format!("at most {LONGEST_TOKEN_LIFE}")));
            None
        }
        Ok(ttl) => Some(ttl),
        Err(fault) => {
            violations.push(Violation::new("ttl", fault.to_string()));
            None
        }
    };
    let client_spki_sha256 = client_spki_sha256.and_then(|text| {
        let mut hash = [0; 32];
        let read = hex::decode_to_slice(text.replace(':', ""), &mut hash);
        if read.is_err() {
            violations.push(Violation::new("client_spki_sha256", "64 hexadecimal digits".to_owned()));
        }
        read.ok().map(|()| hash)
    });
    let user = read::id(user_id.as_deref(), Kind::User, &mut violations);
    let project = read::id(project_id.as_deref(), Kind::Project, &mut violations);
    match ttl {
        Some(ttl) if violations.is_empty() => {
            Ok(TokenRequest { organization, user, project, name, scopes, ttl: Some(ttl), client_spki_sha256 })
        }
        _ => Err(Problem::invalid(violations)),
    }
}

fn view(token: &Token, now: Timestamp) -> wire::Token {
    wire::Token {
        id: token.id.to_string(),
        organization_id: token.organization.to_string(),
        user_id: token.user.map(|id| id.to_string()),
        project_id: token.project.map(|id| id.to_string()),
        name: token.name.clone(),
        scopes: token.scopes.iter().map(ToString::to_string).collect(),
        created_at: rfc3339(token.created_at),
        expires_at: token.expires_at.map(rfc3339),
        is_active: token.is_active(now),
        client_spki_sha256: match token.credential {
            Credential::Secret { .. } => None,
            Credential::ClientKey { spki_sha256 } => Some(hex::encode(spki_sha256)),
        },
    }
}
