//! Requests as they are kept on disk: what was asked for, which never changes, and beside it the state.

use serde::{Deserialize, Serialize};

use super::{Approval, Party, Rejection, Signing, SigningRequest, State};
use crate::base::clock::from_seconds;
use crate::base::id::{CertId, CsrId, OrgId, TokenId, UserId};
use crate::storage::Table;
use crate::x509::csr::CertificateRequest;

/// Whether this version reads a value of one of its tables.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::Requests => {
            let state = StateRecord::encode(&State::Pending).unwrap_or_default();
            CsrId::from_slice(key).and_then(|id| RequestRecord::decode(id, value, &state)).is_some()
        }
        Table::RequestState => StateRecord::decode(value).is_some(),
        _ => false,
    }
}

/// What was asked for, on disk; versions are added, never changed.
#[derive(Serialize, Deserialize)]
pub enum RequestRecord {
    V1 { organization: [u8; 16], requested_by: PartyV1, created_at: i64, is_generated: bool, der: Vec<u8> },
}

/// The state, on disk.
#[derive(Serialize, Deserialize)]
pub enum StateRecord {
    V1(StateV1),
}

#[derive(Serialize, Deserialize)]
pub enum StateV1 {
    Pending,
    Approved(ApprovalV1),
    Rejected { by: PartyV1, at: i64, reason: String },
    Signed { approval: ApprovalV1, by: PartyV1, at: i64, certificate: [u8; 16] },
}

#[derive(Serialize, Deserialize)]
pub struct ApprovalV1 {
    by: PartyV1,
    at: i64,
    request_sha256: [u8; 32],
}

#[derive(Serialize, Deserialize)]
pub enum PartyV1 {
    Token { id: [u8; 16], name: String, user: Option<[u8; 16]> },
    BreakGlass { user: u32 },
    System,
    Unknown,
}

impl RequestRecord {
    pub fn encode(request: &SigningRequest) -> Result<Vec<u8>, postcard::Error> {
        let SigningRequest { id: _, organization, requested_by, created_at, is_generated, csr, state: _ } = request;
        postcard::to_allocvec(&Self::V1 {
            organization: *organization.as_bytes(),
            requested_by: PartyV1::encode(requested_by),
            created_at: created_at.as_second(),
            is_generated: *is_generated,
            der: csr.der().to_vec(),
        })
    }

    /// None when either cannot be read.
    pub fn decode(id: CsrId, bytes: &[u8], state: &[u8]) -> Option<SigningRequest> {
        let Self::V1 { organization, requested_by, created_at, is_generated, der } = postcard::from_bytes(bytes).ok()?;
        Some(SigningRequest {
            id,
            organization: OrgId::from_bytes(organization),
            requested_by: requested_by.decode(),
            created_at: from_seconds(created_at),
            is_generated,
            csr: CertificateRequest::from_der(&der).ok()?,
            state: StateRecord::decode(state)?,
        })
    }
}

impl StateRecord {
    pub fn encode(state: &State) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(&Self::V1(match state {
            State::Pending => StateV1::Pending,
            State::Approved(approval) => StateV1::Approved(ApprovalV1::encode(approval)),
            State::Rejected(Rejection { by, at, reason }) => {
                StateV1::Rejected { by: PartyV1::encode(by), at: at.as_second(), reason: reason.clone() }
            }
            State::Signed(Signing { approval, by, at, certificate }) => StateV1::Signed {
                approval: ApprovalV1::encode(approval),
                by: PartyV1::encode(by),
                at: at.as_second(),
                certificate: *certificate.as_bytes(),
            },
        }))
    }

    pub fn decode(bytes: &[u8]) -> Option<State> {
        let Self::V1(state) = postcard::from_bytes(bytes).ok()?;
        Some(match state {
            StateV1::Pending => State::Pending,
            StateV1::Approved(approval) => State::Approved(approval.decode()),
            StateV1::Rejected { by, at, reason } => State::Rejected(Rejection { by: by.decode(), at: from_seconds(at), reason }),
            StateV1::Signed { approval, by, at, certificate } => State::Signed(Signing {
                approval: approval.decode(),
                by: by.decode(),
                at: from_seconds(at),
                certificate: CertId::from_bytes(certificate),
            }),
        })
    }
}

impl ApprovalV1 {
    fn encode(approval: &Approval) -> Self {
        let Approval { by, at, request_sha256 } = approval;
        Self { by: PartyV1::encode(by), at: at.as_second(), request_sha256: *request_sha256 }
    }

    fn decode(self) -> Approval {
        let Self { by, at, request_sha256 } = self;
        Approval { by: by.decode(), at: from_seconds(at), request_sha256 }
    }
}

impl PartyV1 {
    fn encode(party: &Party) -> Self {
        match party {
            Party::Token { id, name, user } => Self::Token { id: *id.as_bytes(), name: name.clone(), user: user.map(|id| *id.as_bytes()) },
            Party::BreakGlass { user } => Self::BreakGlass { user: *user },
            Party::System => Self::System,
            Party::Unknown => Self::Unknown,
        }
    }

    fn decode(self) -> Party {
        match self {
            Self::Token { id, name, user } => Party::Token { id: TokenId::from_bytes(id), name, user: user.map(UserId::from_bytes) },
            Self::BreakGlass { user } => Party::BreakGlass { user },
            Self::System => Party::System,
            Self::Unknown => Party::Unknown,
        }
    }
}
