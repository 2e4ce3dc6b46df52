//! `/v1/pki/csr`: requests that a person decides about.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::body::request_body;

request_body! {
    /// `POST /v1/pki/csr`: a key pair in the token, and a request for it.
    pub struct CreateSigningRequest {
        /// `common_name`, `organization`, `organizational_unit`, `country`, `state`, `locality`, `street_address`, `postal_code`,
        /// `serial_number`, `email`, `title`, `surname`, `given_name`, `user_id`; none is required.
        pub subject: BTreeMap<String, String>,
        pub san_dns: Option<Vec<String>>,
        pub san_ip: Option<Vec<String>>,
        pub san_email: Option<Vec<String>>,
        /// `rsa`, `ec` (default) or `ed25519`.
        #[schemars(extend("enum" = ["rsa", "ec", "ed25519", null]))]
        pub key_type: Option<String>,
        /// Bits; 2048 for `rsa` and 256 for `ec` unless given.
        pub key_size: Option<u32>,
    }
}

request_body! {
    /// `POST /v1/pki/csr/import`.
    pub struct ImportSigningRequest {
        pub csr_pem: String,
    }
}

request_body! {
    /// `POST /v1/pki/csr/{id}/approve`; the body may be left out.
    pub struct ApproveSigningRequest {
        /// The hash of what was reviewed; a request that asks for something else is not approved.
        pub request_sha256: Option<String>,
    }
}

request_body! {
    /// `POST /v1/pki/csr/{id}/reject`.
    pub struct RejectSigningRequest {
        pub reason: String,
    }
}

request_body! {
    /// `POST /v1/pki/csr/{id}/sign`.
    pub struct SignSigningRequest {
        /// The authority that signs.
        pub ca_id: String,
        /// 90 unless given, 825 at most.
        pub validity_days: Option<u32>,
        /// Names that replace those of the request.
        pub san: Option<Vec<String>>,
    }
}

/// One request in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SigningRequest {
    pub id: String,
    /// `pending`, `approved`, `rejected` or `signed`.
    pub status: String,
    /// `imported` or `generated`.
    pub source: String,
    pub common_name: String,
    pub key_type: String,
    pub key_size: u32,
    pub requested_by: String,
    pub created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_id: Option<String>,
}

/// One request in full.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SigningRequestDetails {
    #[serde(flatten)]
    pub summary: SigningRequest,
    /// The subject by the names of its fields; what has no name of ours, by its object identifier. A field that stands more than once has
    /// its values behind each other; `subject_dn` has them as they are.
    pub subject: BTreeMap<String, String>,
    /// The whole subject (RFC 4514).
    pub subject_dn: String,
    pub san_dns: Vec<String>,
    pub san_ip: Vec<String>,
    pub san_email: Vec<String>,
    pub san_uri: Vec<String>,
    /// Names that cannot be certified.
    pub san_other: Vec<String>,
    /// The key usages it asks for; empty for those its key's type gets.
    pub key_usage: Vec<String>,
    /// The purposes it asks for, by name or object identifier; empty for those its names get.
    pub extended_key_usage: Vec<String>,
    /// Whether it asks to become a CA.
    pub asks_for_ca: bool,
    /// The extensions it asks for besides, which are never granted.
    pub other_extensions: Vec<String>,
    pub csr_pem: String,
    /// The hash of everything that is asked for: the part of the request that its key signed.
    pub request_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_at: Option<String>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<String>,
}
