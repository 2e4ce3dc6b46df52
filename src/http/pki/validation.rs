//! `/v1/pki/certificates/validate`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::present;
use super::trust_anchors::read_certificate;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::ca::{Authority, Kind};
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::inventory::{self, Anchor, OwnAuthority, Question, Verdict};
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};

/// As many as a body of the longest length can hold, and more than any real chain has.
const MOST_CERTIFICATES: usize = 2_000;

pub async fn validate(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::Validate = call.read().await?;
    let mut violations = Vec::new();
    let certificate = read_certificate(&body.certificate_pem, "certificate_pem").map_err(|violation| violations.push(violation)).ok();
    let chain = read_chain(body.chain_pem.as_deref(), &mut violations);
    let Some(certificate) = certificate.filter(|_| violations.is_empty()) else { return Err(Problem::invalid(violations)) };
    let app = call.app.clone();
    // Signatures by the dozen, which is too long to hold up the connections.
    let judged = tokio::task::spawn_blocking(move || {
        let own: Vec<_> = app.authorities.all().iter().map(|authority| own(authority)).collect();
        let question = Question { certificate: &certificate, chain: &chain, check_revocation: body.check_revocation.unwrap_or(false) };
        inventory::validate(&question, &own, &app.anchors.all(), &app.certificates, app.clock.now())
    });
    present::json(StatusCode::OK, &view(&judged.await.map_err(Problem::internal)??))
}

fn read_chain(text: Option<&str>, violations: &mut Vec<Violation>) -> Vec<Certificate> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Vec::new() };
    let blocks = match pem::decode_all(text, Label::Certificate, MOST_CERTIFICATES) {
        Ok(blocks) => blocks,
        Err(fault) => {
            violations.push(Violation::new("chain_pem", fault.to_string()));
            return Vec::new();
        }
    };
    let mut chain = Vec::with_capacity(blocks.len());
    for (place, der) in blocks.iter().enumerate() {
        match Certificate::from_der(der) {
            Ok(certificate) => chain.push(certificate),
            Err(fault) => violations.push(Violation::new("chain_pem", format!("block {}: {fault}", place + 1))),
        }
    }
    chain
}

fn own(authority: &Authority) -> OwnAuthority {
    OwnAuthority {
        id: authority.id,
        certificate: authority.certificate.clone(),
        is_root: authority.kind == Kind::Root,
        is_revoked: authority.revocation().is_some(),
    }
}

fn view(verdict: &Verdict) -> wire::Validation {
    let mut errors: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
    errors.extend(verdict.revoked.iter().map(|revoked| {
        let since = revoked.at.map(|at| format!(" at {}", rfc3339(at))).unwrap_or_default();
        format!("certificate {} ({}): it or its issuer was revoked{since}", revoked.place, revoked.subject)
    }));
    let mut warnings: Vec<String> =
        verdict.unknown.iter().map(|subject| format!("the revocation status of {subject} is not known here")).collect();
    if verdict.is_cut_short && !verdict.is_valid() {
        warnings.push("the search for a path was ended by its limits; leave out certificates that are not needed".to_owned());
    }
    wire::Validation {
        valid: verdict.is_valid(),
        chain_valid: verdict.chain_is_valid,
        not_expired: verdict.is_in_time,
        not_revoked: verdict.revoked.is_empty(),
        trusted_anchor: verdict.anchor.map(|anchor| match anchor {
            Anchor::Own(id) => id.to_string(),
            Anchor::Registered(id) => id.to_string(),
        }),
        errors,
        warnings,
        path: verdict.path.clone(),
    }
}
