//! What the policy says of a request a person is to decide about.

use jiff::Timestamp;

use crate::base::duration::Span;
use crate::policy::{self, ApprovalPolicy, Approved, Request, Source, Violation, Warning};
use crate::x509::csr::CertificateRequest;
use crate::x509::name::AttributeType;
use crate::x509::san::RequestedName;

/// Judges a request: with its own names, or with these and the fields they came in.
pub fn judge(
    csr: &CertificateRequest,
    names: Option<Vec<(String, RequestedName)>>,
    ttl: Option<Span>,
    now: Timestamp,
) -> Result<Approved, Vec<Violation>> {
    let (source, names) = match names {
        // Names that somebody gave are those that are meant, and a common name must not add to them.
        Some(names) => (Source::Csr, names),
        None => (Source::Fields, csr.names().iter().map(|name| ("csr_pem".to_owned(), name.clone())).collect()),
    };
    let request = Request::of_csr(csr, source, names, ttl, left_out(csr));
    policy::decide_approved(&ApprovalPolicy::DEFAULT, request, &subject(csr), now)
}

/// The attributes that are written into a certificate: those with a known type and a text for a value, each in a part of its own.
fn subject(csr: &CertificateRequest) -> Vec<(AttributeType, String)> {
    csr.subject().texts().into_iter().filter_map(|(kind, _, text)| Some((kind?, text?))).collect()
}

/// What the request carries and nobody can grant; said in the answer, for nothing is dropped in silence.
fn left_out(csr: &CertificateRequest) -> Vec<Warning> {
    let attributes = csr.subject().texts().into_iter().filter(|(kind, _, text)| kind.is_none() || text.is_none());
    let attributes = attributes.map(|(_, oid, _)| Warning::AttributeLeftOut(oid.to_string()));
    let extensions = csr.other_extensions().iter().map(|oid| Warning::ExtensionLeftOut(oid.to_string()));
    attributes.chain(extensions).collect()
}
