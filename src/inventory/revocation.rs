//! That a certificate was revoked: a small record of its own, so that nothing large stands between a request and its effect; and the log of what
//! was revoked and what was lifted, in the order in which it became durable, so that what has changed is known without looking at everything.

use jiff::Timestamp;

use super::InventoryError;
use super::record::{RevocationLogRecord, RevocationRecord};
use crate::base::id::{CaId, CertId};
use crate::storage::{Change, Storage, Table};
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// When and why a certificate was revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The certificate, where it is in the inventory.
    pub certificate: Option<CertId>,
    /// Which of its issuer's CRLs it looks at.
    pub part: CrlPart,
    pub revoked_at: Timestamp,
    pub reason: RevocationReason,
    /// When the key is thought to have been lost (RFC 5280, 5.3.2).
    pub invalidity_date: Option<Timestamp>,
    /// The end of the certificate, after which no CRL needs to list it.
    pub not_after: Timestamp,
}

/// Which of its issuer's CRLs a certificate names: fixed when it is issued. The CRL of everything lists it beside that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrlPart {
    /// The one of everything.
    #[default]
    Whole,
    /// The one of authorities alone.
    Authorities,
    /// One of those that users' certificates are divided among, from 1.
    Shard(u16),
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub serial: Serial,
    pub part: CrlPart,
    pub at: Timestamp,
    /// None when a hold was lifted.
    pub revocation: Option<Revocation>,
    /// Whether the authority whose log this is was revoked itself, and with it all it has issued; the serial number is its own.
    pub is_of_authority: bool,
    /// The hash of the key that is never certified again, when it was compromised.
    pub blocked_key: Option<[u8; 32]>,
}

impl Revocation {
    /// The record on disk.
    pub fn encode(&self) -> Result<Vec<u8>, InventoryError> {
        RevocationRecord::encode(self).map_err(|_| InventoryError::Record)
    }

    /// Reads the record on disk.
    pub fn decode(bytes: &[u8]) -> Result<Self, InventoryError> {
        RevocationRecord::decode(bytes).ok_or(InventoryError::Record)
    }

    /// Whether it may be lifted, or turned into one for good.
    pub fn is_hold(&self) -> bool {
        self.reason == RevocationReason::CertificateHold
    }
}

impl CrlPart {
    /// The number on disk.
    pub fn number(self) -> u16 {
        match self {
            Self::Whole => 0,
            Self::Authorities => u16::MAX,
            Self::Shard(shard) => shard,
        }
    }

    /// The part with that number.
    pub fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Whole,
            u16::MAX => Self::Authorities,
            shard => Self::Shard(shard),
        }
    }

    /// Notes in the change that releases a certificate which CRL it names. Of most there is nothing to note.
    pub fn noted(self, change: Change, certificate: CertId) -> Change {
        match self {
            Self::Whole => change,
            part => change.put(Table::CertificateParts, certificate.as_bytes(), &part.number().to_be_bytes()),
        }
    }

    /// Which CRL a certificate names.
    pub fn of(storage: &Storage, certificate: CertId) -> Result<Self, InventoryError> {
        match storage.get(Table::CertificateParts, certificate.as_bytes())? {
            None => Ok(Self::Whole),
            Some(bytes) => bytes.try_into().map(|bytes| Self::from_number(u16::from_be_bytes(bytes))).map_err(|_| InventoryError::Record),
        }
    }
}

impl LogEntry {
    /// Adds it to the change it tells of.
    pub fn logged(&self, change: Change, ca: CaId) -> Result<Change, InventoryError> {
        let value = RevocationLogRecord::encode(self).map_err(|_| InventoryError::Record)?;
        Ok(change.append(Table::RevocationLog, ca.as_bytes(), &value))
    }

    /// What was revoked and lifted behind a change, with the change's number, oldest first.
    pub fn since(storage: &Storage, ca: CaId, sequence: u64) -> impl Iterator<Item = Result<(u64, Self), InventoryError>> + Send + use<> {
        let after = [ca.as_bytes().as_slice(), &sequence.to_be_bytes()].concat();
        storage.scan(Table::RevocationLog, ca.as_bytes(), Some(&after)).map(|item| {
            let (key, value) = item?;
            let sequence = key.last_chunk::<8>().copied().map(u64::from_be_bytes).ok_or(InventoryError::Record)?;
            Ok((sequence, RevocationLogRecord::decode(&value).ok_or(InventoryError::Record)?))
        })
    }

    /// The bytes in the log.
    pub fn encode(&self) -> Result<Vec<u8>, InventoryError> {
        RevocationLogRecord::encode(self).map_err(|_| InventoryError::Record)
    }

    /// Reads the bytes in the log.
    pub fn decode(bytes: &[u8]) -> Result<Self, InventoryError> {
        RevocationLogRecord::decode(bytes).ok_or(InventoryError::Record)
    }
}

/// The key a revocation is kept under: the authority, then the serial number, so that a CRL is one scan.
pub fn revocation_key(ca: CaId, serial: &Serial) -> Vec<u8> {
    [ca.as_bytes().as_slice(), serial.as_bytes()].concat()
}
