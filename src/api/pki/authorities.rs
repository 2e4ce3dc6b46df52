//! Authorities and the publication of their CRLs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::body::request_body;
use crate::api::crl::{CrlSettings, SetCrl};

request_body! {
    /// `POST /v1/pki/ca`.
    pub struct CreateAuthority {
        /// How the appliance calls it; unique.
        pub name: String,
        /// The subject's common name.
        pub common_name: String,
        /// `root` or `intermediate`.
        #[schemars(extend("enum" = ["root", "intermediate"]))]
        pub ca_type: String,
        /// The issuer; required for intermediates, refused for roots.
        pub parent_ca_id: Option<String>,
        /// The configured token that is to hold its key; the first unless given.
        pub token: Option<String>,
        /// `rsa` (default), `ec` or `ed25519`.
        #[schemars(extend("enum" = ["rsa", "ec", "ed25519", null]))]
        pub key_type: Option<String>,
        /// Bits: 2048, 3072 or 4096 for `rsa`; 256, 384 or 521 for `ec`.
        pub key_size: Option<u32>,
        /// Days; 3650 for roots and 1825 for intermediates unless given.
        pub validity_days: Option<u32>,
        /// How many intermediates may follow below (RFC 5280, 4.2.1.9); unlimited unless the issuer limits it.
        pub path_length: Option<u32>,
        /// How its key signs, such as `rsa-pss-sha256`; the key type's default unless given.
        pub signature_algorithm: Option<String>,
        pub organization: Option<String>,
        pub organizational_unit: Option<String>,
        /// Two letters (ISO 3166).
        pub country: Option<String>,
        pub state: Option<String>,
        pub locality: Option<String>,
        /// Where its CRL is fetched from, written into what it issues; the appliance's public URL unless given.
        pub crl_urls: Option<Vec<String>>,
        /// Where its certificate is fetched from, written into what it issues.
        pub issuer_urls: Option<Vec<String>>,
        /// Whether its OCSP responder answers, and its URL is written into what it issues; true unless given.
        pub ocsp: Option<bool>,
        /// Where its OCSP responder is, written into what it issues; that of the appliance unless given.
        pub ocsp_urls: Option<Vec<String>>,
        /// How its CRLs are made.
        pub crl: Option<SetCrl>,
    }
}

/// One authority.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Authority {
    pub id: String,
    pub name: String,
    pub common_name: String,
    pub ca_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_ca_id: Option<String>,
    pub key_type: String,
    pub key_size: u32,
    pub valid_from: String,
    pub valid_until: String,
    pub is_active: bool,
    pub certificates_issued: u64,
    pub created_at: String,
    pub serial_number: String,
    pub signature_algorithm: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u32>,
    pub is_revoked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
    /// How its CRLs are made.
    #[serde(default)]
    pub crl: CrlSettings,
}

/// `GET /v1/pki/ca/{id}/certificate` as JSON.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AuthorityCertificate {
    pub certificate_pem: String,
}

request_body! {
    /// `POST /v1/pki/ca/{id}/revoke`.
    pub struct RevokeAuthority {
        /// A reason of RFC 5280, 5.3.1; `unspecified` unless given.
        pub reason: Option<String>,
    }
}

/// `POST /v1/pki/ca/{id}/crl`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CrlPublished {
    pub crl_pem: String,
    pub crl_number: u64,
    pub this_update: String,
    pub next_update: String,
    pub revoked_certificates: u64,
}
