//! Certificates, labels and revocations as they are kept on disk.

use serde::{Deserialize, Serialize, Serializer};

use super::{Labels, Revocation, StoredCertificate, TrustAnchor};
use crate::base::clock::from_seconds;
use crate::base::id::{CaId, CertId, TrustAnchorId};
use crate::x509::certificate::Certificate;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

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
}

/// Labels on disk.
#[derive(Serialize, Deserialize)]
pub enum LabelsRecord {
    V1 { tags: Vec<String>, description: String },
}

/// A revocation on disk.
#[derive(Serialize, Deserialize)]
pub enum RevocationRecord {
    V1 { certificate: Option<[u8; 16]>, revoked_at: i64, reason: u8, invalidity_date: Option<i64>, not_after: i64 },
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
}

/// Writes the bytes that serde would write one by one.
fn in_one_piece<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

impl<'a> CertificateRecord<'a> {
    pub fn encode(certificate: &'a StoredCertificate) -> Result<Vec<u8>, postcard::Error> {
        let StoredCertificate { id: _, ca, role, common_name, serial, not_before, not_after, created_at, der } = certificate;
        postcard::to_allocvec(&Self::V1 {
            ca: *ca.as_bytes(),
            role,
            common_name,
            serial: serial.as_bytes(),
            not_before: not_before.as_second(),
            not_after: not_after.as_second(),
            created_at: created_at.as_second(),
            der,
        })
    }

    pub fn decode(id: CertId, bytes: &'a [u8]) -> Option<StoredCertificate> {
        let Self::V1 { ca, role, common_name, serial, not_before, not_after, created_at, der } = postcard::from_bytes(bytes).ok()?;
        Some(StoredCertificate {
            id,
            ca: CaId::from_bytes(ca),
            role: role.to_owned(),
            common_name: common_name.to_owned(),
            serial: Serial::from_der_content(serial).ok()?,
            not_before: from_seconds(not_before),
            not_after: from_seconds(not_after),
            created_at: from_seconds(created_at),
            der: der.to_vec(),
        })
    }
}

impl<'a> AnchorRecord<'a> {
    pub fn encode(anchor: &'a TrustAnchor) -> Result<Vec<u8>, postcard::Error> {
        let TrustAnchor { id: _, name, certificate, created_at } = anchor;
        postcard::to_allocvec(&Self::V1 { name, created_at: created_at.as_second(), der: certificate.der() })
    }

    pub fn decode(id: TrustAnchorId, bytes: &'a [u8]) -> Option<TrustAnchor> {
        let Self::V1 { name, created_at, der } = postcard::from_bytes(bytes).ok()?;
        let certificate = Certificate::from_der(der).ok()?;
        Some(TrustAnchor { id, name: name.to_owned(), certificate, created_at: from_seconds(created_at) })
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
    pub fn encode(revocation: &Revocation) -> Result<Vec<u8>, postcard::Error> {
        let Revocation { certificate, revoked_at, reason, invalidity_date, not_after } = revocation;
        postcard::to_allocvec(&Self::V1 {
            certificate: certificate.map(|id| *id.as_bytes()),
            revoked_at: revoked_at.as_second(),
            reason: reason.code(),
            invalidity_date: invalidity_date.map(|time| time.as_second()),
            not_after: not_after.as_second(),
        })
    }

    pub fn decode(bytes: &[u8]) -> Option<Revocation> {
        let Self::V1 { certificate, revoked_at, reason, invalidity_date, not_after } = postcard::from_bytes(bytes).ok()?;
        Some(Revocation {
            certificate: certificate.map(CertId::from_bytes),
            revoked_at: from_seconds(revoked_at),
            reason: RevocationReason::from_code(reason)?,
            invalidity_date: invalidity_date.map(from_seconds),
            not_after: from_seconds(not_after),
        })
    }
}
