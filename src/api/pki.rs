//! The `/v1/pki` family: authorities, roles, issuing, certificates, revocation.
//!
//! Times are RFC 3339 in UTC, durations a number with s, m, h, d or w, serial numbers upper-case hex pairs with colons.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::request_body;
use super::crl::{CrlSettings, SetCrl};

mod requests;

pub use requests::{
    ApproveSigningRequest, CreateSigningRequest, ImportSigningRequest, RejectSigningRequest, SignSigningRequest, SigningRequest,
    SigningRequestDetails,
};

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

request_body! {
    /// `POST /v1/pki/roles`.
    pub struct CreateRole {
        /// Unique; letters, digits, dot, dash and underscore.
        pub name: String,
        /// The issuing authority.
        pub ca_id: String,
        /// Patterns: `example.com`, or `*.example.com` for one label below it.
        pub allowed_domains: Option<Vec<String>>,
        /// Whether names any number of labels below an allowed domain are allowed, wildcards included.
        pub allow_subdomains: Option<bool>,
        pub allow_ip_sans: Option<bool>,
        /// The longest lifetime, and the one given when a request names none; 2160h unless given.
        pub max_ttl: Option<String>,
        /// `rsa`, `ec` (default) or `ed25519`.
        #[schemars(extend("enum" = ["rsa", "ec", "ed25519", null]))]
        pub key_type: Option<String>,
        /// Bits; 2048 for `rsa` and 256 for `ec` unless given.
        pub key_bits: Option<u32>,
        /// Whether a CSR without a common name is refused; true unless given.
        pub require_cn: Option<bool>,
        /// Whether private keys that issuing makes are kept, to be retrieved later.
        pub store_private_keys: Option<bool>,
        /// How they are kept: `token` (default, objects of the token) or `wrapped` (sealed by it).
        pub key_storage: Option<String>,
        /// Whether certificates say that there is no revocation information about them, and carry neither the URL of a CRL nor of an
        /// OCSP responder (RFC 9608); only with a `max_ttl` of at most 7 days.
        pub no_rev_avail: Option<bool>,
        /// What opens the role to ACME clients; closed unless given.
        pub acme: Option<SetRoleAcme>,
    }
}

request_body! {
    /// `PATCH /v1/pki/roles/{name}`: what is given replaces what was.
    pub struct UpdateRole {
        pub ca_id: Option<String>,
        pub allowed_domains: Option<Vec<String>>,
        pub allow_subdomains: Option<bool>,
        pub allow_ip_sans: Option<bool>,
        pub max_ttl: Option<String>,
        pub key_type: Option<String>,
        pub key_bits: Option<u32>,
        pub require_cn: Option<bool>,
        /// Whether private keys that issuing makes are kept, to be retrieved later.
        pub store_private_keys: Option<bool>,
        /// How they are kept: `token` (default, objects of the token) or `wrapped` (sealed by it).
        pub key_storage: Option<String>,
        /// Whether certificates say that there is no revocation information about them, and carry neither the URL of a CRL nor of an
        /// OCSP responder (RFC 9608); only with a `max_ttl` of at most 7 days.
        pub no_rev_avail: Option<bool>,
        /// What opens the role to ACME clients; what is left out of it stays.
        pub acme: Option<SetRoleAcme>,
    }
}

/// The account and the order by which a certificate came.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CertificateAcme {
    pub account_id: String,
    pub order_id: String,
}

request_body! {
    /// What opens a role to ACME clients, who choose it as their profile or have it by their credential.
    pub struct SetRoleAcme {
        /// Whether it is open; true unless given.
        pub enabled: Option<bool>,
        /// How clients may show that a name is theirs: `http-01`, `dns-01` and `tls-alpn-01` unless given; `dns-account-01` and
        /// `dns-persist-01` besides.
        pub challenges: Option<Vec<String>>,
        /// Names that accounts with a credential need not validate, by the patterns of `allowed_domains`.
        pub pre_authorized: Option<Vec<String>>,
        /// Whether the CAA records of names are looked at; false unless given.
        pub caa: Option<bool>,
        /// Whether clients may choose when a certificate begins and ends; false unless given.
        pub allow_dates: Option<bool>,
    }
}

/// What opens a role to ACME clients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoleAcme {
    pub challenges: Vec<String>,
    pub pre_authorized: Vec<String>,
    pub caa: bool,
    pub allow_dates: bool,
}

impl CreateRole {
    /// The name and the authority of the role, and its rules.
    pub fn into_parts(self) -> (String, String, UpdateRole) {
        let Self {
            name,
            ca_id,
            allowed_domains,
            allow_subdomains,
            allow_ip_sans,
            max_ttl,
            key_type,
            key_bits,
            require_cn,
            store_private_keys,
            key_storage,
            no_rev_avail,
            acme,
        } = self;
        (
            name,
            ca_id,
            UpdateRole {
                ca_id: None,
                allowed_domains,
                allow_subdomains,
                allow_ip_sans,
                max_ttl,
                key_type,
                key_bits,
                require_cn,
                store_private_keys,
                key_storage,
                no_rev_avail,
                acme,
            },
        )
    }

    /// A role with these rules; the authority that they may name is not looked at.
    pub fn from_parts(name: String, ca_id: String, rules: UpdateRole) -> Self {
        let UpdateRole {
            ca_id: _,
            allowed_domains,
            allow_subdomains,
            allow_ip_sans,
            max_ttl,
            key_type,
            key_bits,
            require_cn,
            store_private_keys,
            key_storage,
            no_rev_avail,
            acme,
        } = rules;
        Self {
            name,
            ca_id,
            allowed_domains,
            allow_subdomains,
            allow_ip_sans,
            max_ttl,
            key_type,
            key_bits,
            require_cn,
            store_private_keys,
            key_storage,
            no_rev_avail,
            acme,
        }
    }
}

/// One role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Role {
    pub name: String,
    pub ca_id: String,
    pub allowed_domains: Vec<String>,
    pub allow_subdomains: bool,
    pub allow_ip_sans: bool,
    pub max_ttl: String,
    pub key_type: String,
    pub key_bits: u32,
    pub require_cn: bool,
    pub store_private_keys: bool,
    /// Present when private keys are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_storage: Option<String>,
    /// Whether certificates carry noRevAvail (RFC 9608).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_rev_avail: bool,
    /// Present when the role is open to ACME clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<RoleAcme>,
    pub created_at: String,
    pub updated_at: String,
}

request_body! {
    /// `POST /v1/pki/issue/{role}`.
    pub struct Issue {
        /// A host name or IP address; it becomes a subject alternative name too.
        pub common_name: String,
        pub alt_names: Option<Vec<String>>,
        pub ip_sans: Option<Vec<String>>,
        pub ttl: Option<String>,
        /// `traditional` (default: SEC1 or PKCS#1 by key type) or `pkcs8`.
        #[schemars(extend("enum" = ["traditional", "pkcs8", null]))]
        pub private_key_format: Option<String>,
    }
}

request_body! {
    /// `POST /v1/pki/sign/{role}`.
    pub struct Sign {
        pub csr_pem: String,
        pub ttl: Option<String>,
        /// Host names and IP addresses that replace those of the CSR.
        pub san: Option<Vec<String>>,
    }
}

/// What issuing and signing answer. `Debug` shows no private key.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct IssuedCertificate {
    pub id: String,
    pub certificate: String,
    /// Present once, when the appliance made the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    /// The issuer first, its root last.
    pub ca_chain: Vec<String>,
    pub serial_number: String,
    pub not_after: String,
    /// What was asked for and changed or left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, certificate, private_key, ca_chain, serial_number, not_after, warnings } = self;
        f.debug_struct("IssuedCertificate")
            .field("id", id)
            .field("certificate", certificate)
            .field("private_key", &private_key.as_ref().map(|_| "[REDACTED]"))
            .field("ca_chain", ca_chain)
            .field("serial_number", serial_number)
            .field("not_after", not_after)
            .field("warnings", warnings)
            .finish()
    }
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

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// What to pass as `cursor` for the next page.
    pub cursor: Option<String>,
    pub has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::{IssuedCertificate, KeptPrivateKey};

    #[test]
    fn a_private_key_is_not_shown_by_debug() {
        let issued = IssuedCertificate {
            id: "cert_1".to_owned(),
            certificate: String::new(),
            private_key: Some("-----BEGIN SECRET-----".to_owned()),
            ca_chain: Vec::new(),
            serial_number: String::new(),
            not_after: String::new(),
            warnings: Vec::new(),
        };
        let shown = format!("{issued:?} {issued:#?}");
        assert!(!shown.contains("SECRET") && shown.contains("[REDACTED]"), "{shown}");
        let kept = KeptPrivateKey { id: String::new(), serial_number: String::new(), private_key: "-----BEGIN SECRET-----".to_owned() };
        let shown = format!("{kept:?}");
        assert!(!shown.contains("SECRET") && shown.contains("[REDACTED]"), "{shown}");
    }
}
