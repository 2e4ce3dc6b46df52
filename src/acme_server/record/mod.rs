//! What the server keeps, on disk. Versions are added, never changed.

mod account;
mod authorization;
mod credential;
mod incident;
mod order;

use serde::{Deserialize, Serialize};

pub(super) use account::AccountRecord;
pub(super) use authorization::AuthorizationRecord;
pub(super) use credential::CredentialRecord;
pub(super) use incident::IncidentRecord;
pub(super) use order::OrderRecord;

use super::CertificateSource;
use super::error::{ErrorType, StoredFault};
use super::validation::Identifier;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeCredentialId, AcmeOrderId};
use crate::storage::Table;

/// Whether this version reads a value of one of the server's tables.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::AcmeSecrets => SealedRecord::decode(value).is_some(),
        Table::AcmeCredentials => AcmeCredentialId::from_slice(key).and_then(|id| CredentialRecord::decode(id, value)).is_some(),
        Table::AcmeAccounts => AcmeAccountId::from_slice(key).and_then(|id| AccountRecord::decode(id, value)).is_some(),
        Table::AcmeOrders => AcmeOrderId::from_slice(key).and_then(|id| OrderRecord::decode(id, value)).is_some(),
        Table::AcmeAuthorizations => AcmeAuthorizationId::from_slice(key).and_then(|id| AuthorizationRecord::decode(id, value)).is_some(),
        Table::AcmeIncidents => IncidentRecord::reads(value),
        Table::AcmeCertificates => SourceRecord::decode(value).is_some(),
        _ => false,
    }
}

/// A value that a token has sealed, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub token: Option<String>,
    pub value: Vec<u8>,
}

/// The same on disk.
#[derive(Serialize, Deserialize)]
pub(super) enum SealedRecord {
    V1 { token: Option<String>, value: Vec<u8> },
}

impl SealedRecord {
    pub fn encode(sealed: &Sealed) -> Result<Vec<u8>, postcard::Error> {
        let Sealed { token, value } = sealed.clone();
        postcard::to_allocvec(&Self::V1 { token, value })
    }

    pub fn decode(bytes: &[u8]) -> Option<Sealed> {
        let Self::V1 { token, value } = postcard::from_bytes(bytes).ok()?;
        Some(Sealed { token, value })
    }
}

/// By which account and order a certificate came, on disk.
#[derive(Serialize, Deserialize)]
pub(super) enum SourceRecord {
    V1 { account: [u8; 16], order: [u8; 16] },
}

impl SourceRecord {
    pub fn encode(source: CertificateSource) -> Result<Vec<u8>, postcard::Error> {
        let CertificateSource { account, order } = source;
        postcard::to_allocvec(&Self::V1 { account: *account.as_bytes(), order: *order.as_bytes() })
    }

    pub fn decode(bytes: &[u8]) -> Option<CertificateSource> {
        let Self::V1 { account, order } = postcard::from_bytes(bytes).ok()?;
        Some(CertificateSource { account: AcmeAccountId::from_bytes(account), order: AcmeOrderId::from_bytes(order) })
    }
}

/// A name, on disk.
#[derive(Serialize, Deserialize)]
pub(in crate::acme_server) enum IdentifierV1 {
    Dns { name: String, wildcard: bool },
    Ip(std::net::IpAddr),
}

impl From<&Identifier> for IdentifierV1 {
    fn from(identifier: &Identifier) -> Self {
        match identifier {
            Identifier::Dns { name, wildcard } => Self::Dns { name: name.clone(), wildcard: *wildcard },
            Identifier::Ip(address) => Self::Ip(*address),
        }
    }
}

impl From<IdentifierV1> for Identifier {
    fn from(record: IdentifierV1) -> Self {
        match record {
            IdentifierV1::Dns { name, wildcard } => Self::Dns { name, wildcard },
            IdentifierV1::Ip(address) => Self::Ip(address),
        }
    }
}

/// What went wrong, on disk: the error type by its name.
#[derive(Serialize, Deserialize)]
pub(in crate::acme_server) struct FaultV1 {
    kind: String,
    detail: String,
}

impl From<&StoredFault> for FaultV1 {
    fn from(fault: &StoredFault) -> Self {
        Self { kind: fault.kind.name().to_owned(), detail: fault.detail.clone() }
    }
}

impl FaultV1 {
    fn fault(self) -> Option<StoredFault> {
        Some(StoredFault { kind: ErrorType::from_name(&self.kind)?, detail: self.detail })
    }
}
