//! `/v1/pki/certificates/import`: a certificate that was issued elsewhere, with its key and chain.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::certificates::in_full;
use super::present;
use super::trust_anchors::read_certificate;
use super::validation::read_chain;
use crate::api::import as wire;
use crate::api::problem::Violation;
use crate::base::id::CaId;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::http::request_log;
use crate::lifecycle::ImportOrder;
use crate::x509::certificate::Certificate;
use crate::x509::private_key::{self, GeneratedKey};

/// More than any real chain has.
const MOST_OF_CHAIN: usize = 20;

pub async fn import(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::ImportCertificate = call.read().await?;
    let mut violations = Vec::new();
    let certificate = read_certificate(&body.certificate_pem, "certificate_pem").map_err(|violation| violations.push(violation)).ok();
    let key = read_key(body.private_key_pem.as_ref(), certificate.as_ref(), &mut violations);
    let mut chain = read_chain(body.chain_pem.as_deref(), &mut violations);
    // Files of chains begin with the certificate itself more often than not.
    chain.retain(|above| Some(above) != certificate.as_ref());
    if chain.len() > MOST_OF_CHAIN {
        violations.push(Violation::new("chain_pem", format!("at most {MOST_OF_CHAIN} certificates above the imported one")));
    }
    let named = read_id(body.ca_id.as_deref(), &mut violations);
    let Some(certificate) = certificate else { return Err(Problem::invalid(violations)) };
    let issuer = call.app.importer.issuer(call.caller.organization(), named, &certificate).unwrap_or_else(|fault| {
        violations.push(Violation::new("ca_id", fault.to_string()));
        None
    });
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let order = ImportOrder { certificate, chain, key, issuer, caller: &call.caller };
    let imported = call.app.importer.import(order).await?;
    let answer = wire::ImportedCertificate {
        certificate: in_full(&call.app, &imported.certificate)?,
        warnings: imported.warnings.iter().map(ToString::to_string).collect(),
    };
    let response = present::json(StatusCode::CREATED, &answer)?;
    Ok(match imported.certificate.authority() {
        Some(ca) => request_log::about(response, ca, Some(&imported.certificate.serial)),
        None => response,
    })
}

/// The private key, which must be the certificate's.
fn read_key(text: Option<&wire::SecretText>, certificate: Option<&Certificate>, violations: &mut Vec<Violation>) -> Option<GeneratedKey> {
    let mut fault = |message: String| violations.push(Violation::new("private_key_pem", message));
    let key = private_key::from_pem(&text?.0).map_err(|found| fault(found.to_string())).ok()?;
    match certificate.map(Certificate::public_key) {
        Some(Err(kind)) => fault(format!("a key of this kind cannot be kept, so leave it out: {kind}")),
        Some(Ok(public)) if public != key.public => fault("not the private key of the certificate".to_owned()),
        Some(Ok(_)) | None => {}
    }
    Some(key)
}

fn read_id(text: Option<&str>, violations: &mut Vec<Violation>) -> Option<CaId> {
    let id = text?.parse().ok();
    if id.is_none() {
        violations.push(Violation::new("ca_id", "not the id of an authority".to_owned()));
    }
    id
}
