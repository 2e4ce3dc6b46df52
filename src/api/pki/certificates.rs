//! Certificates: shown, labelled, renewed, revoked, and their private keys where those are kept.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::body::request_body;

/// The account and the order by which a certificate came.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CertificateAcme {
    pub account_id: String,
    pub order_id: String,
}

/// One certificate in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CertificateSummary {
    pub id: String,
    pub common_name: String,
    /// The authority of the appliance that signed it; empty for one that was imported and signed elsewhere.
    pub issuer_ca_id: String,
    pub serial_number: String,
    pub valid_from: String,
    pub valid_until: String,
    pub is_revoked: bool,
    /// What it is booked on; absent when it is booked on nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
}

/// One certificate in full.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    #[serde(flatten)]
    pub summary: CertificateSummary,
    /// The issuer's name (RFC 4514), where `issuer_ca_id` does not say who that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Empty for one that was signed by approval.
    pub role: String,
    /// The request that was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr_id: Option<String>,
    /// The certificate in whose place it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_from: Option<String>,
    /// The newest that was issued in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_by: Option<String>,
    /// How it came by ACME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<CertificateAcme>,
    pub alt_names: Vec<String>,
    pub ip_sans: Vec<String>,
    pub key_type: String,
    pub key_bits: u32,
    pub fingerprint_sha256: String,
    pub created_at: String,
    /// Whether `POST /v1/pki/certificates/{id}/private-key` returns its private key.
    #[serde(default)]
    pub has_private_key: bool,
    pub tags: Vec<String>,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
}

request_body! {
    /// `POST /v1/pki/certificates/{id}/renew`.
    pub struct Renew {
        pub ttl: Option<String>,
        /// A request whose key the new certificate is for; no other names than the old one's.
        pub csr_pem: Option<String>,
        /// `traditional` (default: SEC1 or PKCS#1 by key type) or `pkcs8`.
        #[schemars(extend("enum" = ["traditional", "pkcs8", null]))]
        pub private_key_format: Option<String>,
    }
}

request_body! {
    /// `PATCH /v1/pki/certificates/{id}`.
    pub struct UpdateCertificate {
        pub tags: Option<Vec<String>>,
        pub description: Option<String>,
    }
}

request_body! {
    /// `POST /v1/pki/certificates/{id}/private-key`; it may be left out.
    pub struct RetrievePrivateKey {
        /// `traditional` (default: SEC1 or PKCS#1 by key type) or `pkcs8`.
        pub private_key_format: Option<String>,
    }
}

/// What `POST /v1/pki/certificates/{id}/private-key` answers. `Debug` shows no private key.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeptPrivateKey {
    /// The certificate's.
    pub id: String,
    pub serial_number: String,
    pub private_key: String,
}

impl fmt::Debug for KeptPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, serial_number, private_key: _ } = self;
        f.debug_struct("KeptPrivateKey").field("id", id).field("serial_number", serial_number).field("private_key", &"[REDACTED]").finish()
    }
}

request_body! {
    /// `POST /v1/pki/revoke`: one of `serial_number`, `certificate_id` and `certificate_pem` is required.
    pub struct Revoke {
        /// With or without colons, in either case.
        pub serial_number: Option<String>,
        pub certificate_id: Option<String>,
        /// The certificate itself.
        pub certificate_pem: Option<String>,
        /// A reason of RFC 5280, 5.3.1, as `key_compromise` or `keyCompromise`; `unspecified` unless given.
        pub reason: Option<String>,
        /// When the key is thought to have been lost (RFC 5280, 5.3.2), RFC 3339.
        pub invalidity_date: Option<String>,
        /// Only for certificates obtained through ACME.
        pub use_acme: Option<bool>,
    }
}
