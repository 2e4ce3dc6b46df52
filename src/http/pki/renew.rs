//! `POST /v1/pki/certificates/{id}/renew`.

use axum::body::Body;
use axum::http::Response;

use super::private_key::read_encoding;
use super::{certificates, issue, sign};
use crate::api::pki as wire;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::lifecycle::Renewal;
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
    let csr = body.csr_pem.as_deref().map(sign::read_csr).transpose().map_err(|refused| Problem::from(refused).with(&violations))?;
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    // Of this moment: it may have been narrowed while the body was on its way.
    let role = RoleName::parse(&certificate.role).and_then(|name| call.app.roles.get(certificate.organization, &name));
    let renewal = Renewal { certificate: &certificate, role, ttl, csr, encoding };
    let renewed = call.app.renewer.renew(renewal, &call.caller).await?;
    issue::respond(&renewed.issued, renewed.private_key)
}
