//! Authorizations: that an account has shown a name to be its own (RFC 8555, 7.1.4), and the challenges by which it does (7.1.5).
//!
//! ```text
//!              a challenge is met                    life over
//!   pending ─────────────────────▶ valid ──────────────────────────▶ expired
//!      │  ╲                          │
//!      │   ╲ a challenge fails       │ the account says so
//!      │    ╲                        ▼
//!      │     ──────▶ invalid     deactivated
//!      └── the account says so ──────┘▲
//! ```
//! One is of one account, one name and one kind of name, and serves no other.

use jiff::Timestamp;

use super::error::{AcmeError, StoredFault};
use super::validation::{ChallengeKind, Identifier};
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId};
use crate::profiles::RoleName;

/// One authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    pub id: AcmeAuthorizationId,
    pub account: AcmeAccountId,
    pub identifier: Identifier,
    /// The profile that offered its challenges.
    pub role: RoleName,
    pub created_at: Timestamp,
    pub expires: Timestamp,
    pub challenges: Vec<Challenge>,
    pub state: AuthorizationState,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationState {
    Pending,
    Valid(Proof),
    Invalid,
    Deactivated,
}

/// By what a name counts as the account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Challenge(ChallengeKind),
    /// The profile needs none for this name where an account was bound to a credential.
    PreAuthorized,
}

/// One way to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    pub kind: ChallengeKind,
    pub token: String,
    pub state: ChallengeState,
}

/// How far a challenge is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChallengeState {
    Pending,
    /// The client has said that it is ready.
    Processing,
    Valid {
        at: Timestamp,
    },
    Invalid {
        at: Timestamp,
        fault: StoredFault,
    },
}

/// What an authorization is at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizationStatus {
    Pending,
    Valid,
    Invalid,
    Deactivated,
    Expired,
}

impl AuthorizationStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Deactivated => "deactivated",
            Self::Expired => "expired",
        }
    }
}

impl ChallengeState {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Valid { .. } => "valid",
            Self::Invalid { .. } => "invalid",
        }
    }
}

impl Authorization {
    pub fn status(&self, now: Timestamp) -> AuthorizationStatus {
        match self.state {
            AuthorizationState::Invalid => AuthorizationStatus::Invalid,
            AuthorizationState::Deactivated => AuthorizationStatus::Deactivated,
            AuthorizationState::Pending | AuthorizationState::Valid(_) if self.expires <= now => AuthorizationStatus::Expired,
            AuthorizationState::Pending => AuthorizationStatus::Pending,
            AuthorizationState::Valid(_) => AuthorizationStatus::Valid,
        }
    }

    /// By what it is valid, when it is.
    pub fn proof(&self, now: Timestamp) -> Option<Proof> {
        match self.state {
            AuthorizationState::Valid(proof) if self.expires > now => Some(proof),
            AuthorizationState::Valid(_) | AuthorizationState::Pending | AuthorizationState::Invalid | AuthorizationState::Deactivated => {
                None
            }
        }
    }

    /// Whether it is for the names below and not for the name itself.
    pub fn is_wildcard(&self) -> bool {
        matches!(self.identifier, Identifier::Dns { wildcard: true, .. })
    }

    pub fn challenge(&self, kind: ChallengeKind) -> Option<&Challenge> {
        self.challenges.iter().find(|challenge| challenge.kind == kind)
    }

    /// The client is ready for a challenge; none when that changes nothing, because it is under way or decided.
    pub fn answered(mut self, kind: ChallengeKind, now: Timestamp) -> Option<Self> {
        if self.status(now) != AuthorizationStatus::Pending {
            return None;
        }
        let challenge = self.challenges.iter_mut().find(|challenge| challenge.kind == kind)?;
        if challenge.state != ChallengeState::Pending {
            return None;
        }
        challenge.state = ChallengeState::Processing;
        Some(self)
    }

    /// A challenge that was under way has been met, and with it the authorization is valid until `expires`; none when it is not under way any more.
    pub fn met(self, kind: ChallengeKind, now: Timestamp, expires: Timestamp) -> Option<Self> {
        let decided = self.decided(kind, ChallengeState::Valid { at: now })?;
        Some(Self { state: AuthorizationState::Valid(Proof::Challenge(kind)), expires, ..decided })
    }

    /// A challenge that was under way was not met, and that is the end of the authorization.
    pub fn failed(self, kind: ChallengeKind, now: Timestamp, fault: StoredFault) -> Option<Self> {
        let decided = self.decided(kind, ChallengeState::Invalid { at: now, fault })?;
        Some(Self { state: AuthorizationState::Invalid, ..decided })
    }

    /// Nobody had the time to look; the client may say again that it is ready. None when the challenge is not under way any more.
    pub fn postponed(self, kind: ChallengeKind) -> Option<Self> {
        self.decided(kind, ChallengeState::Pending)
    }

    fn decided(mut self, kind: ChallengeKind, state: ChallengeState) -> Option<Self> {
        if self.state != AuthorizationState::Pending {
            return None;
        }
        let challenge = self.challenges.iter_mut().find(|challenge| challenge.kind == kind)?;
        if challenge.state != ChallengeState::Processing {
            return None;
        }
        challenge.state = state;
        Some(self)
    }

    /// The account wants it no more (RFC 8555, 7.5.2).
    pub fn deactivated(self, now: Timestamp) -> Result<Self, AcmeError> {
        match self.status(now) {
            AuthorizationStatus::Pending | AuthorizationStatus::Valid => Ok(Self { state: AuthorizationState::Deactivated, ..self }),
            status @ (AuthorizationStatus::Invalid | AuthorizationStatus::Deactivated | AuthorizationStatus::Expired) => {
                Err(AcmeError::NotDeactivatable(status.name()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_had_time_for_can_be_answered_again() {
        let (now, end) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let kind = ChallengeKind::Http01;
        let authorization = Authorization {
            id: AcmeAuthorizationId::new(),
            account: AcmeAccountId::new(),
            identifier: Identifier::Dns { name: "www.example.com".to_owned(), wildcard: false },
            role: RoleName::parse("web").unwrap(),
            created_at: now,
            expires: end,
            challenges: vec![Challenge { kind, token: "t".to_owned(), state: ChallengeState::Pending }],
            state: AuthorizationState::Pending,
        };
        assert_eq!(authorization.clone().postponed(kind), None);
        let answered = authorization.clone().answered(kind, now).unwrap();
        assert_eq!(answered.clone().postponed(kind), Some(authorization));
        assert_eq!(answered.met(kind, now, end).unwrap().postponed(kind), None);
    }
}
