//! `/v1/pki/trust-anchors`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::present;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::object_name;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::inventory::TrustAnchor;
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark("trust-anchors");
    let cursor = query.cursor(&mark);
    query.finish()?;
    let behind = |anchor: &Arc<TrustAnchor>| cursor.as_ref().is_none_or(|c| anchor.id.as_bytes().as_slice() > c.key());
    let found = call.app.anchors.all(call.caller.organization()).into_iter().filter(behind).take(limit + 1).collect();
    let page = present::cut(found, limit, &mark, |anchor| anchor.id.as_bytes().to_vec());
    present::json(StatusCode::OK, &present::page(page, |anchor| present::trust_anchor(&anchor)))
}

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::CreateTrustAnchor = call.read().await?;
    let mut violations = Vec::new();
    if !object_name::is_object_name(&body.name) {
        violations.push(Violation::new("name", object_name::WANTED.to_owned()));
    }
    match read_certificate(&body.certificate_pem, "certificate_pem") {
        Ok(certificate) if violations.is_empty() => {
            let anchor = call.app.anchors.create(body.name, certificate, &call.caller).await?;
            present::json(StatusCode::CREATED, &present::trust_anchor(&anchor))
        }
        Ok(_) => Err(Problem::invalid(violations)),
        Err(violation) => {
            violations.push(violation);
            Err(Problem::invalid(violations))
        }
    }
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let anchor = call.parameter("id").parse().ok().and_then(|id| call.app.anchors.get(call.caller.organization(), id));
    present::json(StatusCode::OK, &present::trust_anchor(&*anchor.ok_or_else(|| Problem::not_found("trust anchor"))?))
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    let id = call.parameter("id").parse().map_err(|_| Problem::not_found("trust anchor"))?;
    call.app.anchors.delete(id, &call.caller).await?;
    Ok(present::no_content())
}

/// The one certificate of a PEM text.
pub fn read_certificate(text: &str, field: &str) -> Result<Certificate, Violation> {
    let der = pem::decode_one(text, Label::Certificate).map_err(|fault| Violation::new(field, fault.to_string()))?;
    Certificate::from_der(&der).map_err(|fault| Violation::new(field, fault.to_string()))
}
