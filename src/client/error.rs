//! What can go wrong with a call, by what the caller can do about it.

use std::time::Duration;

use crate::api::problem::ProblemDocument;

use super::endpoint::EndpointFault;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The endpoint itself is unusable: correct it.
    #[error(transparent)]
    Endpoint(#[from] EndpointFault),
    /// Nothing was sent: see that the daemon runs and the address is right.
    #[error("cannot connect to {url}")]
    Unreachable { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// Nothing was sent, for the other side is not known to be the appliance: name its root, or correct the address.
    #[error("the certificate of {url} is not trusted")]
    Untrusted { url: String, source: rustls::Error },
    /// The request may have been carried out: look before repeating it.
    #[error("the connection to {url} broke before the answer was complete")]
    Interrupted { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The request may have been carried out: look before repeating it.
    #[error("no complete answer from {url} within {} s", after.as_secs_f32())]
    TimedOut { url: String, after: Duration },
    /// The answer was cut off: ask for less.
    #[error("the answer from {url} is longer than {limit} bytes")]
    TooLarge { url: String, limit: usize },
    /// Something answers that is not this API: look at the address, or at what stands between.
    #[error("{url} answered {status}, {mismatch}")]
    NotUnderstood { url: String, status: u16, mismatch: Mismatch },
    /// The appliance says no, and why.
    #[error("{}", .0.detail)]
    Refused(Box<ProblemDocument>),
    /// The appliance has too much to do or is not ready: come back later.
    #[error("{}", .problem.detail)]
    Busy { problem: Box<ProblemDocument>, retry_after: Option<Duration> },
    /// The request cannot be written; nothing was sent.
    #[error("the request cannot be written")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How an answer differs from what the API answers. It repeats nothing of the answer, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("which is not an answer this endpoint gives")]
    Status,
    #[error("not with the JSON document expected (line {line}, column {column})")]
    Json { line: usize, column: usize },
    #[error("not with the PEM text expected")]
    Pem,
    #[error("not with the DER document expected")]
    Der,
    #[error("not with the text expected")]
    Text,
}

impl ClientError {
    /// The HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) | Self::Busy { problem, .. } => Some(problem.status),
            Self::NotUnderstood { status, .. } => Some(*status),
            Self::Endpoint(_)
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Interrupted { .. }
            | Self::TimedOut { .. }
            | Self::TooLarge { .. }
            | Self::Request(_) => None,
        }
    }

    /// The problem document, where the appliance sent one.
    pub fn problem(&self) -> Option<&ProblemDocument> {
        match self {
            Self::Refused(problem) | Self::Busy { problem, .. } => Some(problem),
            Self::Endpoint(_)
            | Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Interrupted { .. }
            | Self::TimedOut { .. }
            | Self::TooLarge { .. }
            | Self::NotUnderstood { .. }
            | Self::Request(_) => None,
        }
    }
}
