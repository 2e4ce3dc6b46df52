//! The ACME server: what clients send inside their signatures and what is answered (RFC 8555, 7; RFC 8738; RFC 9773), and the credentials that bind
//! accounts to an organisation.
//!
//! Members that are not known are ignored in what clients send (RFC 8555, 6), other than everywhere else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::request_body;
use super::secrets::SecretText;

/// `GET /api/acme/directory` (RFC 8555, 7.1.1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    pub new_nonce: String,
    pub new_account: String,
    pub new_order: String,
    pub revoke_cert: String,
    pub key_change: String,
    /// RFC 9773, 4.
    pub renewal_info: String,
    pub meta: DirectoryMeta,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryMeta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_of_service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caa_identities: Vec<String>,
    pub external_account_required: bool,
    /// The roles that are open to ACME clients, each with what it gives.
    pub profiles: BTreeMap<String, String>,
}

/// `newAccount` (RFC 8555, 7.3).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewAccount {
    pub contact: Option<Vec<String>>,
    pub terms_of_service_agreed: Option<bool>,
    pub only_return_existing: Option<bool>,
    /// A JWS.
    pub external_account_binding: Option<Value>,
}

/// An update of an account (RFC 8555, 7.3.2 and 7.3.6).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateAccount {
    pub contact: Option<Vec<String>>,
    pub status: Option<String>,
}

/// An account (RFC 8555, 7.1.2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub status: String,
    pub contact: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms_of_service_agreed: Option<bool>,
    pub orders: String,
}

/// The orders of an account (RFC 8555, 7.1.2.1).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Orders {
    pub orders: Vec<String>,
}

/// The inner payload of `keyChange` (RFC 8555, 7.3.5).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyChange {
    pub account: String,
    /// A JWK.
    pub old_key: Value,
}

/// `newOrder` (RFC 8555, 7.4).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    pub identifiers: Vec<Identifier>,
    pub not_before: Option<String>,
    pub not_after: Option<String>,
    /// RFC 9773, 5.
    pub replaces: Option<String>,
    pub profile: Option<String>,
}

/// A name (RFC 8555, 9.7.7; RFC 8738, 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identifier {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
}

/// An order (RFC 8555, 7.1.3).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub status: String,
    pub expires: String,
    pub identifiers: Vec<Identifier>,
    pub profile: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    pub authorizations: Vec<String>,
    pub finalize: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// An authorization (RFC 8555, 7.1.4).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Authorization {
    pub identifier: Identifier,
    pub status: String,
    pub expires: String,
    pub challenges: Vec<Challenge>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wildcard: bool,
}

/// A challenge (RFC 8555, 7.1.5 and 8).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Challenge {
    #[serde(rename = "type")]
    pub kind: String,
    pub url: String,
    pub status: String,
    /// None for dns-persist-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// Of dns-persist-01: the names by which the record may know this authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuer_domain_names: Vec<String>,
    /// Of dns-persist-01: the account as the record names it.
    #[serde(rename = "accounturi", default, skip_serializing_if = "Option::is_none")]
    pub account_uri: Option<String>,
}

/// A change of a status: `deactivated`.
#[derive(Clone, Debug, Deserialize)]
pub struct StatusChange {
    pub status: Option<String>,
}

/// `finalize` (RFC 8555, 7.4).
#[derive(Clone, Debug, Deserialize)]
pub struct Finalize {
    pub csr: String,
}

/// `revokeCert` (RFC 8555, 7.6).
#[derive(Clone, Debug, Deserialize)]
pub struct RevokeCertificate {
    pub certificate: String,
    pub reason: Option<i64>,
}

/// `renewalInfo` (RFC 9773, 4.2).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenewalInfo {
    pub suggested_window: Window,
    #[serde(rename = "explanationURL", default, skip_serializing_if = "Option::is_none")]
    pub explanation_url: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    pub start: String,
    pub end: String,
}

/// A refusal as ACME has it (RFC 8555, 6.7).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// `urn:ietf:params:acme:error:` and a type of RFC 8555, 6.7.
    #[serde(rename = "type")]
    pub kind: String,
    pub detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The name it is about, in a problem inside another (RFC 8555, 6.7.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// What could have signed, where the algorithm is wrong (RFC 8555, 6.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<Problem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

request_body! {
    /// `POST /api/v1/organizations/{id}/acme-credentials`.
    pub struct CreateCredential {
        /// What certificates of its accounts are booked on.
        pub project_id: Option<String>,
        /// The role that issues when an order names no profile; it must be open to ACME clients.
        pub default_template_id: Option<String>,
        /// What it is for, such as the name of a cluster.
        pub cluster_label: Option<String>,
        /// When it binds no more accounts, RFC 3339; those that are bound go on.
        pub expires_at: Option<String>,
        /// How many accounts it binds at most.
        pub max_uses: Option<u32>,
        /// The only host names its accounts may ask for: `example.com`, or `*.example.com` for one label below it.
        pub allowed_names: Option<Vec<String>>,
    }
}

/// One credential, without its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    pub id: String,
    /// What clients show as the key's id.
    pub eab_key_id: String,
    pub organization_id: String,
    pub project_id: Option<String>,
    pub default_template_id: Option<String>,
    pub cluster_label: String,
    pub allowed_names: Vec<String>,
    pub expires_at: Option<String>,
    pub max_uses: Option<u32>,
    /// How many accounts were bound to it.
    pub uses: u32,
    /// `active`, `expired`, `used_up` or `revoked`.
    pub status: String,
    pub created_at: String,
    pub created_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// A new credential with its key, which is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NewCredential {
    #[serde(flatten)]
    pub credential: Credential,
    /// The HMAC key as clients take it: base64url without padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eab_hmac_key: Option<SecretText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An account, as the operator sees it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ManagedAccount {
    pub id: String,
    pub organization_id: String,
    pub project_id: Option<String>,
    /// None where accounts need not be bound.
    pub credential_id: Option<String>,
    /// `valid`, `deactivated`, or `stopped` when its credential was revoked.
    pub status: String,
    /// By which the account is known to CAA records and DNS challenges.
    pub url: String,
    pub contact: Vec<String>,
    /// RFC 7638, base64url.
    pub key_thumbprint: String,
    pub created_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deactivated_at: Option<String>,
}

request_body! {
    /// `PUT /api/v1/organizations/{id}/acme-incidents/{affected_id}`.
    pub struct DeclareIncident {
        /// Where people can read what has happened; clients are told (RFC 9773, 4.2).
        pub explanation_url: Option<String>,
    }
}

/// An incident: a certificate, or all that an authority had issued by then, is to be replaced now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// The certificate's id or the authority's.
    pub affected_id: String,
    pub declared_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation_url: Option<String>,
}

/// A page of a list whose pages are numbered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}s")]
pub struct NumberedPage<T> {
    pub data: Vec<T>,
    pub pagination: Pagination,
}

/// Which page of a list it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Pagination {
    pub page: u32,
    pub per_page: u32,
    pub total: u32,
}
