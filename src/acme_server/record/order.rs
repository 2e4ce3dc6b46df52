//! Orders on disk.

use serde::{Deserialize, Serialize};

use super::{FaultV1, IdentifierV1};
use crate::acme_server::order::{Order, OrderState};
use crate::base::clock::from_seconds;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId, CertId};
use crate::profiles::RoleName;

#[derive(Serialize, Deserialize)]
pub enum OrderRecord {
    V1 {
        account: [u8; 16],
        role: String,
        identifiers: Vec<IdentifierV1>,
        authorizations: Vec<[u8; 16]>,
        not_before: Option<i64>,
        not_after: Option<i64>,
        replaces: Option<[u8; 16]>,
        created_at: i64,
        expires: i64,
        state: StateV1,
    },
}

#[derive(Serialize, Deserialize)]
pub enum StateV1 {
    Open,
    Processing { csr: Vec<u8>, certificate: [u8; 16] },
    Valid([u8; 16]),
    Invalid(FaultV1),
}

impl OrderRecord {
    pub fn encode(order: &Order) -> Result<Vec<u8>, postcard::Error> {
        let Order { id: _, account, role, identifiers, authorizations, not_before, not_after, replaces, created_at, expires, state } =
            order;
        postcard::to_allocvec(&Self::V1 {
            account: *account.as_bytes(),
            role: role.as_str().to_owned(),
            identifiers: identifiers.iter().map(Into::into).collect(),
            authorizations: authorizations.iter().map(|id| *id.as_bytes()).collect(),
            not_before: not_before.map(|time| time.as_second()),
            not_after: not_after.map(|time| time.as_second()),
            replaces: replaces.map(|id| *id.as_bytes()),
            created_at: created_at.as_second(),
            expires: expires.as_second(),
            state: match state {
                OrderState::Open => StateV1::Open,
                OrderState::Processing { csr, certificate } => {
                    StateV1::Processing { csr: csr.clone(), certificate: *certificate.as_bytes() }
                }
                OrderState::Valid { certificate } => StateV1::Valid(*certificate.as_bytes()),
                OrderState::Invalid(fault) => StateV1::Invalid(fault.into()),
            },
        })
    }

    pub fn decode(id: AcmeOrderId, bytes: &[u8]) -> Option<Order> {
        let Self::V1 { account, role, identifiers, authorizations, not_before, not_after, replaces, created_at, expires, state } =
            postcard::from_bytes(bytes).ok()?;
        Some(Order {
            id,
            account: AcmeAccountId::from_bytes(account),
            role: RoleName::parse(&role)?,
            identifiers: identifiers.into_iter().map(Into::into).collect(),
            authorizations: authorizations.into_iter().map(AcmeAuthorizationId::from_bytes).collect(),
            not_before: not_before.map(from_seconds),
            not_after: not_after.map(from_seconds),
            replaces: replaces.map(CertId::from_bytes),
            created_at: from_seconds(created_at),
            expires: from_seconds(expires),
            state: match state {
                StateV1::Open => OrderState::Open,
                StateV1::Processing { csr, certificate } => OrderState::Processing { csr, certificate: CertId::from_bytes(certificate) },
                StateV1::Valid(certificate) => OrderState::Valid { certificate: CertId::from_bytes(certificate) },
                StateV1::Invalid(fault) => OrderState::Invalid(fault.fault()?),
            },
        })
    }
}
