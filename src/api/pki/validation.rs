//! Trust anchors, and the validation of any certificate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::body::request_body;

request_body! {
    /// `POST /v1/pki/trust-anchors`.
    pub struct CreateTrustAnchor {
        /// Unique; 1 to 128 letters, digits, spaces, dots, dashes or underscores.
        pub name: String,
        /// The certificate of a CA elsewhere.
        pub certificate_pem: String,
    }
}

/// One trust anchor.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TrustAnchor {
    pub id: String,
    pub name: String,
    pub common_name: String,
    pub subject: String,
    pub serial_number: String,
    pub fingerprint_sha256: String,
    pub valid_from: String,
    pub valid_until: String,
    pub certificate_pem: String,
    pub created_at: String,
}

request_body! {
    /// `POST /v1/pki/certificates/validate`.
    pub struct Validate {
        pub certificate_pem: String,
        /// Intermediate certificates in any order.
        pub chain_pem: Option<String>,
        /// CRLs of authorities elsewhere. Where they say nothing, those the certificates name are fetched, when that is asked for.
        pub crl_pem: Option<String>,
        /// Whether the status of certificates that authorities elsewhere issued is looked for. The appliance's own records are looked at always.
        pub check_revocation: Option<bool>,
        /// Whether a status that cannot be found out is an error; a warning unless given. Needs `check_revocation`.
        pub revocation_required: Option<bool>,
    }
}

/// What validation answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// All of the following hold.
    pub valid: bool,
    /// A path to an anchor exists, and every signature and constraint along it is right.
    pub chain_valid: bool,
    pub not_expired: bool,
    /// No certificate of the path is known to be revoked.
    pub not_revoked: bool,
    /// The id of the trust anchor, or of the authority, that the path ends in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_anchor: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The subjects of the path, from the certificate to its anchor.
    pub path: Vec<String>,
}
