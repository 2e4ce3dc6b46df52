//! Certificates, labels and revocations as they are kept on disk.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::{CrlPart, KeyOrigin, KeyOwner, KeyPlace, Labels, LogEntry, RecordedKey, Revocation, StoredCertificate, TrustAnchor};
use crate::base::clock::from_seconds;
use crate::base::id::{CaId, CertId, CsrId, OrgId, ProjectId, TrustAnchorId};
use crate::storage::Table;
use crate::token::KeyId;
use crate::x509::certificate::Certificate;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// Whether a value of one of this module's tables can be read.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::Certificates => CertId::from_slice(key).and_then(|id| CertificateRecord::decode(id, value)).is_some(),
        Table::CertificateState => LabelsRecord::decode(value).is_some(),
        Table::Revocations | Table::AuthorityState => RevocationRecord::decode(value).is_some(),
        Table::RevocationLog => RevocationLogRecord::decode(value).is_some(),
        Table::CertificateParts => value.len() == 2,
        Table::TrustAnchors => TrustAnchorId::from_slice(key).and_then(|id| AnchorRecord::decode(id, value)).is_some(),
        Table::KeptKeys => KeptKeyRecord::decode(value).is_some(),
        Table::ImportedChains => ChainRecord::decode(value).is_some(),
        Table::TokenKeys => key.try_into().is_ok_and(|id| TokenKeyRecord::decode(KeyId::from_bytes(id), value).is_some()),
        _ => false,
    }
}

/// A certificate on disk; versions are added, never changed.
#[derive(Serialize, Deserialize)]
pub enum CertificateRecord<'a> {
    V1 {
        ca: [u8; 16],
        role: &'a str,
        common_name: &'a str,
        serial: &'a [u8],
        not_before: i64,
        not_after: i64,
        created_at: i64,
        #[serde(serialize_with = "in_one_piece")]
        der: &'a [u8],
    },
    /// With its organisation and project.
    V2 {
        organization: [u8; 16],
        project: Option<[u8; 16]>,
        ca: [u8; 16],
        role: &'a str,
        common_name: &'a str,
        serial: &'a [u8],
        not_before: i64,
        not_after: i64,
        created_at: i64,
        #[serde(serialize_with = "in_one_piece")]
        der: &'a [u8],
    },
    /// With the origin of its key and the request it was signed from.
    V3 {
        organization: [u8; 16],
        project: Option<[u8; 16]>,
        ca: [u8; 16],
        role: &'a str,
        request: Option<[u8; 16]>,
        key_origin: KeyOriginV1,
        common_name: &'a str,
        serial: &'a [u8],
        not_before: i64,
        not_after: i64,
        created_at: i64,
        #[serde(serialize_with = "in_one_piece")]
        der: &'a [u8],
    },
}

/// Where a key was made, on disk.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum KeyOriginV1 {
    Requester,
    Given,
    Token,
    Authority,
}

/// Labels on disk.
#[derive(Serialize, Deserialize)]
pub enum LabelsRecord {
    V1 { tags: Vec<String>, description: String },
}

/// A revocation on disk.
#[derive(Serialize, Deserialize)]
pub enum RevocationRecord {
    V1 {
        certificate: Option<[u8; 16]>,
        revoked_at: i64,
        reason: u8,
        invalidity_date: Option<i64>,
        not_after: i64,
    },
    /// With the part of the CRL.
    V2 {
        certificate: Option<[u8; 16]>,
        revoked_at: i64,
        reason: u8,
        invalidity_date: Option<i64>,
        not_after: i64,
        part: u16,
    },
}

/// A line of the log of revocations on disk.
#[derive(Serialize, Deserialize)]
pub enum RevocationLogRecord<'a> {
    V1 { serial: &'a [u8], part: u16, at: i64, revocation: Option<RevocationRecord>, is_of_authority: bool, blocked_key: Option<[u8; 32]> },
}

/// A trust anchor on disk.
#[derive(Serialize, Deserialize)]
pub enum AnchorRecord<'a> {
    V1 {
        name: &'a str,
        created_at: i64,
        #[serde(serialize_with = "in_one_piece")]
        der: &'a [u8],
    },
    /// With its organisation.
    V2 {
        organization: [u8; 16],
        name: &'a str,
        created_at: i64,
        #[serde(serialize_with = "in_one_piece")]
        der: &'a [u8],
    },
}

/// Where a kept private key is, on disk.
#[derive(Serialize, Deserialize)]
pub enum KeptKeyRecord {
    V1(PlaceRecord),
    /// With how many certificates it is the key of.
    V2 {
        place: PlaceRecord,
        uses: u32,
    },
}

#[derive(Serialize, Deserialize)]
pub enum PlaceRecord {
    Token { token: Option<String>, key: [u8; 16] },
    Sealed { token: Option<String>, value: Vec<u8> },
}

/// A subject's key in a token, on disk.
#[derive(Serialize, Deserialize)]
pub enum TokenKeyRecord {
    V1 { token: Option<String>, owner: OwnerRecord, is_intended: bool },
}

#[derive(Serialize, Deserialize)]
pub enum OwnerRecord {
    Certificate([u8; 16]),
    Request([u8; 16]),
}

/// The chain that came with an imported certificate, on disk.
#[derive(Serialize, Deserialize)]
pub enum ChainRecord<'a> {
    V1 {
        #[serde(borrow)]
        certificates: Vec<&'a [u8]>,
    },
}

/// Writes the bytes that serde would write one by one.
fn in_one_piece<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl<'a> CertificateRecord<'a> {
    pub fn encode(certificate: &'a StoredCertificate) -> Result<Vec<u8>, postcard::Error> {
        let StoredCertificate {
            id: _,
            organization,
            project,
            ca,
            role,
            request,
            key_origin,
            common_name,
            serial,
            not_before,
            not_after,
            created_at,
            der,
        } = certificate;
        postcard::to_allocvec(&Self::V3 {
            organization: *organization.as_bytes(),
            project: project.map(|id| *id.as_bytes()),
            ca: *ca.as_bytes(),
            role,
            request: request.map(|id| *id.as_bytes()),
            key_origin: (*key_origin).into(),
            common_name,
            serial: serial.as_bytes(),
            not_before: not_before.as_second(),
            not_after: not_after.as_second(),
            created_at: created_at.as_second(),
            der,
        })
    }

    pub fn decode(id: CertId, bytes: &'a [u8]) -> Option<StoredCertificate> {
        let record = postcard::from_bytes(bytes).ok()?;
        let (organization, project) = match &record {
            Self::V1 { .. } => (OrgId::DEFAULT, None),
            Self::V2 { organization, project, .. } | Self::V3 { organization, project, .. } => {
                (OrgId::from_bytes(*organization), project.map(ProjectId::from_bytes))
            }
        };
        let (request, key_origin) = match &record {
            Self::V1 { .. } | Self::V2 { .. } => (None, KeyOrigin::Requester),
            Self::V3 { request, key_origin, .. } => (request.map(CsrId::from_bytes), KeyOrigin::from(*key_origin)),
        };
        let (Self::V1 { ca, role, common_name, serial, not_before, not_after, created_at, der }
        | Self::V2 { organization: _, project: _, ca, role, common_name, serial, not_before, not_after, created_at, der }
        | Self::V3 {
            organization: _,
            project: _,
            ca,
            role,
            request: _,
            key_origin: _,
            common_name,
            serial,
            not_before,
            not_after,
            created_at,
            der,
        }) = record;
        Some(StoredCertificate {
            id,
            organization,
            project,
            ca: CaId::from_bytes(ca),
            role: role.to_owned(),
            request,
            key_origin,
            common_name: common_name.to_owned(),
            serial: Serial::from_der_content(serial).ok()?,
            not_before: from_seconds(not_before),
            not_after: from_seconds(not_after),
            created_at: from_seconds(created_at),
            der: der.to_vec(),
        })
    }
}

impl<'a> ChainRecord<'a> {
    pub fn encode(chain: &'a [Certificate]) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(&Self::V1 { certificates: chain.iter().map(Certificate::der).collect() })
    }

    pub fn decode(bytes: &'a [u8]) -> Option<Vec<Certificate>> {
        let Self::V1 { certificates } = postcard::from_bytes(bytes).ok()?;
        certificates.into_iter().map(|der| Certificate::from_der(der).ok()).collect()
    }
}

impl From<KeyOrigin> for KeyOriginV1 {
    fn from(origin: KeyOrigin) -> Self {
        match origin {
            KeyOrigin::Requester => Self::Requester,
            KeyOrigin::Given => Self::Given,
            KeyOrigin::Token => Self::Token,
            KeyOrigin::Authority => Self::Authority,
        }
    }
}

impl From<KeyOriginV1> for KeyOrigin {
    fn from(origin: KeyOriginV1) -> Self {
        match origin {
            KeyOriginV1::Requester => Self::Requester,
            KeyOriginV1::Given => Self::Given,
            KeyOriginV1::Token => Self::Token,
            KeyOriginV1::Authority => Self::Authority,
        }
    }
}

impl<'a> AnchorRecord<'a> {
    pub fn encode(anchor: &'a TrustAnchor) -> Result<Vec<u8>, postcard::Error> {
        let TrustAnchor { id: _, organization, name, certificate, created_at } = anchor;
        let organization = *organization.as_bytes();
        postcard::to_allocvec(&Self::V2 { organization, name, created_at: created_at.as_second(), der: certificate.der() })
    }

    pub fn decode(id: TrustAnchorId, bytes: &'a [u8]) -> Option<TrustAnchor> {
        let (organization, name, created_at, der) = match postcard::from_bytes(bytes).ok()? {
            Self::V1 { name, created_at, der } => (OrgId::DEFAULT, name, created_at, der),
            Self::V2 { organization, name, created_at, der } => (OrgId::from_bytes(organization), name, created_at, der),
        };
        let certificate = Certificate::from_der(der).ok()?;
        Some(TrustAnchor { id, organization, name: name.to_owned(), certificate, created_at: from_seconds(created_at) })
    }
}

impl KeptKeyRecord {
    /// `uses`, where it is not the key of its owner alone.
    pub fn encode(place: &KeyPlace, uses: Option<u32>) -> Result<Vec<u8>, postcard::Error> {
        let name = |token: &Option<Arc<str>>| token.as_deref().map(str::to_owned);
        let place = match place {
            KeyPlace::Token { token, id } => PlaceRecord::Token { token: name(token), key: *id.as_bytes() },
            KeyPlace::Sealed { token, value } => PlaceRecord::Sealed { token: name(token), value: value.clone() },
        };
        postcard::to_allocvec(&match uses {
            None => Self::V1(place),
            Some(uses) => Self::V2 { place, uses },
        })
    }

    pub fn decode(bytes: &[u8]) -> Option<(KeyPlace, u32)> {
        let (place, uses) = match postcard::from_bytes(bytes).ok()? {
            Self::V1(place) => (place, 1),
            Self::V2 { place, uses } => (place, uses),
        };
        let place = match place {
            PlaceRecord::Token { token, key } => KeyPlace::Token { token: token.map(Arc::from), id: KeyId::from_bytes(key) },
            PlaceRecord::Sealed { token, value } => KeyPlace::Sealed { token: token.map(Arc::from), value },
        };
        Some((place, uses))
    }
}

impl TokenKeyRecord {
    pub fn encode(key: &RecordedKey) -> Result<Vec<u8>, postcard::Error> {
        let RecordedKey { id: _, token, owner, is_intended } = key;
        let owner = match owner {
            KeyOwner::Certificate(id) => OwnerRecord::Certificate(*id.as_bytes()),
            KeyOwner::Request(id) => OwnerRecord::Request(*id.as_bytes()),
        };
        postcard::to_allocvec(&Self::V1 { token: token.as_deref().map(str::to_owned), owner, is_intended: *is_intended })
    }

    pub fn decode(id: KeyId, bytes: &[u8]) -> Option<RecordedKey> {
        let Self::V1 { token, owner, is_intended } = postcard::from_bytes(bytes).ok()?;
        let owner = match owner {
            OwnerRecord::Certificate(id) => KeyOwner::Certificate(CertId::from_bytes(id)),
            OwnerRecord::Request(id) => KeyOwner::Request(CsrId::from_bytes(id)),
        };
        Some(RecordedKey { id, token: token.map(Arc::from), owner, is_intended })
    }
}

impl LabelsRecord {
    pub fn encode(labels: &Labels) -> Result<Vec<u8>, postcard::Error> {
        let Labels { tags, description } = labels.clone();
        postcard::to_allocvec(&Self::V1 { tags, description })
    }

    pub fn decode(bytes: &[u8]) -> Option<Labels> {
        let Self::V1 { tags, description } = postcard::from_bytes(bytes).ok()?;
        Some(Labels { tags, description })
    }
}

impl RevocationRecord {
    fn new(revocation: &Revocation) -> Self {
        let Revocation { certificate, part, revoked_at, reason, invalidity_date, not_after } = revocation;
        Self::V2 {
            certificate: certificate.map(|id| *id.as_bytes()),
            revoked_at: revoked_at.as_second(),
            reason: reason.code(),
            invalidity_date: invalidity_date.map(|time| time.as_second()),
            not_after: not_after.as_second(),
            part: part.number(),
        }
    }

    fn read(self) -> Option<Revocation> {
        let part = match &self {
            // Made when there was but one CRL.
            Self::V1 { .. } => CrlPart::Whole,
            Self::V2 { part, .. } => CrlPart::from_number(*part),
        };
        let (Self::V1 { certificate, revoked_at, reason, invalidity_date, not_after }
        | Self::V2 { certificate, revoked_at, reason, invalidity_date, not_after, part: _ }) = self;
        Some(Revocation {
            certificate: certificate.map(CertId::from_bytes),
            part,
            revoked_at: from_seconds(revoked_at),
            reason: RevocationReason::from_code(reason)?,
            invalidity_date: invalidity_date.map(from_seconds),
            not_after: from_seconds(not_after),
        })
    }

    pub fn encode(revocation: &Revocation) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(&Self::new(revocation))
    }

    pub fn decode(bytes: &[u8]) -> Option<Revocation> {
        postcard::from_bytes::<Self>(bytes).ok()?.read()
    }
}

impl<'a> RevocationLogRecord<'a> {
    pub fn encode(entry: &'a LogEntry) -> Result<Vec<u8>, postcard::Error> {
        let LogEntry { serial, part, at, revocation, is_of_authority, blocked_key } = entry;
        postcard::to_allocvec(&Self::V1 {
            serial: serial.as_bytes(),
            part: part.number(),
            at: at.as_second(),
            revocation: revocation.as_ref().map(RevocationRecord::new),
            is_of_authority: *is_of_authority,
            blocked_key: *blocked_key,
        })
    }

    pub fn decode(bytes: &'a [u8]) -> Option<LogEntry> {
        let Self::V1 { serial, part, at, revocation, is_of_authority, blocked_key } = postcard::from_bytes(bytes).ok()?;
        let revocation = match revocation {
            Some(revocation) => Some(revocation.read()?),
            None => None,
        };
        let serial = Serial::from_der_content(serial).ok()?;
        Some(LogEntry { serial, part: CrlPart::from_number(part), at: from_seconds(at), revocation, is_of_authority, blocked_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was stored when there was one CRL of each authority: the first variant, with these fields in this order.
    #[test]
    fn a_revocation_of_the_first_version_is_of_the_whole() {
        let written = [0, 0, 4, 1, 1, 6, 8];
        let read = RevocationRecord::decode(&written).unwrap();
        assert_eq!((read.part, read.reason), (CrlPart::Whole, RevocationReason::KeyCompromise));
        assert_eq!(
            (read.revoked_at.as_second(), read.invalidity_date.map(|at| at.as_second()), read.not_after.as_second()),
            (2, Some(3), 4)
        );
        for part in [CrlPart::Whole, CrlPart::Authorities, CrlPart::Shard(7)] {
            let revocation = Revocation { part, ..read.clone() };
            assert_eq!(RevocationRecord::decode(&RevocationRecord::encode(&revocation).unwrap()), Some(revocation.clone()));
            for (revocation, is_of_authority) in [(Some(revocation), true), (None, false)] {
                let blocked_key = is_of_authority.then_some([9; 32]);
                let entry =
                    LogEntry { serial: "0A:0B".parse().unwrap(), part, at: from_seconds(5), revocation, is_of_authority, blocked_key };
                assert_eq!(RevocationLogRecord::decode(&RevocationLogRecord::encode(&entry).unwrap()), Some(entry));
            }
        }
    }

    /// What was stored before keys had places: the first variant, with these fields in this order.
    #[test]
    fn a_certificate_of_the_first_version_has_its_key_elsewhere() {
        let written = [&[0][..], &[1; 16], b"\x03web", b"\x01c", &[9, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[2, 4, 6], &[2, 0x30, 0]].concat();
        let read = CertificateRecord::decode(CertId::from_bytes([7; 16]), &written).unwrap();
        assert_eq!((read.role.as_str(), read.common_name.as_str(), read.der.as_slice()), ("web", "c", &[0x30, 0][..]));
        assert_eq!((read.key_origin, read.request), (KeyOrigin::Requester, None));
        for key_origin in [KeyOrigin::Requester, KeyOrigin::Given, KeyOrigin::Token, KeyOrigin::Authority] {
            let certificate = StoredCertificate { key_origin, request: Some(CsrId::from_bytes([5; 16])), ..read.clone() };
            let again = CertificateRecord::decode(certificate.id, &CertificateRecord::encode(&certificate).unwrap()).unwrap();
            assert_eq!(
                (again.key_origin, again.request, again.not_after),
                (certificate.key_origin, certificate.request, certificate.not_after)
            );
        }
    }
}
