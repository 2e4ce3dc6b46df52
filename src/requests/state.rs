//! Where a request stands. The only ways from one state to another are these functions, and each takes the state it leaves.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::Party;
use crate::base::id::CertId;

/// The state of a request, with what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Approved(Approval),
    Rejected(Rejection),
    Signed(Signing),
}

/// Somebody's word that what has this hash may be certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub by: Party,
    pub at: Timestamp,
    /// The hash of what was asked for.
    pub request_sha256: [u8; 32],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub by: Party,
    pub at: Timestamp,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    pub approval: Approval,
    pub by: Party,
    pub at: Timestamp,
    pub certificate: CertId,
}

/// The state's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Pending,
    Approved,
    Rejected,
    Signed,
}

/// Why a request does not become what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    #[error("the request is {0}; only a pending one is decided about")]
    NotPending(Status),
    #[error("the request is {0}; only an approved one is signed")]
    NotApproved(Status),
    #[error("the request was signed already: {0}")]
    AlreadySigned(CertId),
    #[error("what was asked for is not what was approved")]
    OtherThanApproved,
}

/// The text names no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known are pending, approved, rejected and signed")]
pub struct UnknownStatus;

impl State {
    pub fn status(&self) -> Status {
        match self {
            Self::Pending => Status::Pending,
            Self::Approved(_) => Status::Approved,
            Self::Rejected(_) => Status::Rejected,
            Self::Signed(_) => Status::Signed,
        }
    }

    /// Pending becomes approved.
    pub fn approve(self, approval: Approval) -> Result<Self, TransitionError> {
        match self {
            Self::Pending => Ok(Self::Approved(approval)),
            other => Err(TransitionError::NotPending(other.status())),
        }
    }

    /// Pending becomes rejected.
    pub fn reject(self, rejection: Rejection) -> Result<Self, TransitionError> {
        match self {
            Self::Pending => Ok(Self::Rejected(rejection)),
            other => Err(TransitionError::NotPending(other.status())),
        }
    }

    /// Approved becomes signed, when what is signed is what was approved.
    pub fn sign(self, request_sha256: [u8; 32], by: Party, at: Timestamp, certificate: CertId) -> Result<Self, TransitionError> {
        match self {
            Self::Approved(approval) if approval.request_sha256 == request_sha256 => {
                Ok(Self::Signed(Signing { approval, by, at, certificate }))
            }
            Self::Approved(_) => Err(TransitionError::OtherThanApproved),
            Self::Signed(signing) => Err(TransitionError::AlreadySigned(signing.certificate)),
            other @ (Self::Pending | Self::Rejected(_)) => Err(TransitionError::NotApproved(other.status())),
        }
    }
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Rejected, Self::Signed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Signed => "signed",
        }
    }

    /// What stands for it in the index; never changed.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Pending => 1,
            Self::Approved => 2,
            Self::Rejected => 3,
            Self::Signed => 4,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.name() == text).ok_or(UnknownStatus)
    }
}
