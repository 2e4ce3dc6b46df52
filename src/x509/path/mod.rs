//! Path validation (RFC 5280, 6; policies by the graph of RFC 9618): from a certificate over any intermediates to a trust anchor.
//!
//! Paths are looked for depth first, the likeliest issuer first, until one is without fault. The work is bounded: so many signatures are
//! verified and so many steps taken, whatever is handed in. When no path is without fault, the best one is told with all its faults.
//!
//! Never does: fetch anything, look at the clock, or decide about revocation, which [`Outcome::path`] is the basis for.

mod build;
mod constraints;
mod policies;
mod rules;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::certificate::Certificate;

pub use constraints::ConstraintFault;

/// What the validation starts from (RFC 5280, 6.1.1).
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The moment for which the path is judged.
    pub at: Timestamp,
    /// user-initial-policy-set; None for any-policy.
    pub policies: Option<Vec<ObjectIdentifier>>,
    /// initial-explicit-policy.
    pub explicit_policy: bool,
    /// initial-policy-mapping-inhibit.
    pub inhibit_policy_mapping: bool,
    /// initial-any-policy-inhibit.
    pub inhibit_any_policy: bool,
    pub limits: Limits,
}

/// How much may be done for one question.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Signatures that are verified.
    pub signatures: u32,
    /// Candidates that are looked at.
    pub steps: u32,
    /// Certificates between the first and the anchor.
    pub intermediates: usize,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// The best path, the certificate in question first and its anchor last. Only the certificate itself when none led to an anchor.
    pub path: Vec<&'a Certificate>,
    /// Which of the anchors the path ends in.
    pub anchor: Option<usize>,
    /// What is wrong with that path; nothing when it is valid.
    pub faults: Vec<Fault>,
    /// Whether the limits ended the search, so that a better path may exist.
    pub is_cut_short: bool,
}

/// Something wrong with one certificate of a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate {place} ({subject}): {kind}")]
pub struct Fault {
    /// Its place in the path, counted from the certificate in question, which is 0.
    pub place: usize,
    pub subject: String,
    pub kind: FaultKind,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("no way leads from it to a trust anchor")]
    NoAnchor,
    #[error("it is valid only from {0}")]
    NotYetValid(Timestamp),
    #[error("it expired at {0}")]
    Expired(Timestamp),
    #[error("its signature algorithm is not accepted: SHA-2 with RSA, ECDSA or Ed25519 is wanted")]
    WeakAlgorithm,
    #[error("its key is not of an accepted type or size")]
    WeakKey,
    #[error("its signature was not made by its issuer")]
    BadSignature,
    #[error("it is no CA: it has no basicConstraints with cA (RFC 5280, 6.1.4 k)")]
    NotACa,
    #[error("its key usage does not let it sign certificates (RFC 5280, 6.1.4 n)")]
    MayNotSignCertificates,
    #[error("more CA certificates follow it than its path length allows (RFC 5280, 6.1.4 l)")]
    PathLength,
    #[error("it has the critical extension {0}, which is not known (RFC 5280, 6.1.4 o)")]
    UnknownCriticalExtension(ObjectIdentifier),
    #[error("its extension {0} cannot be read")]
    UnreadableExtension(ObjectIdentifier),
    #[error("a name is not allowed by those above it: {0}")]
    NameConstraint(ConstraintFault),
    #[error("no certificate policy is valid along the path, and one is required (RFC 5280, 6.1.3 f)")]
    Policy,
    #[error("it maps the policy anyPolicy (RFC 5280, 6.1.4 a)")]
    AnyPolicyMapped,
}

impl Inputs {
    /// The usual question: any policy, for this moment.
    pub fn at(at: Timestamp) -> Self {
        Self {
            at,
            policies: None,
            explicit_policy: false,
            inhibit_policy_mapping: false,
            inhibit_any_policy: false,
            limits: Limits { signatures: 64, steps: 4_096, intermediates: 16 },
        }
    }
}

impl Outcome<'_> {
    /// Whether a path to an anchor is without fault.
    pub fn is_valid(&self) -> bool {
        self.anchor.is_some() && self.faults.is_empty()
    }

    /// Whether the path holds when times are left aside.
    pub fn chain_is_valid(&self) -> bool {
        self.anchor.is_some() && self.faults.iter().all(|fault| fault.kind.is_about_time())
    }
}

impl FaultKind {
    /// Whether it will pass, or has come, with time alone.
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::NotYetValid(_) | Self::Expired(_))
    }
}

/// Looks for a path from `certificate` over `intermediates`, in any order and number, to one of `anchors`. An anchor is trusted as it is
/// (RFC 5280, 6.1.1 d): its name and key count, and its own constraints too (RFC 5937), but not its signature or its dates.
pub fn validate<'a>(
    certificate: &'a Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    inputs: &Inputs,
) -> Outcome<'a> {
    build::Search::new(intermediates, anchors, inputs).run(certificate)
}

/// Applies the rules to a path whose certificates are taken to have signed one another, the first in question and the last its anchor.
/// Whether they have is what [`validate`] looks at.
pub fn judge(path: &[&Certificate], inputs: &Inputs) -> Vec<Fault> {
    rules::apply(path, inputs)
}

#[cfg(test)]
mod tests;
