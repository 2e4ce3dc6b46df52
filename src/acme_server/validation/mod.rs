//! Whether a client holds the names it asks for: challenges, and the CAA records that say who may issue.
//!
//! Guarantees: what is asked goes out through [`crate::outbound`] only, with its policy of addresses. A validation ends, whatever the other
//! side does, and so many at once are under way, in all and for each account and name, that one storm does not hold the others up.
//!
//! Never does: store anything, or tell of what it read. A fault says what failed and where, never what an answer held.

mod fault;

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::outbound::Outbound;
pub use fault::{CaaFault, Problem, ValidationFault};

/// What a client can be asked to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChallengeKind {
    /// RFC 8555, 8.3.
    Http01,
    /// RFC 8555, 8.4.
    Dns01,
    /// RFC 8737.
    TlsAlpn01,
    /// draft-ietf-acme-dns-account-label.
    DnsAccount01,
    /// draft-ietf-acme-dns-persist: it has no token.
    DnsPersist01,
}

/// The text names no challenge that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of http-01, dns-01, tls-alpn-01, dns-account-01 and dns-persist-01 is wanted")]
pub struct NotAChallenge;

/// What is validated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identifier {
    /// A name in lower case, its labels in their ASCII form, without a dot at its end and without `*.` at its beginning.
    Dns { name: String, wildcard: bool },
    /// RFC 8738.
    Ip(IpAddr),
}

/// One challenge that a client has answered.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub identifier: &'a Identifier,
    pub kind: ChallengeKind,
    /// Nothing is read from it for dns-persist-01.
    pub token: &'a str,
    /// RFC 8555, 8.1: the token, a dot, and the thumbprint of the account's key.
    pub key_authorization: &'a str,
    pub account_url: &'a str,
    /// The names by which CAA records and dns-persist-01 know this authority; the directory's `caaIdentities`.
    pub issuer_domains: &'a [String],
}

/// Whether a certificate may be issued for an identifier, as far as its domain says.
#[derive(Clone, Copy, Debug)]
pub struct CaaQuestion<'a> {
    pub identifier: &'a Identifier,
    pub account_url: &'a str,
    /// RFC 8657, 4: the way the identifier was validated. None when it was by none of these, as of names an operator vouches for.
    pub kind: Option<ChallengeKind>,
    pub issuer_domains: &'a [String],
}

/// How long and how often, and how many at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationSettings {
    /// How often a challenge is tried, before its fault is believed.
    pub attempts: u32,
    /// The pause before the second try; each further one is twice as long.
    pub pause: Duration,
    /// How long all of it may take, without the time of waiting for its turn.
    pub within: Duration,
    /// How many are under way at once in all.
    pub at_once: usize,
    /// The same of one account.
    pub at_once_for_account: usize,
    /// The same of one name, whoever asks.
    pub at_once_for_name: usize,
    /// How many wait for their turn; further ones are refused.
    pub waiting: usize,
}

/// Validates; clones share their limits.
#[derive(Clone, Debug)]
pub struct Validator {
    outbound: Outbound,
    settings: ValidationSettings,
}

impl Validator {
    pub fn new(outbound: Outbound, settings: ValidationSettings) -> Self {
        Self { outbound, settings }
    }

    /// Whether the client has done what the challenge asks. Takes up to [`ValidationSettings::within`], and the time of waiting for its turn:
    /// call it in a task of its own.
    pub async fn validate(&self, attempt: Attempt<'_>) -> Result<(), ValidationFault> {
        let _ = (&self.outbound, &self.settings, attempt);
        Err(ValidationFault::Disabled)
    }

    /// Whether the CAA records of an identifier let one of the issuer domains issue. They say nothing of addresses (RFC 8738, 5 leaves it open).
    pub async fn caa(&self, question: CaaQuestion<'_>) -> Result<(), CaaFault> {
        let _ = (&self.outbound, question);
        Err(CaaFault::Disabled)
    }
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            attempts: 4,
            pause: Duration::from_secs(1),
            within: Duration::from_secs(40),
            at_once: 256,
            at_once_for_account: 32,
            at_once_for_name: 2,
            waiting: 16_384,
        }
    }
}

impl ChallengeKind {
    pub const ALL: [Self; 5] = [Self::Http01, Self::Dns01, Self::TlsAlpn01, Self::DnsAccount01, Self::DnsPersist01];

    /// As IANA's registry "ACME Validation Methods" spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::DnsAccount01 => "dns-account-01",
            Self::DnsPersist01 => "dns-persist-01",
        }
    }

    /// Whether an identifier can be validated so. RFC 8555, 7.1.3: wildcards by DNS only; RFC 8738, 7: addresses never by DNS.
    pub const fn suits(self, identifier: &Identifier) -> bool {
        match (identifier, self) {
            (Identifier::Dns { wildcard: false, .. }, _) => true,
            (Identifier::Dns { wildcard: true, .. }, Self::Dns01 | Self::DnsAccount01 | Self::DnsPersist01) => true,
            (Identifier::Dns { wildcard: true, .. }, Self::Http01 | Self::TlsAlpn01) => false,
            (Identifier::Ip(_), Self::Http01 | Self::TlsAlpn01) => true,
            (Identifier::Ip(_), Self::Dns01 | Self::DnsAccount01 | Self::DnsPersist01) => false,
        }
    }
}

impl FromStr for ChallengeKind {
    type Err = NotAChallenge;

    fn from_str(text: &str) -> Result<Self, NotAChallenge> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(NotAChallenge)
    }
}
