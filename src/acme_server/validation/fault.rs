//! Why a validation failed. All of a fault's text may be shown to the client.

/// The error types of RFC 8555, 6.7 that a failed validation can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    Caa,
    Connection,
    Dns,
    IncorrectResponse,
    Malformed,
    RateLimited,
    ServerInternal,
    Tls,
    Unauthorized,
}

/// Why a challenge was not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidationFault {
    #[error("this server opens no connections, so it cannot validate anything: outbound.enabled is false")]
    Disabled,
    /// It can be tried again later.
    #[error("too many validations are waiting")]
    Busy,
}

/// Why CAA records forbid to issue, or could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaaFault {
    #[error("this server opens no connections, so it cannot look at CAA records: outbound.enabled is false")]
    Disabled,
}

impl ValidationFault {
    /// What to call it in a problem document.
    pub const fn problem(&self) -> Problem {
        match self {
            Self::Disabled => Problem::ServerInternal,
            Self::Busy => Problem::RateLimited,
        }
    }
}

impl CaaFault {
    /// What to call it in a problem document.
    pub const fn problem(&self) -> Problem {
        match self {
            Self::Disabled => Problem::ServerInternal,
        }
    }
}
