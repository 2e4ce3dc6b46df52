//! What holds for a certificate that no role but a person has approved.
//!
//! The person decides about names and subject. What is left of the rules here is what a person cannot judge by looking, or should not be
//! able to set aside by overlooking: how long it lasts and what its key is for. That it is no authority, its key's type and strength, and
//! its algorithm are rules of the one way to issue and hold for every certificate.

use crate::base::duration::Span;
use crate::x509::extension::ExtendedKeyUsage;
use crate::x509::san::SubjectAltName;

/// The rules of an approval.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalPolicy {
    /// The longest lifetime.
    pub max_ttl: Span,
    /// The one given when none is asked for.
    pub default_ttl: Span,
    /// What certificates may be used for.
    pub purposes: &'static [ExtendedKeyUsage],
}

impl ApprovalPolicy {
    /// The rules under every authority. 825 days are the most that clients take in a certificate of a private authority; 90 is what a role
    /// gives unless it is told otherwise.
    pub const DEFAULT: Self = Self {
        max_ttl: Span::days(825),
        default_ttl: Span::days(90),
        purposes: &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::EmailProtection],
    };

    /// The purposes of a certificate for these names when the request asks for none: both ends of TLS, or mail where all names are mailboxes.
    pub(super) fn purposes_for(&self, names: &[SubjectAltName]) -> &'static [ExtendedKeyUsage] {
        let is_mailbox = |name: &SubjectAltName| matches!(name, SubjectAltName::Email(_));
        if !names.is_empty() && names.iter().all(is_mailbox) {
            &[ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::EmailProtection]
        } else {
            &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth]
        }
    }
}
