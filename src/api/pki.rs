//! The `/v1/pki` family: authorities, roles, issuing, certificates, revocation.
//!
//! Times are RFC 3339 in UTC, durations a number with s, m, h, d or w, serial numbers upper-case hex pairs with colons.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::body::request_body;

request_body! {
    /// `POST /v1/pki/ca`.
    pub struct CreateAuthority {
        /// How the appliance calls it; unique.
        pub name: String,
        /// The subject's common name.
        pub common_name: String,
        /// `root` or `intermediate`.
        pub ca_type: String,
        /// The issuer; required for intermediates, refused for roots.
        pub parent_ca_id: Option<String>,
        /// The configured token that is to hold its key; the first unless given.
        pub token: Option<String>,
        /// `rsa` (default), `ec` or `ed25519`.
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
    }
}

/// One authority.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
}

/// `GET /v1/pki/ca/{id}/certificate` as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        pub key_type: Option<String>,
        /// Bits; 2048 for `rsa` and 256 for `ec` unless given.
        pub key_bits: Option<u32>,
        /// Whether a CSR without a common name is refused; true unless given.
        pub require_cn: Option<bool>,
        pub store_private_keys: Option<bool>,
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
        pub store_private_keys: Option<bool>,
    }
}

/// One role.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateSummary {
    pub id: String,
    pub common_name: String,
    pub issuer_ca_id: String,
    pub serial_number: String,
    pub valid_from: String,
    pub valid_until: String,
    pub is_revoked: bool,
}

/// One certificate in full.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certificate {
    #[serde(flatten)]
    pub summary: CertificateSummary,
    pub role: String,
    pub alt_names: Vec<String>,
    pub ip_sans: Vec<String>,
    pub key_type: String,
    pub key_bits: u32,
    pub fingerprint_sha256: String,
    pub created_at: String,
    pub tags: Vec<String>,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
}

request_body! {
    /// `PATCH /v1/pki/certificates/{id}`.
    pub struct UpdateCertificate {
        pub tags: Option<Vec<String>>,
        pub description: Option<String>,
    }
}

request_body! {
    /// `POST /v1/pki/revoke`: one of `serial_number` and `certificate_id` is required.
    pub struct Revoke {
        /// With or without colons, in either case.
        pub serial_number: Option<String>,
        pub certificate_id: Option<String>,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        /// Whether a revocation status that is not known here is told as a warning. The appliance's own records are looked at always.
        pub check_revocation: Option<bool>,
    }
}

/// What validation answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// What to pass as `cursor` for the next page.
    pub cursor: Option<String>,
    pub has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::IssuedCertificate;

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
    }
}
