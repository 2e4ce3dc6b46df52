//! Whether a client holds the names it asks for: challenges, and the CAA records that say who may issue.
//!
//! Guarantees: what is asked goes out through [`crate::outbound`] only, with its policy of addresses. A validation ends, whatever the other
//! side does, and so many at once are under way, in all and for each account and name, that one storm does not hold the others up.
//!
//! Never does: store anything, or tell of what it read. A fault says what failed and where, never what an answer held.

pub mod caa;
mod dns;
mod fault;
mod gates;
mod http;
pub mod issue_value;
pub mod tls_alpn;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::outbound::{Outbound, OutboundError, ResolveError};
pub use crate::profiles::ChallengeKind;
pub use fault::{CaaFault, ConnectionFault, DnsFault, PersistentFault, Place, RedirectFault, ValidationFault};
use gates::{Gates, Sought};

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
    /// How long one try may take, with all its redirects or records, without the time of waiting for its turn.
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
pub struct Validator(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outbound: Outbound,
    settings: ValidationSettings,
    clock: Clock,
    gates: Gates,
}

impl Validator {
    pub fn new(outbound: Outbound, settings: ValidationSettings, clock: Clock) -> Self {
        let gates = Gates::new(&settings);
        Self(Arc::new(Shared { outbound, settings, clock, gates }))
    }

    /// Whether the client has done what the challenge asks. Takes some seconds when it has not, and the time of waiting for its turn: call it
    /// in a task of its own.
    pub async fn validate(&self, attempt: Attempt<'_>) -> Result<(), ValidationFault> {
        let Shared { outbound, settings, gates, .. } = &*self.0;
        if !attempt.identifier.suits(attempt.kind) {
            return Err(ValidationFault::Unsuited(attempt.kind));
        }
        if !outbound.is_enabled() {
            return Err(ValidationFault::Disabled);
        }
        let _visitor = gates.enter()?;
        let mut pause = settings.pause;
        let mut tries = 1;
        loop {
            let fault = match self.attempt(&attempt).await {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            tracing::debug!(identifier = http::shown(attempt.identifier), kind = attempt.kind.name(), tries, %fault, "a try to validate failed");
            if tries >= settings.attempts || !fault.may_pass() {
                return Err(fault);
            }
            tokio::time::sleep(pause).await;
            tries += 1;
            pause = pause.saturating_mul(2);
        }
    }

    /// Whether the CAA records of an identifier let one of the issuer domains issue. They say nothing of addresses (RFC 8659, 1 speaks of
    /// domain names alone).
    pub async fn caa(&self, question: CaaQuestion<'_>) -> Result<(), CaaFault> {
        let Shared { outbound, settings, gates, .. } = &*self.0;
        let Identifier::Dns { name, .. } = question.identifier else { return Ok(()) };
        if !outbound.is_enabled() {
            return Err(CaaFault::Disabled);
        }
        // Waiting for it is none of the time in which DNS has to answer.
        let _place = gates.place().await.ok_or(CaaFault::Busy)?;
        let mut asked = name.as_str();
        let climbing = async {
            for above in caa::climb(name) {
                asked = above;
                let properties = self.properties(above).await?;
                if !properties.is_empty() {
                    return caa::decide(above, &properties, &question);
                }
            }
            Ok(())
        };
        let climbed = tokio::time::timeout(settings.within.saturating_mul(2), climbing).await;
        climbed.unwrap_or_else(|_| Err(CaaFault::Unreadable { name: asked.to_owned(), fault: DnsFault::NoAnswer }))
    }

    /// RFC 8659, 3: a name that is not there has no records, and whatever cannot be read forbids.
    async fn properties(&self, name: &str) -> Result<Vec<crate::outbound::CaaProperty>, CaaFault> {
        let unreadable = |fault| CaaFault::Unreadable { name: name.to_owned(), fault };
        match self.0.outbound.properties(name).await {
            Ok(properties) => Ok(properties),
            Err(OutboundError::Resolve(ResolveError::NoSuchName)) => Ok(Vec::new()),
            Err(OutboundError::Resolve(error)) => Err(unreadable(http::dns_fault(&error))),
            Err(_) => Err(unreadable(DnsFault::NoAnswer)),
        }
    }

    /// One try, when its turn has come.
    async fn attempt(&self, attempt: &Attempt<'_>) -> Result<(), ValidationFault> {
        let Shared { outbound, settings, clock, gates } = &*self.0;
        let sought = attempt.sought();
        if let Some(fault) = gates.known(&sought) {
            return Err(fault);
        }
        let _turn = gates.turn(attempt.account_url, &http::shown(attempt.identifier)).await?;
        // Somebody may have found it out meanwhile.
        if let Some(fault) = gates.known(&sought) {
            return Err(fault);
        }
        let within = settings.within;
        let outcome = match (attempt.kind, attempt.identifier) {
            (ChallengeKind::Http01, _) => http::validate(outbound, attempt, within).await,
            (ChallengeKind::TlsAlpn01, _) => tls_alpn::validate(outbound, attempt, within).await,
            (_, Identifier::Dns { name, .. }) => {
                let looked = tokio::time::timeout(within, dns::validate(outbound, attempt, name, clock.now())).await;
                let at = || Place::Asked(sought.at.clone());
                looked.unwrap_or_else(|_| Err(ValidationFault::Dns { at: at(), fault: DnsFault::NoAnswer }))
            }
            (kind, Identifier::Ip(_)) => Err(ValidationFault::Unsuited(kind)),
        };
        if let Err(fault) = &outcome {
            gates.remember(sought, fault);
        }
        outcome
    }
}

impl Attempt<'_> {
    /// What is looked at, as far as it is the same for everybody who asks.
    fn sought(&self) -> Sought {
        let at = match (self.kind, self.identifier) {
            (ChallengeKind::Dns01 | ChallengeKind::DnsAccount01 | ChallengeKind::DnsPersist01, Identifier::Dns { name, .. }) => {
                dns::record_name(self.kind, name, self.account_url)
            }
            (_, identifier) => http::shown(identifier),
        };
        Sought { kind: self.kind, at }
    }
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self {
            attempts: 4,
            pause: Duration::from_secs(1),
            within: Duration::from_secs(10),
            at_once: 256,
            at_once_for_account: 32,
            at_once_for_name: 2,
            waiting: 16_384,
        }
    }
}

impl Identifier {
    /// Whether it can be validated so. RFC 8555, 7.1.3: wildcards by DNS only; RFC 8738, 7: addresses never by DNS.
    pub const fn suits(&self, kind: ChallengeKind) -> bool {
        use ChallengeKind::{Dns01, DnsAccount01, DnsPersist01, Http01, TlsAlpn01};
        match (self, kind) {
            (Self::Dns { wildcard: false, .. }, _) => true,
            (Self::Dns { wildcard: true, .. }, Dns01 | DnsAccount01 | DnsPersist01) => true,
            (Self::Dns { wildcard: true, .. }, Http01 | TlsAlpn01) => false,
            (Self::Ip(_), Http01 | TlsAlpn01) => true,
            (Self::Ip(_), Dns01 | DnsAccount01 | DnsPersist01) => false,
        }
    }
}
