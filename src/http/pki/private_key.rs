//! `/v1/pki/certificates/{id}/private-key`: a private key that is kept, for one who may issue; and its end.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::present;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::id::CertId;
use crate::base::secret::ExposeSecret;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::http::request_log;
use crate::inventory::{KeptKeyError, KeyOwner, StoredCertificate};
use crate::x509::certificate::Certificate;
use crate::x509::private_key::{self, Encoding};

pub async fn retrieve(mut call: Call) -> Result<Response<Body>, Problem> {
    find(&call)?;
    let body: wire::RetrievePrivateKey = call.read_or_default().await?;
    let encoding = read_encoding(body.private_key_format.as_deref()).map_err(|fault| Problem::invalid(vec![fault]))?;
    // Once more: what was allowed and there before the body came need not be now.
    let stored = find(&call)?;
    let certificate = Certificate::from_der(&stored.der).map_err(Problem::internal)?;
    // A key of a kind that is not offered came with an imported certificate, and was not taken with it.
    let public = certificate.public_key().map_err(|_| KeptKeyError::NotKept)?;
    let pkcs8 = call.app.kept_keys.export(KeyOwner::Certificate(stored.id), &public, &call.caller).await?;
    let pem = private_key::to_pem(public.key_type(), pkcs8.expose(), encoding).map_err(Problem::internal)?;
    let answer = wire::KeptPrivateKey {
        id: stored.id.to_string(),
        serial_number: stored.serial.to_string(),
        private_key: pem.expose_secret().to_owned(),
    };
    let response = present::json(StatusCode::OK, &answer)?;
    Ok(match stored.authority() {
        Some(ca) => request_log::about(response, ca, Some(&stored.serial)),
        None => response,
    })
}

pub async fn destroy(call: Call) -> Result<Response<Body>, Problem> {
    let id = super::certificates::find(&call)?.id;
    call.app.kept_keys.destroy(KeyOwner::Certificate(id), &call.caller).await?;
    Ok(present::no_content())
}

/// The certificate of the path, when the caller may have its key.
fn find(call: &Call) -> Result<StoredCertificate, Problem> {
    let id: CertId = call.id("id", "certificate")?;
    let stored = call.app.certificates.get(call.caller.organization(), id)?.ok_or_else(|| Problem::not_found("certificate"))?;
    call.permit_on(stored.ca, "certificate")?;
    Ok(stored)
}

/// How a private key is wanted.
pub fn read_encoding(text: Option<&str>) -> Result<Encoding, Violation> {
    match text {
        None | Some("traditional") => Ok(Encoding::Traditional),
        Some("pkcs8") => Ok(Encoding::Pkcs8),
        Some(_) => Err(Violation::new("private_key_format", "traditional or pkcs8".to_owned())),
    }
}
