//! `/v1/pki/certificates/validate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};

use super::present;
use super::trust_anchors::read_certificate;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::base::id::OrgId;
use crate::ca::{Authority, Kind};
use crate::http::app::App;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::inventory::{self, Anchor, Evidence, Inquired, OwnAuthority, Question, Verdict};
use crate::x509::certificate::Certificate;
use crate::x509::crl::Crl;
use crate::x509::pem::{self, Label};

/// As many as a body of the longest length can hold, and more than any real chain has.
const MOST_CERTIFICATES: usize = 2_000;
/// As many as certificates of a long path have.
const MOST_CRLS: usize = 32;

pub async fn validate(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::Validate = call.read().await?;
    let (app, organization) = (call.app.clone(), call.caller.organization());
    let is_required = body.revocation_required.unwrap_or(false);
    let (mut asked, crls) = app.long_work.run(organization, move || read(&body)).await??;
    // What came with it when it was imported helps to find a path.
    asked.chain.extend(app.certificates.imported_chain(organization, &asked.certificate)?);
    let asked = Arc::new(asked);
    let evidence = Evidence { crls, stated: Vec::new() };
    let judge = |evidence| judge(app.clone(), organization, asked.clone(), evidence);
    let Inquired { verdict, doubts } = app.inquiry.judged(organization, evidence, judge).await?;
    present::json(StatusCode::OK, &view(&verdict, &doubts, is_required))
}

/// What is asked, for the thread that judges.
struct Asked {
    certificate: Certificate,
    chain: Vec<Certificate>,
    check_revocation: bool,
}

/// A megabyte of certificates and CRLs takes a while to read.
fn read(body: &wire::Validate) -> Result<(Asked, Vec<Bytes>), Problem> {
    let mut violations = Vec::new();
    let certificate = read_certificate(&body.certificate_pem, "certificate_pem").map_err(|violation| violations.push(violation)).ok();
    let chain = read_chain(body.chain_pem.as_deref(), &mut violations);
    let crls = read_crls(body.crl_pem.as_deref(), &mut violations);
    let check_revocation = body.check_revocation.unwrap_or(false);
    if body.revocation_required == Some(true) && !check_revocation {
        violations.push(Violation::new("revocation_required", "needs check_revocation".to_owned()));
    }
    match certificate.filter(|_| violations.is_empty()) {
        Some(certificate) => Ok((Asked { certificate, chain, check_revocation }, crls)),
        None => Err(Problem::invalid(violations)),
    }
}

async fn judge(app: Arc<App>, organization: OrgId, asked: Arc<Asked>, evidence: Evidence) -> Result<Verdict, Problem> {
    // Signatures by the dozen, which is too long to hold up the connections.
    let work = app.clone();
    let judged = work.long_work.run(organization, move || {
        let own: Vec<_> = app.authorities.all(organization).iter().map(|authority| own(authority)).collect();
        let Asked { certificate, chain, check_revocation } = &*asked;
        let Evidence { crls, stated } = &evidence;
        let question = Question { certificate, chain, crls, stated, check_revocation: *check_revocation };
        inventory::validate(&question, &own, &app.anchors.all(organization), &app.certificates, app.clock.now())
    });
    Ok(judged.await??)
}

fn read_crls(text: Option<&str>, violations: &mut Vec<Violation>) -> Vec<Bytes> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Vec::new() };
    let blocks = pem::decode_all(text, Label::Crl, MOST_CRLS).unwrap_or_else(|fault| {
        violations.push(Violation::new("crl_pem", fault.to_string()));
        Vec::new()
    });
    for (place, der) in blocks.iter().enumerate() {
        if let Err(fault) = Crl::from_der(der) {
            violations.push(Violation::new("crl_pem", format!("block {}: {fault}", place + 1)));
        }
    }
    blocks.into_iter().map(Bytes::from).collect()
}

/// The certificates of a text; none when it is left out or blank.
pub fn read_chain(text: Option<&str>, violations: &mut Vec<Violation>) -> Vec<Certificate> {
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

/// What is not known is an error where it has to be known, and a warning else.
fn view(verdict: &Verdict, doubts: &BTreeMap<usize, String>, is_required: bool) -> wire::Validation {
    let mut errors: Vec<String> = verdict.faults.iter().map(ToString::to_string).collect();
    errors.extend(verdict.revoked.iter().map(|revoked| {
        let since = revoked.at.map(|at| format!(" at {}", rfc3339(at))).unwrap_or_default();
        format!("certificate {} ({}): it or its issuer was revoked{since}", revoked.place, revoked.subject)
    }));
    let mut warnings = Vec::new();
    for unknown in &verdict.unknown {
        let doubt = unknown.doubt.as_ref().map(ToString::to_string).or_else(|| doubts.get(&unknown.place).cloned());
        let why = doubt.map(|doubt| format!(": {doubt}")).unwrap_or_default();
        let text = format!("the revocation status of {} is not known here{why}", unknown.subject);
        if is_required { errors.push(text) } else { warnings.push(text) }
    }
    if verdict.is_cut_short && !verdict.is_valid() {
        warnings.push("the search for a path was ended by its limits; leave out certificates that are not needed".to_owned());
    }
    wire::Validation {
        valid: verdict.is_valid() && errors.is_empty(),
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
