//! Why a validation failed. All of a fault's text may be shown to the client: it tells what was asked and what became of it, never what an
//! answer held, and never an address, for those may be known inside only.

use std::fmt;

use super::ChallengeKind;
use super::tls_alpn::CertificateFault;
use crate::acme_server::ErrorType;

/// Where something was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The name or address that was asked for, or a name below it.
    Asked(String),
    /// Whatever a redirect led to; the first has the number 1. Its name is the other side's to tell.
    Redirect(usize),
}

/// Why DNS did not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    #[error("there is no such name (NXDOMAIN)")]
    NoSuchName,
    #[error("it has neither A nor AAAA records")]
    NoAddress,
    #[error("its aliases (CNAME) lead in a circle, or too far")]
    Aliases,
    #[error("no resolver gave an answer: none was reached, or they answered SERVFAIL or REFUSED")]
    NoAnswer,
    #[error("this server has no resolver to ask")]
    NoResolver,
}

/// Why a server could not be talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionFault {
    #[error("nothing listens on port {0}")]
    Refused(u16),
    #[error("it cannot be reached")]
    Unreachable,
    #[error("it did not answer in time")]
    TimedOut,
    #[error("what it answered is no HTTP")]
    NotHttp,
    #[error("it has an address that this server is not allowed to connect to")]
    NotAllowed,
}

/// Why a redirect was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectFault {
    #[error("too many redirects follow one another")]
    TooMany,
    #[error("its redirects lead in a circle")]
    Circle,
    #[error("it redirects to what is no http or https URL")]
    NotAUrl,
    #[error("it redirects to port {0}; only 80 and 443 are followed to")]
    Port(u16),
}

/// Why a challenge was not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidationFault {
    #[error("this server opens no connections, so it cannot validate anything: outbound.enabled is false")]
    Disabled,
    /// It can be tried again later.
    #[error("too many validations are waiting; try again later")]
    Busy,
    #[error("a challenge of kind {} cannot show that one holds this identifier", .0.name())]
    Unsuited(ChallengeKind),
    #[error("DNS problem at {at}: {fault}")]
    Dns { at: Place, fault: DnsFault },
    #[error("connection to {at}: {fault}")]
    Connection { at: Place, fault: ConnectionFault },
    #[error("no TLS connection to {at}: the handshake failed")]
    Tls { at: Place },
    #[error("the answer of {at} has the status {status}; 200 is wanted")]
    Status { at: Place, status: u16 },
    #[error("{at}: {fault}")]
    Redirect { at: Place, fault: RedirectFault },
    #[error("the page at {at} is not the key authorization")]
    WrongPage { at: Place },
    #[error("there is no TXT record at {name}")]
    NoText { name: String },
    #[error("none of the {found} TXT records at {name} is the digest of the key authorization")]
    WrongText { name: String, found: usize },
    #[error("the server of {0} did not agree to the protocol acme-tls/1")]
    NoProtocol(String),
    #[error("the certificate of {at} does not answer the challenge: {fault}")]
    WrongCertificate { at: String, fault: CertificateFault },
    #[error("no TXT record at {name} names this authority")]
    NoPersistentRecord { name: String },
    #[error("the TXT record at {name} that names this authority: {fault}")]
    PersistentRecord { name: String, fault: PersistentFault },
}

/// Why a record for dns-persist-01 does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PersistentFault {
    #[error("it cannot be read")]
    Form,
    #[error("its accounturi is not this account's URL")]
    OtherAccount,
    #[error("it says nothing of wildcards, which takes policy=wildcard")]
    NoWildcard,
    #[error("its persistUntil is over")]
    Expired,
}

/// Why CAA records forbid to issue, or could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaaFault {
    #[error("this server opens no connections, so it cannot look at CAA records: outbound.enabled is false")]
    Disabled,
    /// It can be tried again later.
    #[error("too much is looked at already; try again later")]
    Busy,
    /// RFC 8659, 3: who cannot read them does not issue.
    #[error("the CAA records of {name} cannot be read: {fault}")]
    Unreadable { name: String, fault: DnsFault },
    #[error("the CAA records of {name} do not let this authority issue")]
    Forbidden { name: String },
    #[error("the CAA records of {name} let this authority issue, but not for this account, or not after this kind of challenge")]
    OtherParameters { name: String },
    #[error("the CAA records of {name} have a critical property that is not known here")]
    Critical { name: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(name) => f.write_str(name),
            Self::Redirect(number) => write!(f, "the place that redirect {number} leads to"),
        }
    }
}

impl ValidationFault {
    /// What to call it in a problem document.
    pub const fn problem(&self) -> ErrorType {
        match self {
            Self::Disabled => ErrorType::ServerInternal,
            Self::Busy => ErrorType::RateLimited,
            Self::Unsuited(_) => ErrorType::Malformed,
            Self::Dns { .. } => ErrorType::Dns,
            Self::Connection { .. } => ErrorType::Connection,
            Self::Tls { .. } => ErrorType::Tls,
            // Nothing was shown, or it was shown by somebody else.
            Self::Status { .. }
            | Self::Redirect { .. }
            | Self::NoText { .. }
            | Self::NoProtocol(_)
            | Self::NoPersistentRecord { .. }
            | Self::PersistentRecord { .. } => ErrorType::Unauthorized,
            // Something was shown and it is wrong.
            Self::WrongPage { .. } | Self::WrongText { .. } | Self::WrongCertificate { .. } => ErrorType::IncorrectResponse,
        }
    }

    /// Whether another try may end otherwise, as long as the client does nothing new.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Disabled | Self::Busy | Self::Unsuited(_) => false,
            Self::Connection { fault, .. } => !matches!(fault, ConnectionFault::NotAllowed),
            Self::Redirect { .. } | Self::PersistentRecord { .. } => false,
            Self::Dns { .. }
            | Self::Tls { .. }
            | Self::Status { .. }
            | Self::WrongPage { .. }
            | Self::NoText { .. }
            | Self::WrongText { .. }
            | Self::NoProtocol(_)
            | Self::WrongCertificate { .. }
            | Self::NoPersistentRecord { .. } => true,
        }
    }

    /// Whether it would have been the same for whoever asked, with whatever token.
    pub(super) const fn is_everybodys(&self) -> bool {
        match self {
            Self::Dns { at, .. } | Self::Connection { at, .. } | Self::Tls { at } => matches!(at, Place::Asked(_)),
            Self::NoText { .. } => true,
            Self::Disabled
            | Self::Busy
            | Self::Unsuited(_)
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::WrongPage { .. }
            | Self::WrongText { .. }
            | Self::NoProtocol(_)
            | Self::WrongCertificate { .. }
            | Self::NoPersistentRecord { .. }
            | Self::PersistentRecord { .. } => false,
        }
    }
}

impl CaaFault {
    /// What to call it in a problem document.
    pub const fn problem(&self) -> ErrorType {
        match self {
            Self::Disabled => ErrorType::ServerInternal,
            Self::Busy => ErrorType::RateLimited,
            // RFC 8659, 5.2 and RFC 8555, 6.7: that they could not be read is a matter of DNS.
            Self::Unreadable { .. } => ErrorType::Dns,
            Self::Forbidden { .. } | Self::OtherParameters { .. } | Self::Critical { .. } => ErrorType::Caa,
        }
    }
}
