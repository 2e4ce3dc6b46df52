//! Authorizations and challenges (RFC 8555, 7.5).

use axum::body::Body;
use axum::http::{Response, StatusCode, header};

use super::{Desk, present as shown};
use crate::acme_server::{ChallengeState, read_challenge_id};
use crate::base::id::AcmeAuthorizationId;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn update(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let id: AcmeAuthorizationId = desk.call.id("id", "authorization")?;
    known(&desk, id, "authorization")?;
    let request = desk.account().await?;
    let (found, status) = desk.server.update_authorization(&request, id).await?;
    let body = shown::authorization(&found, status, request.account(), &desk.server, &desk.base);
    let response = present::json(StatusCode::OK, &body)?;
    let is_under_way = found.challenges.iter().any(|challenge| challenge.state == ChallengeState::Processing);
    if is_under_way { shown::with(response, header::RETRY_AFTER, &shown::ASK_AGAIN_SECONDS.to_string()) } else { Ok(response) }
}

pub async fn answer(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let (id, kind) = read_challenge_id(desk.call.parameter("id")).ok_or_else(|| Problem::not_found("challenge"))?;
    known(&desk, id, "challenge")?;
    let request = desk.account().await?;
    let found = desk.server.answer_challenge(&request, id, kind).await?;
    let challenge = found.challenge(kind).ok_or_else(|| Problem::not_found("challenge"))?;
    let body = shown::challenge(&found, challenge, request.account(), &desk.server, &desk.base);
    let response = present::json(StatusCode::OK, &body)?;
    // RFC 8555, 7.5.1.
    let response = shown::linked(response, &desk.base.authorization(id), "up")?;
    let is_under_way = challenge.state == ChallengeState::Processing;
    if is_under_way { shown::with(response, header::RETRY_AFTER, &shown::ASK_AGAIN_SECONDS.to_string()) } else { Ok(response) }
}

fn known(desk: &Desk, id: AcmeAuthorizationId, what: &str) -> Result<(), Problem> {
    if desk.server.has_authorization(id)? { Ok(()) } else { Err(Problem::not_found(what)) }
}
