//! CRLs: when and how those of an authority are made, and what making one answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::{Body, FieldSpec, Kind, request_body};

request_body! {
    /// How the CRLs of an authority are made; `crl` in `POST /v1/pki/ca` and `PATCH /v1/pki/ca/{id}`. What is left out stays as it is.
    pub struct SetCrl {
        /// How often a full CRL is made, such as `1h`; the appliance's configuration says so unless given.
        pub period: Option<String>,
        /// How long a full CRL is good for, such as `24h`.
        pub validity: Option<String>,
        /// How long before the end of a full CRL its successor is made at the latest.
        pub overlap: Option<String>,
        /// Whether delta CRLs are made between the full ones.
        pub delta: Option<bool>,
        /// How often a delta CRL is made; 10m unless given.
        pub delta_period: Option<String>,
        /// Among how many CRLs the certificates of users are divided that are issued from now on; it only grows. 0 for one CRL of everything.
        pub shards: Option<u32>,
        /// Whether a revocation has a CRL made soon: a delta CRL where there are any.
        pub publish_on_revocation: Option<bool>,
        /// How soon; 5s unless given. What is revoked meanwhile is on the same CRL.
        pub publish_within: Option<String>,
    }
}

request_body! {
    /// `PATCH /v1/pki/ca/{id}`.
    pub struct UpdateAuthority {
        pub crl: Option<SetCrl>,
    }
}

/// How the CRLs of an authority are made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct CrlSettings {
    pub period: String,
    pub validity: String,
    pub overlap: String,
    pub delta: bool,
    pub delta_period: String,
    pub shards: u32,
    pub publish_on_revocation: bool,
    pub publish_within: String,
}

/// `POST /api/v1/ca/{id}/crl/regenerate`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateCrl {
    /// `full` or `delta`.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["full", "delta"]))]
    pub kind: String,
}

impl Body for RegenerateCrl {
    /// The field is a word of the language, so it has another name here.
    const FIELDS: &'static [FieldSpec] = &[FieldSpec { name: "type", kind: Kind::Text, required: true }];
}

/// What making a CRL answers on `/api/v1`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RegeneratedCrl {
    pub ca_id: String,
    /// `full` or `delta`.
    #[serde(rename = "type")]
    pub kind: String,
    pub crl_number: u64,
    /// The number of the full CRL that a delta CRL belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_crl_number: Option<u64>,
    pub this_update: String,
    pub next_update: String,
    /// The entries of a full CRL; of a delta CRL, what has changed.
    pub revoked_certificates: u64,
}
