//! Pure decisions: a policy, a request and the time make an approved certificate content, or every violation at once.
//!
//! Nothing here reads a clock, a store or a random source, so a decision can be made again later and comes out the same.
//! What a request does not win by a rule of the policy is not in [`Approved`]: this is an allow-list throughout.

mod approval;
mod decide;
mod domain;
mod violation;

pub use approval::ApprovalPolicy;
pub use decide::{Approved, Request, Source, decide, decide_approved, faults_of};
pub use domain::{DomainPattern, PatternFault};
pub use violation::{Fault, Violation, Warning};

use crate::base::duration::Span;
use crate::x509::algorithm::KeyType;
use crate::x509::extension::ExtendedKeyUsage;

/// What a role allows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The names that may be certified; none means no host name at all.
    pub allowed_domains: Vec<DomainPattern>,
    /// Whether any number of labels below an allowed domain is allowed.
    pub allow_subdomains: bool,
    pub allow_ip_sans: bool,
    /// Whether a request must carry a common name.
    pub require_cn: bool,
    /// The longest lifetime, and the one given when none is asked for.
    pub max_ttl: Span,
    /// The one key type that is certified.
    pub key_type: KeyType,
    /// What certificates may be used for.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// Whether certificates say that nobody need look for their revocation (RFC 9608): they end too soon for it to matter.
    pub no_rev_avail: bool,
}

/// The most subject alternative names one certificate carries.
pub const MOST_NAMES: usize = 100;

/// How long before now a certificate begins, for clocks that are behind.
pub const BACKDATE: Span = Span::seconds(300);

#[cfg(test)]
mod tests;
