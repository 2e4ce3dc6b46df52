//! `/v1/pki/certificates` and `/v1/pki/revoke`.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;

use super::authorities::read_reason;
use super::present;
use crate::acme_server;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::id::CertId;
use crate::base::text::is_printable;
use crate::ca::Authority;
use crate::http::app::App;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::http::request_log;
use crate::inventory::{Filter, InventoryError, KeyOwner, Revocation, StoredCertificate};
use crate::lifecycle::Target;
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};
use crate::x509::serial::Serial;

const MOST_TAGS: usize = 50;
const LONGEST_TAG: usize = 128;
const LONGEST_DESCRIPTION: usize = 2_000;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let filter = Filter {
        ca: query.parse("ca_id", "the id of an authority"),
        expiring_within: query.parse("expiring_within", "a duration such as 30d or 720h"),
        include_revoked: query.parse("include_revoked", "true or false").unwrap_or(false),
    };
    let limit = query.limit();
    let mark = call.mark(&filter.mark());
    let cursor = query.cursor(&mark);
    query.finish()?;
    let (app, organization) = (call.app.clone(), call.caller.organization());
    // A page may read a thousand records, which is too long to hold up the connections.
    let listed = tokio::task::spawn_blocking(move || {
        let page = app.authorities.list_issued(&app.certificates, organization, &filter, &mark, cursor.as_ref(), limit)?;
        Ok::<_, InventoryError>(present::page(page, |listed| present::summary(&listed.certificate, listed.revocation.is_some())))
    });
    present::json(StatusCode::OK, &listed.await.map_err(Problem::internal)??)
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    view(&call.app, &find(&call)?)
}

pub async fn pem(call: Call) -> Result<Response<Body>, Problem> {
    let certificate = find(&call)?;
    present::bytes_of(StatusCode::OK, "application/x-pem-file", pem::encode(Label::Certificate, &certificate.der))
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = find(&call)?.id;
    let body: wire::UpdateCertificate = call.read().await?;
    let violations = label_violations(&body);
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    call.app.certificates.relabel(id, body.tags, body.description, &call.caller).await?;
    view(&call.app, &find(&call)?)
}

pub async fn revoke(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::Revoke = call.read().await?;
    let now = call.app.clock.now();
    let mut violations = Vec::new();
    let target = read_target(&body).map_err(|fault| violations.push(fault)).ok();
    let reason = read_reason(body.reason.as_deref()).map_err(|fault| violations.push(fault)).ok();
    let invalidity_date = read_time(body.invalidity_date.as_deref(), now).map_err(|fault| violations.push(fault)).ok();
    if body.use_acme == Some(true) {
        let message = "only certificates obtained through ACME are revoked through it; leave it out";
        violations.push(Violation::new("use_acme", message.to_owned()));
    }
    match (target, reason, invalidity_date) {
        (Some(target), Some(reason), Some(invalidity_date)) if violations.is_empty() => {
            let field = target_field(&target);
            // The same for what is not there and for what the caller may not see.
            permit(&call, &target).map_err(|problem| problem.about(field))?;
            let revoked = call.app.revoker.certificate(&target, reason, invalidity_date, &call.caller).await;
            let revoked = revoked.map_err(|error| Problem::from(error).about(field))?;
            let StoredCertificate { ca, serial, .. } = &revoked.certificate;
            Ok(request_log::about(view(&call.app, &revoked.certificate)?, *ca, Some(serial)))
        }
        _ => Err(Problem::invalid(violations)),
    }
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.deleter.delete(find(&call)?.id, &call.caller).await?;
    Ok(present::no_content())
}

/// `POST /v1/pki/certificates/{id}/unrevoke`: lifts a hold.
pub async fn unrevoke(call: Call) -> Result<Response<Body>, Problem> {
    let certificate = find(&call)?;
    call.permit_on(certificate.ca, "certificate")?;
    let certificate = call.app.revoker.lift(certificate.id, &call.caller).await?;
    Ok(request_log::about(view(&call.app, &certificate)?, certificate.ca, Some(&certificate.serial)))
}

pub fn find(call: &Call) -> Result<StoredCertificate, Problem> {
    let id: CertId = call.id("id", "certificate")?;
    call.app.certificates.get(call.caller.organization(), id)?.ok_or_else(|| Problem::not_found("certificate"))
}

fn view(app: &App, certificate: &StoredCertificate) -> Result<Response<Body>, Problem> {
    present::json(StatusCode::OK, &in_full(app, certificate)?)
}

/// A certificate in full, as it is at this moment.
pub fn in_full(app: &App, certificate: &StoredCertificate) -> Result<wire::Certificate, Problem> {
    let labels = app.certificates.labels(certificate.id)?;
    let lineage = app.certificates.lineage(certificate.id)?;
    let own = app.certificates.revocation(certificate.ca, &certificate.serial)?;
    let authority = app.authorities.get(certificate.organization, certificate.ca);
    let from_above: Option<&Revocation> = authority.as_deref().and_then(Authority::revocation);
    let has_private_key = app.kept_keys.has(KeyOwner::Certificate(certificate.id))?;
    // Also when there is no ACME server any more.
    let source = acme_server::source(&app.storage, certificate.id)?;
    present::certificate(certificate, labels, lineage, own.as_ref().or(from_above), has_private_key, source)
}

/// That the caller may revoke this; what is not there is for the revoker to say.
fn permit(call: &Call, target: &Target) -> Result<(), Problem> {
    let found = call.app.revoker.find(target, &call.caller)?;
    found.map_or(Ok(()), |certificate| call.permit_on(certificate.ca, "certificate"))
}

fn read_target(body: &wire::Revoke) -> Result<Target, Violation> {
    let fault = |field, message: &str| Violation::new(field, message.to_owned());
    match (&body.serial_number, &body.certificate_id, &body.certificate_pem) {
        (Some(serial), None, None) => {
            serial.parse::<Serial>().map(Target::Serial).map_err(|found| fault("serial_number", &found.to_string()))
        }
        (None, Some(id), None) => id.parse().map(Target::Id).map_err(|_| fault("certificate_id", "not the id of a certificate")),
        (None, None, Some(pem)) => {
            let wrong = |found: &dyn std::fmt::Display| fault("certificate_pem", &found.to_string());
            let der = pem::decode_one(pem, Label::Certificate).map_err(|found| wrong(&found))?;
            let certificate = Certificate::from_der(&der).map_err(|found| wrong(&found))?;
            Ok(Target::Certificate(der.into(), *certificate.serial()))
        }
        (None, None, None) => Err(fault("serial_number", "required, unless certificate_id or certificate_pem is given")),
        (Some(_), Some(_), _) => Err(fault("certificate_id", "give either this or serial_number")),
        (Some(_), None, Some(_)) => Err(fault("certificate_pem", "give either this or serial_number")),
        (None, Some(_), Some(_)) => Err(fault("certificate_pem", "give either this or certificate_id")),
    }
}

/// The field that names it.
fn target_field(target: &Target) -> &'static str {
    match target {
        Target::Serial(_) => "serial_number",
        Target::Id(_) => "certificate_id",
        Target::Certificate(..) => "certificate_pem",
    }
}

fn read_time(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Violation> {
    let Some(text) = text else { return Ok(None) };
    let fault = |message: &str| Violation::new("invalidity_date", message.to_owned());
    let time: Timestamp = text.parse().map_err(|_| fault("a time as in 2026-04-23T14:00:00Z (RFC 3339)"))?;
    if time > now {
        return Err(fault("a time that has passed"));
    }
    // RFC 5280, 4.1.2.5 has no form for years before 1950: a CRL with such an entry could never be made again.
    if time < Timestamp::UNIX_EPOCH {
        return Err(fault("a time since 1970"));
    }
    Ok(Some(time))
}

fn label_violations(body: &wire::UpdateCertificate) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (i, tag) in body.tags.iter().flatten().enumerate() {
        if tag.is_empty() || tag.chars().count() > LONGEST_TAG || !is_printable(tag) {
            violations.push(Violation::new(&format!("tags[{i}]"), format!("1 to {LONGEST_TAG} printable characters")));
        }
    }
    if body.tags.as_ref().is_some_and(|tags| tags.len() > MOST_TAGS) {
        violations.push(Violation::new("tags", format!("at most {MOST_TAGS}")));
    }
    if body.description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION || !is_printable(text)) {
        violations.push(Violation::new("description", format!("at most {LONGEST_DESCRIPTION} printable characters")));
    }
    violations
}
