//! Orders: a certificate that is asked for (RFC 8555, 7.1.3).
//!
//! ```text
//!            all authorizations valid          finalize             issued
//!   pending ─────────────────────────▶ ready ──────────▶ processing ──────▶ valid
//!      │                                 │                   │
//!      └─ one fails, or time is over ────┴──── it fails ─────┴──────────▶ invalid
//! ```
//! What is kept knows no difference between pending and ready: that follows from the authorizations.

use jiff::Timestamp;

use super::authorization::AuthorizationStatus;
use super::error::{AcmeError, StoredFault};
use super::validation::Identifier;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId, CertId};
use crate::profiles::RoleName;

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: AcmeOrderId,
    pub account: AcmeAccountId,
    /// Its profile.
    pub role: RoleName,
    pub identifiers: Vec<Identifier>,
    /// One for each identifier, in their order.
    pub authorizations: Vec<AcmeAuthorizationId>,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    /// The certificate it takes the place of (RFC 9773, 5).
    pub replaces: Option<CertId>,
    pub created_at: Timestamp,
    pub expires: Timestamp,
    pub state: OrderState,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderState {
    Open,
    /// Everything was checked; what is left is to issue. The certificate has its id before there is one.
    Processing {
        csr: Vec<u8>,
        certificate: CertId,
    },
    Valid {
        certificate: CertId,
    },
    Invalid(StoredFault),
}

/// What an order is at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

impl OrderStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
        }
    }
}

impl Order {
    /// What it is, by what its authorizations are; one that is not there any more is as good as expired.
    pub fn status(&self, authorizations: &[Option<AuthorizationStatus>], now: Timestamp) -> OrderStatus {
        match self.state {
            OrderState::Processing { .. } => OrderStatus::Processing,
            OrderState::Valid { .. } => OrderStatus::Valid,
            OrderState::Invalid(_) => OrderStatus::Invalid,
            OrderState::Open if self.expires <= now => OrderStatus::Invalid,
            OrderState::Open => {
                let all = |wanted: &[AuthorizationStatus]| {
                    authorizations.iter().all(|status| status.is_some_and(|status| wanted.contains(&status)))
                };
                if all(&[AuthorizationStatus::Valid]) {
                    OrderStatus::Ready
                } else if all(&[AuthorizationStatus::Valid, AuthorizationStatus::Pending]) {
                    OrderStatus::Pending
                } else {
                    OrderStatus::Invalid
                }
            }
        }
    }

    /// Its certificate, once there is one.
    pub fn certificate(&self) -> Option<CertId> {
        match self.state {
            OrderState::Valid { certificate } => Some(certificate),
            OrderState::Open | OrderState::Processing { .. } | OrderState::Invalid(_) => None,
        }
    }

    /// It is to be issued for this request. That it is ready was seen by its authorizations.
    pub fn processing(self, csr: Vec<u8>) -> Result<Self, AcmeError> {
        match self.state {
            OrderState::Open => Ok(Self { state: OrderState::Processing { csr, certificate: CertId::new() }, ..self }),
            OrderState::Processing { .. } => Err(AcmeError::OrderNotReady(OrderStatus::Processing.name())),
            OrderState::Valid { .. } => Err(AcmeError::OrderNotReady(OrderStatus::Valid.name())),
            OrderState::Invalid(_) => Err(AcmeError::OrderNotReady(OrderStatus::Invalid.name())),
        }
    }

    /// It was issued; none when it was not being.
    pub fn issued(self) -> Option<Self> {
        match self.state {
            OrderState::Processing { csr: _, certificate } => Some(Self { state: OrderState::Valid { certificate }, ..self }),
            OrderState::Open | OrderState::Valid { .. } | OrderState::Invalid(_) => None,
        }
    }

    /// It came to nothing; none when it was not being issued.
    pub fn failed(self, fault: StoredFault) -> Option<Self> {
        match self.state {
            OrderState::Processing { .. } => Some(Self { state: OrderState::Invalid(fault), ..self }),
            OrderState::Open | OrderState::Valid { .. } | OrderState::Invalid(_) => None,
        }
    }
}
