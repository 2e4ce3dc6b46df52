//! `/v1/pki/sign`: a CSR under a role becomes a certificate. One that cannot be taken is judged as far as it can be read, for whoever corrects it
//! shall learn of everything at once.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::Response;

use super::issue::{decide, host, read_ttl, respond, role};
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::duration::Span;
use crate::ca::Order;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::policy::{self, Request, Source, Warning};
use crate::profiles::Role;
use crate::x509::csr::{CertificateRequest, RefusedRequest, RequestContent};
use crate::x509::name::AttributeType;
use crate::x509::pem::{self, Label};
use crate::x509::san::{RequestedName, SubjectAltName};

/// Names with their fields.
type Names = Vec<(String, RequestedName)>;

pub async fn sign(mut call: Call) -> Result<Response<Body>, Problem> {
    role(&call)?;
    let body: wire::Sign = call.read().await?;
    let (role, authority) = role(&call)?;
    let mut violations = Vec::new();
    let ttl = read_ttl(body.ttl.as_deref(), &mut violations);
    let names = body.san.as_deref().map(read_names);
    let csr = read_csr(&body.csr_pem).map_err(|refused| {
        violations.extend(refused.violations);
        violations.extend(faults_besides(&call, &role, refused.content.as_deref(), names.clone(), ttl));
        Problem::invalid(std::mem::take(&mut violations))
    })?;
    let names = names.unwrap_or_else(|| own_names(csr.content()));
    let request = Request::of_csr(&csr, Source::Csr, names, ttl, left_out(&csr));
    let public_key = csr.public_key().clone();
    let approved = decide(&call, &role, request, Some(&public_key), violations)?;
    let order = Order::new(authority, approved, public_key, role.name.as_str(), &call.caller);
    respond(&call.app.issuer.issue(order).await?, None)
}

/// Why the text of a field `csr_pem` is not taken, and what it says it asks for.
pub struct RefusedCsr {
    violations: Vec<Violation>,
    content: Option<Box<RequestContent>>,
}

impl From<RefusedCsr> for Problem {
    fn from(refused: RefusedCsr) -> Self {
        Self::invalid(refused.violations)
    }
}

/// The request in a field `csr_pem`.
pub fn read_csr(text: &str) -> Result<CertificateRequest, RefusedCsr> {
    let told = |fault: &dyn std::fmt::Display| Violation::new("csr_pem", fault.to_string());
    let der =
        pem::decode_one(text, Label::CertificateRequest).map_err(|fault| RefusedCsr { violations: vec![told(&fault)], content: None })?;
    CertificateRequest::read(&der).map_err(|RefusedRequest { fault, others, content }| {
        let violations = std::iter::once(fault).chain(others).map(|fault| told(&fault)).collect();
        RefusedCsr { violations, content }
    })
}

/// What the role says to a request without a key that can be certified. Its content is nobody's proven wish, and nothing is done by it but this.
fn faults_besides(
    call: &Call,
    role: &Role,
    content: Option<&RequestContent>,
    names: Option<Names>,
    ttl: Option<Span>,
) -> impl Iterator<Item = Violation> {
    let found = match content {
        None => policy::faults_of(&role.policy, &names.unwrap_or_default(), ttl),
        Some(content) => {
            let names = names.unwrap_or_else(|| own_names(content));
            // As with a key that the role is for: that this one is not such a key is told.
            let request = Request::of_content(content, role.policy.key_type, Source::Csr, names, ttl);
            policy::decide(&role.policy, request, call.app.clock.now()).err().unwrap_or_default()
        }
    };
    found.into_iter().map(Violation::from)
}

fn own_names(content: &RequestContent) -> Names {
    content.names().iter().map(|name| ("csr_pem".to_owned(), name.clone())).collect()
}

/// The names of the `san` override: an IP address when it reads as one, a host name otherwise.
fn read_names(texts: &[String]) -> Names {
    let read = |text: &str| match text.parse::<IpAddr>() {
        Ok(address) => RequestedName::Good(SubjectAltName::Ip(address)),
        Err(_) => host(text),
    };
    texts.iter().enumerate().map(|(i, text)| (format!("san[{i}]"), read(text))).collect()
}

/// What the CSR carries and no role grants; said in the answer, for nothing is dropped in silence.
fn left_out(csr: &CertificateRequest) -> Vec<Warning> {
    let attributes = csr.subject().attributes().into_iter().filter(|(kind, ..)| *kind != Some(AttributeType::CommonName));
    let attributes =
        attributes.map(|(kind, oid, _)| Warning::AttributeLeftOut(kind.map_or(oid.to_string(), |kind| kind.short_name().to_owned())));
    let extensions = csr.other_extensions().iter().map(|oid| Warning::ExtensionLeftOut(oid.to_string()));
    attributes.chain(extensions).collect()
}
