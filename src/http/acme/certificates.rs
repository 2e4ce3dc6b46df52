//! Certificates: fetched, revoked, and when to renew them (RFC 8555, 7.4.2 and 7.6; RFC 9773).

use axum::body::Body;
use axum::http::{Response, StatusCode, header};

use super::{Desk, present as shown};
use crate::api::acme as wire;
use crate::base::clock::rfc3339;
use crate::base::id::{CaId, CertId};
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;
use crate::http::request_log;
use crate::x509::pem::{self, Label};

const CHAIN: &str = "application/pem-certificate-chain";

/// The certificate, then its issuer and so on. RFC 8555, 9.1: each certifies the one before it; the root is left out, for who trusts it has it.
/// A root that issues by itself is given, because certbot takes no chain of one certificate.
///
/// `up` leads to the certificate that would come next, in the same form, since Caddy fetches it by POST-as-GET and appends it to the chain.
pub async fn download(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    if let Ok(id) = desk.call.parameter("id").parse::<CaId>() {
        return issuer(desk, id).await;
    }
    let id: CertId = desk.call.id("id", "certificate")?;
    if !desk.server.has_certificate(id)? {
        return Err(Problem::not_found("certificate"));
    }
    let request = desk.account().await?;
    let (stored, authority) = desk.server.download(&request, id)?;
    let mut chain = pem::encode(Label::Certificate, &stored.der);
    for authority in authority.and_above().filter(|one| one.parent.is_some() || one.id == authority.id) {
        chain += &authority.certificate_pem;
    }
    let mut response = present::bytes_of(StatusCode::OK, CHAIN, chain)?;
    if let Some(root) = authority.and_above().skip(1).find(|above| above.parent.is_none()) {
        response = shown::linked(response, &desk.base.of(&format!("cert/{}", root.id)), "up")?;
    }
    Ok(request_log::about(response, stored.ca, Some(&stored.serial)))
}

/// The certificate of an authority, which everybody may have, for those who follow `up`.
async fn issuer(mut desk: Desk, id: CaId) -> Result<Response<Body>, Problem> {
    let not_found = || Problem::not_found("certificate");
    desk.call.app.authorities.of_any_organization(id).ok_or_else(not_found)?;
    let request = desk.account().await?;
    request.as_get()?;
    let authority = desk.call.app.authorities.get(request.account().organization, id).ok_or_else(not_found)?;
    present::bytes_of(StatusCode::OK, CHAIN, authority.certificate_pem.clone())
}

pub async fn revoke(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let request = desk.either().await?;
    desk.server.revoke(request).await?;
    Ok(Response::new(Body::empty()))
}

pub async fn renewal_info(call: Call) -> Result<Response<Body>, Problem> {
    let desk = Desk::open(call)?;
    let found = desk.server.renewal_info(desk.call.parameter("id"))?;
    let window = wire::Window { start: rfc3339(found.start), end: rfc3339(found.end) };
    let response = present::json(StatusCode::OK, &wire::RenewalInfo { suggested_window: window, explanation_url: found.explanation })?;
    shown::with(response, header::RETRY_AFTER, &found.retry_after_seconds.to_string())
}
