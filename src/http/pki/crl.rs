//! The CRL of an authority: the current one for anybody, a new one for administrators.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::present;
use crate::api::pki as wire;
use crate::base::clock::rfc3339;
use crate::base::id::CaId;
use crate::ca::PublishedCrl;
use crate::http::app::App;
use crate::http::call::Call;
use crate::http::problem::Problem;

pub async fn current(call: Call) -> Result<Response<Body>, Problem> {
    let id = call.id("id", "authority")?;
    // Who takes both gets the form that is everybody's (RFC 5280, 4.2.1.13).
    let as_pem = call.wants_pem() && !call.accepts("application/pkix-crl");
    respond(&call.app, &call.approach.headers, id, as_pem)
}

/// `/crl/{id}.crl`, as the distribution point in certificates names it: DER (RFC 5280, 4.2.1.13).
pub async fn by_file(call: Call) -> Result<Response<Body>, Problem> {
    let id = call.parameter("file").strip_suffix(".crl").and_then(|id| id.parse().ok());
    respond(&call.app, &call.approach.headers, id.ok_or_else(|| Problem::not_found("authority"))?, false)
}

pub async fn publish(call: Call) -> Result<Response<Body>, Problem> {
    let id: CaId = call.id("id", "authority")?;
    let (app, caller) = (call.app.clone(), call.caller.clone());
    // To its end even when the client goes away: its number is used up.
    let published = tokio::spawn(async move { app.crls.publish(id, &caller).await }).await.map_err(Problem::internal)??;
    let body = wire::CrlPublished {
        crl_pem: published.pem(),
        crl_number: published.number,
        this_update: rfc3339(published.this_update),
        next_update: rfc3339(published.next_update),
        revoked_certificates: published.entries,
    };
    present::json(StatusCode::OK, &body)
}

fn respond(app: &App, headers: &HeaderMap, id: CaId, as_pem: bool) -> Result<Response<Body>, Problem> {
    let published = match app.crls.current(id) {
        Some(published) => published,
        // Not made here: anybody may ask, and every attempt uses up a number.
        None if app.authorities.get(id).is_some() => return Err(Problem::no_crl_yet()),
        None => return Err(Problem::not_found("authority")),
    };
    let etag = format!("\"{}{}\"", hex::encode(&published.sha256[..16]), if as_pem { "-pem" } else { "" });
    let matches = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response =
        if matches.is_some_and(|known| known == "*" || known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else if as_pem {
            present::bytes_of(StatusCode::OK, "application/x-pem-file", published.pem())?
        } else {
            present::bytes_of(StatusCode::OK, "application/pkix-crl", published.der.clone())?
        };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(Problem::internal)?);
    headers.insert(header::CACHE_CONTROL, cache_control(app, &published)?);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Caches may keep it until the next regular publication, and never past its end.
fn cache_control(app: &App, published: &Arc<PublishedCrl>) -> Result<HeaderValue, Problem> {
    let left = app.crls.fresh_until(published).as_second() - app.clock.now().as_second();
    HeaderValue::from_str(&format!("public, max-age={}", left.max(0))).map_err(Problem::internal)
}
