//! Accounts (RFC 8555, 7.3).

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::{Desk, present as shown};
use crate::acme_server::{AcmeError, Registered};
use crate::api::acme as wire;
use crate::base::id::AcmeAccountId;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;
use crate::http::query::Query;

pub async fn create(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let request = desk.key().await?;
    let (status, account) = match desk.server.new_account(request).await {
        Ok(Registered::New(account)) => (StatusCode::CREATED, account),
        Ok(Registered::Known(account)) => (StatusCode::OK, account),
        Err(error) => return Err(refused(&desk, error)),
    };
    let response = present::json(status, &shown::account(&account, &desk.base))?;
    shown::with(response, header::LOCATION, &desk.base.account(account.id))
}

pub async fn update(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let id = known(&desk)?;
    let request = desk.account().await?;
    request.about(Some(id))?;
    let account = desk.server.update_account(request).await?;
    let response = present::json(StatusCode::OK, &shown::account(&account, &desk.base))?;
    shown::with(response, header::LOCATION, &desk.base.account(account.id))
}

/// A page of the account's orders; the next one by its link (RFC 8555, 7.1.2.1).
pub async fn orders(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let id = known(&desk)?;
    let mut query = Query::read(desk.call.uri.query().unwrap_or_default());
    let after = query.take("after").and_then(|after| after.parse().ok());
    let request = desk.account().await?;
    request.about(Some(id))?;
    let page = desk.server.list_orders(&request, after)?;
    let orders = page.orders.iter().map(|order| desk.base.order(*order)).collect();
    let response = present::json(StatusCode::OK, &wire::Orders { orders })?;
    match page.next {
        Some(next) => shown::linked(response, &format!("{}?after={next}", desk.base.orders(id)), "next"),
        None => Ok(response),
    }
}

pub async fn change_key(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let request = desk.account().await?;
    match desk.server.change_key(request).await {
        Ok(account) => {
            let response = present::json(StatusCode::OK, &shown::account(&account, &desk.base))?;
            shown::with(response, header::LOCATION, &desk.base.account(account.id))
        }
        Err(error) => Err(refused(&desk, error)),
    }
}

/// The account of the path, which is there; whose it is shows later.
fn known(desk: &Desk) -> Result<AcmeAccountId, Problem> {
    let id = desk.call.id("id", "account")?;
    if desk.server.has_account(id)? { Ok(id) } else { Err(Problem::not_found("account")) }
}

/// A refusal that points to something: the other account of the key (RFC 8555, 7.3.5), or the terms (7.3.3).
fn refused(desk: &Desk, error: AcmeError) -> Problem {
    let header = match &error {
        AcmeError::KeyTaken(holder) => Some((header::LOCATION, desk.base.account(*holder))),
        AcmeError::TermsNotAgreed => {
            let terms = desk.server.settings().terms_of_service.as_ref();
            terms.map(|terms| (header::LINK, format!("<{terms}>;rel=\"terms-of-service\"")))
        }
        _ => None,
    };
    let mut problem = Problem::from(error);
    if let (Some(face), Some((name, value))) = (&mut problem.acme, header)
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        face.headers.push((name, value));
    }
    problem
}
