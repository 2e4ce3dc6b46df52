//! The Online Certificate Status Protocol (RFC 6960, 9654): requests and responses, written and read.
//!
//! Everything that comes from outside is bounded and read whole before any of it is used. Nothing here knows what was issued or revoked,
//! or which key may speak for whom but by RFC 6960, 4.2.2.2.

mod certificate_id;
mod request;
mod response;
mod signed_response;

pub use certificate_id::{CertificateId, IdHash, Issuer};
pub use request::{OcspRequest, RequestFault};
pub use response::{Refusal, ResponseDraft, SingleStatus, Status};
pub use signed_response::{OcspResponse, ResponseFault, Untrusted};

use const_oid::ObjectIdentifier;

/// The longest request that is read. One of a single certificate has a hundred bytes.
pub const LONGEST_REQUEST: usize = 16 << 10;
/// The most certificates one request may ask about.
pub const MOST_IDS: usize = 100;
/// The longest nonce (RFC 9654, 2.1).
pub const LONGEST_NONCE: usize = 128;

/// RFC 6960, 4.2.1: the one form of responses there is.
const BASIC_RESPONSE: ObjectIdentifier = const_oid::db::rfc6960::ID_PKIX_OCSP_BASIC;
const NONCE: ObjectIdentifier = const_oid::db::rfc6960::ID_PKIX_OCSP_NONCE;

#[cfg(test)]
mod tests;
