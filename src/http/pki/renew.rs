//! `POST /v1/pki/certificates/{id}/renew`.

use axum::body::Body;
use axum::http::Response;

use super::private_key::read_encoding;
use super::{certificates, issue, sign};
use crate::api::pki as wire;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::lifecycle::{RenewError, Renewal};
use crate::profiles::RoleName;
use crate::x509::private_key::Encoding;

pub async fn renew(mut call: Call) -> Result<Response<Body>, Problem> {
    let certificate = certificates::find(&call)?;
    let body: wire::Renew = call.read_or_default().await?;
    let mut violations = Vec::new();
    let ttl = issue::read_ttl(body.ttl.as_deref(), &mut violations);
    let encoding = read_encoding(body.private_key_format.as_deref()).unwrap_or_else(|fault| {
        violations.push(fault);
        Encoding::Traditional
    });
    let csr = body.csr_pem.as_deref().map(sign::read_csr).transpose().unwrap_or_else(|refused| {
        violations.extend(Problem::from(refused).violations);
        None
    });
    let key = csr.as_ref().map(|csr| csr.public_key().clone());
    // Of this moment: it may have been narrowed while the body was on its way.
    let role = RoleName::parse(&certificate.role).and_then(|name| call.app.roles.get(certificate.organization, &name));
    let renewal = Renewal { certificate: &certificate, role, ttl, csr, encoding };
    if !violations.is_empty() {
        let found = call.app.renewer.faults_of(renewal, &call.caller);
        return Err(Problem::invalid(issue::with_key(&call, key.as_ref(), violations, found)));
    }
    match call.app.renewer.renew(renewal, &call.caller).await {
        Ok(renewed) => issue::respond(&renewed.issued, renewed.private_key),
        Err(RenewError::Policy(found)) => Err(Problem::not_allowed(issue::with_key(&call, key.as_ref(), Vec::new(), found))),
        Err(error) => Err(error.into()),
    }
}
