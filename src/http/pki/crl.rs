//! The CRLs of an authority: the current ones for anybody, new ones for administrators.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use jiff::fmt::rfc2822::DateTimePrinter;

use super::crl_body::{self, Slice};
use super::present;
use crate::access::Caller;
use crate::api::crl as api;
use crate::api::pki as wire;
use crate::base::clock::rfc3339;
use crate::base::id::CaId;
use crate::ca::{CrlBytes, CrlForm, CrlName, PublishedCrl};
use crate::http::app::App;
use crate::http::call::Call;
use crate::http::condition::{self, Condition};
use crate::http::problem::Problem;

pub async fn current(call: Call) -> Result<Response<Body>, Problem> {
    let id = call.id("id", "authority")?;
    // Who takes both gets the form that is everybody's (RFC 5280, 4.2.1.13).
    let as_pem = call.wants_pem() && !call.accepts("application/pkix-crl");
    respond(&call, CrlName::whole(id), as_pem)
}

/// `GET /api/v1/ca/{id}/crl`: DER.
pub async fn current_der(call: Call) -> Result<Response<Body>, Problem> {
    let id = call.id("id", "authority")?;
    respond(&call, CrlName::whole(id), false)
}

/// `/crl/{file}`, as the distribution points in certificates name it, or by the authority's name, with `.crl` behind it or without: DER
/// (RFC 5280, 4.2.1.13).
pub async fn by_file(call: Call) -> Result<Response<Body>, Problem> {
    let file = call.parameter("file");
    // One spelling or the other, whatever else there is: an authority that is called `root.crl` is found by `root.crl.crl`.
    let name = call.app.crls.find(file.strip_suffix(".crl").unwrap_or(file));
    respond(&call, name.ok_or_else(|| Problem::not_found("CRL"))?, false)
}

pub async fn publish(call: Call) -> Result<Response<Body>, Problem> {
    let id: CaId = call.id("id", "authority")?;
    let published = publish_as(call.app.clone(), call.caller.clone(), id, CrlForm::Full).await?;
    let (published, bytes) = match published.open() {
        Ok(bytes) => (published, bytes),
        // A newer one has taken its place already.
        Err(_) => open(&call.app, published.name)?,
    };
    let body = wire::CrlPublished {
        crl_pem: String::new(),
        crl_number: published.number,
        this_update: rfc3339(published.this_update),
        next_update: rfc3339(published.next_update),
        revoked_certificates: published.entries,
    };
    // The PEM is the first field, and goes into its place as it is read.
    let json = serde_json::to_string(&body).map_err(Problem::internal)?;
    let (before, behind) = json.split_once("\"\"").ok_or_else(|| Problem::internal("the form of CrlPublished has changed"))?;
    let mut response = Response::new(crl_body::pem_in_json(bytes, published.length, before, behind));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// `POST /api/v1/ca/{id}/crl/regenerate`.
pub async fn regenerate(mut call: Call) -> Result<Response<Body>, Problem> {
    let id: CaId = call.id("id", "authority")?;
    known(&call.app, &call.caller, id)?;
    let body: api::RegenerateCrl = call.read().await?;
    let form = match body.kind.as_str() {
        "full" => CrlForm::Full,
        "delta" => CrlForm::Delta,
        _ => return Err(Problem::field("type", "full or delta")),
    };
    let published = publish_as(call.app.clone(), call.caller.clone(), id, form).await?;
    let body = api::RegeneratedCrl {
        ca_id: id.to_string(),
        kind: body.kind,
        crl_number: published.number,
        base_crl_number: published.base,
        this_update: rfc3339(published.this_update),
        next_update: rfc3339(published.next_update),
        revoked_certificates: published.entries,
    };
    present::json(StatusCode::OK, &body)
}

async fn publish_as(app: Arc<App>, caller: Caller, id: CaId, form: CrlForm) -> Result<Arc<PublishedCrl>, Problem> {
    known(&app, &caller, id)?;
    // To its end even when the client goes away: its number is used up.
    Ok(tokio::spawn(async move { app.crls.publish(id, form, &caller).await }).await.map_err(Problem::internal)??)
}

fn known(app: &App, caller: &Caller, id: CaId) -> Result<(), Problem> {
    app.authorities.get(caller.organization(), id).map(drop).ok_or_else(|| Problem::not_found("authority"))
}

/// The current CRL of that name with its bytes: the one look-up for every listener and path.
fn open(app: &App, name: CrlName) -> Result<(Arc<PublishedCrl>, CrlBytes), Problem> {
    let mut failure = None;
    // A newer one may take its place between the look and the opening.
    for _ in 0..3 {
        let Some(published) = app.crls.named(name).filter(|_| app.crls.makes(name)) else { break };
        match published.open() {
            Ok(bytes) => return Ok((published, bytes)),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => Err(Problem::internal(error)),
        // Not made here: anybody may ask, and every attempt uses up a number.
        None if app.crls.makes(name) => Err(Problem::no_crl_yet()),
        None => Err(Problem::not_found("CRL")),
    }
}

fn respond(call: &Call, name: CrlName, as_pem: bool) -> Result<Response<Body>, Problem> {
    let app = &call.app;
    let (published, bytes) = open(app, name)?;
    let etag = format!("\"{}{}\"", hex::encode(&published.sha256[..16]), if as_pem { "-pem" } else { "" });
    let modified = DateTimePrinter::new().timestamp_to_rfc9110_string(&published.this_update).map_err(Problem::internal)?;
    let condition = Condition::of(call);
    let mut response = if condition.is_known(&etag, Some(published.this_update)) {
        condition::not_modified()
    } else if as_pem {
        crl_body::pem(bytes, published.length)
    } else {
        let asked = condition.range(&etag, &modified).and_then(|range| Slice::asked(range, published.length));
        crl_body::der(bytes, published.length, asked)?
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(Problem::internal)?);
    headers.insert(header::LAST_MODIFIED, HeaderValue::from_str(&modified).map_err(Problem::internal)?);
    headers.insert(header::CACHE_CONTROL, cache_control(app, &published)?);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Caches may keep it until the next regular publication, and never past its end.
fn cache_control(app: &App, published: &PublishedCrl) -> Result<HeaderValue, Problem> {
    let left = app.crls.fresh_until(published).as_second() - app.clock.now().as_second();
    HeaderValue::from_str(&format!("public, max-age={}", left.max(0))).map_err(Problem::internal)
}
