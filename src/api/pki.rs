//! The `/v1/pki` family: authorities, roles, issuing, certificates, revocation.
//!
//! Times are RFC 3339 in UTC, durations a number with s, m, h, d or w, serial numbers upper-case hex pairs with colons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod authorities;
mod certificates;
mod issue;
mod requests;
mod roles;
mod validation;

pub use authorities::{Authority, AuthorityCertificate, CreateAuthority, CrlPublished, RevokeAuthority};
pub use certificates::{
    Certificate, CertificateAcme, CertificateSummary, KeptPrivateKey, Renew, RetrievePrivateKey, Revoke, UpdateCertificate,
};
pub use issue::{Issue, IssuedCertificate, Sign};
pub use requests::{
    ApproveSigningRequest, CreateSigningRequest, ImportSigningRequest, RejectSigningRequest, SignSigningRequest, SigningRequest,
    SigningRequestDetails,
};
pub use roles::{CreateRole, Role, RoleAcme, SetRoleAcme, UpdateRole};
pub use validation::{CreateTrustAnchor, TrustAnchor, Validate, Validation};

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
