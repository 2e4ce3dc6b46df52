//! `/v1/admin/tokens`.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;

use crate::access::{Credential, LONGEST_TOKEN_LIFE, Scope, Token, TokenRequest};
use crate::api::admin as wire;
use crate::api::pki::Page;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::base::duration::Span;
use crate::base::text::is_printable;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let request = read(call.read().await?, &call)?;
    let made = call.app.tokens.create(request, &call.caller).await?;
    let body = wire::CreatedToken {
        details: view(&made.token, call.app.clock.now()),
        token: made.secret.map(|secret| secret.expose().to_owned()),
    };
    present::json(StatusCode::CREATED, &body)
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let cursor = query.cursor("tokens");
    query.finish()?;
    let behind = |token: &std::sync::Arc<Token>| cursor.as_ref().is_none_or(|c| token.id.as_bytes().as_slice() > c.key());
    let found = call.app.tokens.list().into_iter().filter(behind).take(limit + 1).collect();
    let page = present::cut(found, limit, "tokens", |token| token.id.as_bytes().to_vec());
    let now = call.app.clock.now();
    let shown: Page<wire::Token> = present::page(page, |token| view(&token, now));
    present::json(StatusCode::OK, &shown)
}

pub async fn revoke(call: Call) -> Result<Response<Body>, Problem> {
    call.app.tokens.revoke(call.id("id", "token")?, &call.caller).await?;
    Ok(present::no_content())
}

fn read(body: wire::CreateToken, call: &Call) -> Result<TokenRequest, Problem> {
    let mut violations = Vec::new();
    if body.name.is_empty() || body.name.chars().count() > 128 || !is_printable(&body.name) {
        violations.push(Violation::new("name", "1 to 128 printable characters".to_owned()));
    }
    let mut scopes = Vec::new();
    for (i, text) in body.scopes.iter().enumerate() {
        match text.parse::<Scope>() {
            Ok(scope) if !call.caller.holds(scope) => {
                violations.push(Violation::new(&format!("scopes[{i}]"), "a token cannot give more than it holds".to_owned()));
            }
            Ok(scope) if scopes.contains(&scope) => {}
            Ok(scope) => scopes.push(scope),
            Err(fault) => violations.push(Violation::new(&format!("scopes[{i}]"), fault.to_string())),
        }
    }
    if body.scopes.is_empty() {
        violations.push(Violation::new("scopes", "at least one of pki:admin, pki:issue and pki:read".to_owned()));
    }
    let ttl = match body.ttl.parse::<Span>() {
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
    let client_spki_sha256 = body.client_spki_sha256.and_then(|text| {
        let mut hash = [0; 32];
        let read = hex::decode_to_slice(text.replace(':', ""), &mut hash);
        if read.is_err() {
            violations.push(Violation::new("client_spki_sha256", "64 hexadecimal digits".to_owned()));
        }
        read.ok().map(|()| hash)
    });
    match ttl {
        Some(ttl) if violations.is_empty() => Ok(TokenRequest { name: body.name, scopes, ttl: Some(ttl), client_spki_sha256 }),
        _ => Err(Problem::invalid(violations)),
    }
}

fn view(token: &Token, now: Timestamp) -> wire::Token {
    wire::Token {
        id: token.id.to_string(),
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
