//! Authorizations on disk.

use serde::{Deserialize, Serialize};

use super::{FaultV1, IdentifierV1};
use crate::acme_server::authorization::{Authorization, AuthorizationState, Challenge, ChallengeState, Proof};
use crate::base::clock::from_seconds;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId};
use crate::profiles::{ChallengeKind, RoleName};

#[derive(Serialize, Deserialize)]
pub enum AuthorizationRecord {
    V1 {
        account: [u8; 16],
        identifier: IdentifierV1,
        role: String,
        created_at: i64,
        expires: i64,
        challenges: Vec<ChallengeV1>,
        state: StateV1,
    },
}

#[derive(Serialize, Deserialize)]
pub enum StateV1 {
    Pending,
    /// By the challenge of this name; by none where it was not needed.
    Valid(Option<String>),
    Invalid,
    Deactivated,
}

#[derive(Serialize, Deserialize)]
pub struct ChallengeV1 {
    kind: String,
    token: String,
    state: ChallengeStateV1,
}

#[derive(Serialize, Deserialize)]
enum ChallengeStateV1 {
    Pending,
    Processing,
    Valid(i64),
    Invalid(i64, FaultV1),
}

impl AuthorizationRecord {
    pub fn encode(authorization: &Authorization) -> Result<Vec<u8>, postcard::Error> {
        let Authorization { id: _, account, identifier, role, created_at, expires, challenges, state } = authorization;
        postcard::to_allocvec(&Self::V1 {
            account: *account.as_bytes(),
            identifier: identifier.into(),
            role: role.as_str().to_owned(),
            created_at: created_at.as_second(),
            expires: expires.as_second(),
            challenges: challenges.iter().map(ChallengeV1::of).collect(),
            state: match state {
                AuthorizationState::Pending => StateV1::Pending,
                AuthorizationState::Valid(Proof::Challenge(kind)) => StateV1::Valid(Some(kind.name().to_owned())),
                AuthorizationState::Valid(Proof::PreAuthorized) => StateV1::Valid(None),
                AuthorizationState::Invalid => StateV1::Invalid,
                AuthorizationState::Deactivated => StateV1::Deactivated,
            },
        })
    }

    pub fn decode(id: AcmeAuthorizationId, bytes: &[u8]) -> Option<Authorization> {
        let Self::V1 { account, identifier, role, created_at, expires, challenges, state } = postcard::from_bytes(bytes).ok()?;
        Some(Authorization {
            id,
            account: AcmeAccountId::from_bytes(account),
            identifier: identifier.into(),
            role: RoleName::parse(&role)?,
            created_at: from_seconds(created_at),
            expires: from_seconds(expires),
            challenges: challenges.into_iter().map(ChallengeV1::challenge).collect::<Option<_>>()?,
            state: match state {
                StateV1::Pending => AuthorizationState::Pending,
                StateV1::Valid(None) => AuthorizationState::Valid(Proof::PreAuthorized),
                StateV1::Valid(Some(kind)) => AuthorizationState::Valid(Proof::Challenge(ChallengeKind::from_name(&kind)?)),
                StateV1::Invalid => AuthorizationState::Invalid,
                StateV1::Deactivated => AuthorizationState::Deactivated,
            },
        })
    }
}

impl ChallengeV1 {
    fn of(challenge: &Challenge) -> Self {
        let Challenge { kind, token, state } = challenge;
        Self {
            kind: kind.name().to_owned(),
            token: token.clone(),
            state: match state {
                ChallengeState::Pending => ChallengeStateV1::Pending,
                ChallengeState::Processing => ChallengeStateV1::Processing,
                ChallengeState::Valid { at } => ChallengeStateV1::Valid(at.as_second()),
                ChallengeState::Invalid { at, fault } => ChallengeStateV1::Invalid(at.as_second(), fault.into()),
            },
        }
    }

    fn challenge(self) -> Option<Challenge> {
        let Self { kind, token, state } = self;
        Some(Challenge {
            kind: ChallengeKind::from_name(&kind)?,
            token,
            state: match state {
                ChallengeStateV1::Pending => ChallengeState::Pending,
                ChallengeStateV1::Processing => ChallengeState::Processing,
                ChallengeStateV1::Valid(at) => ChallengeState::Valid { at: from_seconds(at) },
                ChallengeStateV1::Invalid(at, fault) => ChallengeState::Invalid { at: from_seconds(at), fault: fault.fault()? },
            },
        })
    }
}
