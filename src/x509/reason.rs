//! Why a certificate was revoked (RFC 5280, 5.3.1).

use std::fmt;
use std::str::FromStr;

/// A CRLReason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RevocationReason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    CertificateHold,
    /// Only ever in a delta CRL: a hold was lifted.
    RemoveFromCrl,
    PrivilegeWithdrawn,
    AaCompromise,
}

/// The text is not the name of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a revocation reason of RFC 5280")]
pub struct UnknownReason;

impl RevocationReason {
    /// Every reason, by its code.
    pub const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The code in a CRL or an OCSP response. 7 is not used.
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// The name records and the API use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key_compromise",
            Self::CaCompromise => "ca_compromise",
            Self::AffiliationChanged => "affiliation_changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation_of_operation",
            Self::CertificateHold => "certificate_hold",
            Self::RemoveFromCrl => "remove_from_crl",
            Self::PrivilegeWithdrawn => "privilege_withdrawn",
            Self::AaCompromise => "aa_compromise",
        }
    }

    /// The name as RFC 5280 writes it.
    pub fn rfc_name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RevocationReason {
    type Err = UnknownReason;

    /// Reads `key_compromise`, `keyCompromise`, and the odd capitals of RFC 5280 (`cACompromise`, `removeFromCRL`) in the
    /// plain form too (`caCompromise`, `removeFromCrl`).
    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let plain = match text {
            "caCompromise" => "cACompromise",
            "aaCompromise" => "aACompromise",
            "removeFromCrl" => "removeFromCRL",
            other => other,
        };
        Self::ALL.into_iter().find(|reason| reason.name() == text || reason.rfc_name() == plain).ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_come_back() {
        let codes: Vec<u8> = RevocationReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]);
        for reason in RevocationReason::ALL {
            assert_eq!(RevocationReason::from_code(reason.code()), Some(reason));
            assert_eq!(reason.name().parse(), Ok(reason));
            assert_eq!(reason.rfc_name().parse(), Ok(reason));
        }
        for code in [7, 11, 255] {
            assert_eq!(RevocationReason::from_code(code), None);
        }
    }

    #[test]
    fn plain_capitals_are_read_and_nothing_else() {
        assert_eq!("caCompromise".parse(), Ok(RevocationReason::CaCompromise));
        assert_eq!("aaCompromise".parse(), Ok(RevocationReason::AaCompromise));
        assert_eq!("removeFromCrl".parse(), Ok(RevocationReason::RemoveFromCrl));
        for text in ["", "KeyCompromise", "KEY_COMPROMISE", "key-compromise", "key_compromise ", "lost", "1"] {
            assert_eq!(text.parse::<RevocationReason>(), Err(UnknownReason), "{text:?}");
        }
    }
}
