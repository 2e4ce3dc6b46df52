//! `/v1/pki/ca`: authorities and their certificates.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::present;
use crate::access::{Caller, Scope};
use crate::api::crl::UpdateAuthority;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::id::CaId;
use crate::ca::{Authority, AuthorityRequest, CrlForm, PlaceFault, RefusedAuthority};
use crate::http::app::App;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::http::request_log;
use crate::x509::reason::RevocationReason;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark("authorities");
    let cursor = query.cursor(&mark);
    query.finish()?;
    let behind = |authority: &Arc<Authority>| cursor.as_ref().is_none_or(|c| authority.id.as_bytes().as_slice() > c.key());
    let found = call.app.authorities.all(call.caller.organization()).into_iter().filter(behind).take(limit + 1).collect();
    let page = present::cut(found, limit, &mark, |authority| authority.id.as_bytes().to_vec());
    let shown = page.items.iter().map(|authority| view(&call.app, authority)).collect::<Result<Vec<_>, _>>()?;
    let cursor = page.next.map(|cursor| cursor.to_string());
    present::json(StatusCode::OK, &wire::Page { data: shown, has_more: cursor.is_some(), cursor })
}

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let request = match AuthorityRequest::read(call.read().await?, call.app.crls.schedule()) {
        Ok(request) => request,
        Err(refused) => return Err(with_place(&call, refused)?),
    };
    permit_creation(&call, request.place.parent)?;
    let (app, caller) = (call.app.clone(), call.caller.clone());
    // To its end even when the client goes away: a key in the token must not be left without its authority.
    let work = async move {
        let authority = app.creator.create(request, &caller).await?;
        publish(&app, &[authority.id], &caller).await;
        Ok::<_, Problem>((authority.id, view(&app, &authority)?))
    };
    let (id, created) = tokio::spawn(work).await.map_err(Problem::internal)??;
    Ok(request_log::about(present::json(StatusCode::CREATED, &created)?, id, None))
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    present::json(StatusCode::OK, &view(&call.app, &*find(&call)?)?)
}

pub async fn update(mut call: Call) -> Result<Response<Body>, Problem> {
    let authority = find(&call)?;
    let body: UpdateAuthority = call.read().await?;
    if let Some(asked) = &body.crl {
        let settings = authority.crl_as_asked(asked, call.app.crls.schedule()).map_err(Problem::invalid)?;
        call.app.crls.configure(&authority, settings, &call.caller).await?;
    }
    present::json(StatusCode::OK, &view(&call.app, &*find(&call)?)?)
}

pub async fn certificate(call: Call) -> Result<Response<Body>, Problem> {
    let id = call.id("id", "authority")?;
    let authority = call.app.authorities.of_any_organization(id).ok_or_else(|| Problem::not_found("authority"))?;
    if call.accepts("application/pkix-cert") {
        return cacheable(present::bytes_of(StatusCode::OK, "application/pkix-cert", authority.certificate.der().to_vec())?);
    }
    if call.wants_pem() {
        return cacheable(present::bytes_of(StatusCode::OK, "application/x-pem-file", authority.certificate_pem.clone())?);
    }
    present::json(StatusCode::OK, &wire::AuthorityCertificate { certificate_pem: authority.certificate_pem.clone() })
}

/// `/ca/{id}.crt`, as the issuer URL in certificates names it, or by the authority's name: DER (RFC 5280, 4.2.2.1).
pub async fn by_file(call: Call) -> Result<Response<Body>, Problem> {
    let authorities = &call.app.authorities;
    let authority = call.parameter("file").strip_suffix(".crt").and_then(|slug| match slug.parse() {
        Ok(id) => authorities.of_any_organization(id),
        Err(_) => authorities.of_slug(slug),
    });
    let authority = authority.ok_or_else(|| Problem::not_found("authority"))?;
    cacheable(present::bytes_of(StatusCode::OK, "application/pkix-cert", authority.certificate.der().to_vec())?)
}

pub async fn revoke(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = find(&call)?.id;
    let body: wire::RevokeAuthority = call.read_or_default().await?;
    let reason = read_reason(body.reason.as_deref()).map_err(|fault| Problem::invalid(vec![fault]))?;
    if reason == RevocationReason::CertificateHold {
        return Err(Problem::field("reason", "an authority cannot be put on hold"));
    }
    let (app, caller) = (call.app.clone(), call.caller.clone());
    let authority = app.revoker.authority(id, reason, &caller).await?;
    let shown = view(&app, &authority)?;
    // Beside the answer: the list of a large authority takes its time, and the revocation is durable already.
    let changed: Vec<CaId> = authority.parent.iter().map(|parent| parent.id).chain([id]).collect();
    tokio::spawn(async move { publish(&app, &changed, &caller).await });
    Ok(request_log::about(present::json(StatusCode::OK, &shown)?, id, None))
}

/// Reads a reason for revocation; none means unspecified.
pub fn read_reason(text: Option<&str>) -> Result<RevocationReason, Violation> {
    let Some(text) = text else { return Ok(RevocationReason::Unspecified) };
    let reason = text.parse().ok().filter(|reason| *reason != RevocationReason::RemoveFromCrl);
    reason.ok_or_else(|| {
        let known = RevocationReason::ALL.iter().filter(|r| **r != RevocationReason::RemoveFromCrl).map(|r| r.name());
        Violation::new("reason", format!("one of {}", known.collect::<Vec<_>>().join(", ")))
    })
}

/// Makes new CRLs. What was done stands whether or not the token can sign just now; the regular publication makes up for a
/// failure.
async fn publish(app: &App, authorities: &[CaId], caller: &Caller) {
    for id in authorities {
        if let Err(error) = app.crls.publish(*id, CrlForm::Full, caller).await {
            tracing::warn!(ca = %id, %error, "no CRL was published");
        }
    }
}

/// What is wrong with a request by itself; and, for who may make such an authority, what stands against it besides.
fn with_place(call: &Call, refused: RefusedAuthority) -> Result<Problem, Problem> {
    let RefusedAuthority { mut violations, place } = refused;
    if permit_creation(call, place.parent).is_ok() {
        let faults = call.app.creator.faults_of(&place, &call.caller)?;
        violations.extend(faults.into_iter().flat_map(|fault| Problem::from(fault).violations));
    }
    Ok(Problem::invalid(violations))
}

/// A root is for those who may make any authority; below one that exists, the capability on it is enough.
fn permit_creation(call: &Call, parent: Option<CaId>) -> Result<(), Problem> {
    let known = parent.and_then(|parent| call.app.authorities.get(call.caller.organization(), parent));
    match (&known, parent) {
        (Some(parent), _) => call.permit_on(parent.id, "authority"),
        _ if call.caller.holds(Scope::CreateCa) => Ok(()),
        (None, Some(_)) => Err(PlaceFault::NoParent.into()),
        (None, None) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", format!("A root needs a token with the scope {}.", Scope::PkiAdmin)))
        }
    }
}

fn find(call: &Call) -> Result<Arc<Authority>, Problem> {
    let id = call.id("id", "authority")?;
    call.app.authorities.get(call.caller.organization(), id).ok_or_else(|| Problem::not_found("authority"))
}

fn view(app: &App, authority: &Authority) -> Result<wire::Authority, Problem> {
    let issued = app.certificates.issued(authority.id)?;
    Ok(present::authority(authority, issued, authority.standing(app.clock.now()).is_ok(), app.crls.schedule()))
}

fn cacheable(mut response: Response<Body>) -> Result<Response<Body>, Problem> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    // A cache must not hand the PEM to who asks for DER.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}
