//! Authorities as they are kept on disk.

use serde::{Deserialize, Serialize};

use super::crl::CrlSettings;
use super::{Authority, Kind, OcspSetting};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::id::{CaId, OrgId};
use crate::inventory::Revocation;
use crate::storage::Table;
use crate::token::{KeyId, KeyRef};
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};
use std::sync::Arc;

/// Whether a value of one of this module's tables can be read.
pub fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        // Whose parent it is and whether it was revoked stands in other records.
        Table::Authorities => {
            let record = || postcard::from_bytes::<AuthorityRecord>(value).ok();
            CaId::from_slice(key).and_then(|id| record()?.decode(id, None, CrlSettings::default(), None, None)).is_some()
        }
        Table::OcspResponders | Table::OcspSettings => super::ocsp::reads(table, key, value),
        Table::CrlState => postcard::from_bytes::<CrlRecord>(value).is_ok(),
        Table::CrlSettings => CrlSettingsRecord::decode(value).is_some(),
        _ => false,
    }
}

/// An authority on disk; versions are added, never changed. What the certificate says is read from the certificate.
#[derive(Serialize, Deserialize)]
pub enum AuthorityRecord {
    V1 {
        name: String,
        common_name: String,
        parent: Option<[u8; 16]>,
        key: [u8; 16],
        algorithm: String,
        certificate: Vec<u8>,
        created_at: i64,
        crl_urls: Vec<String>,
        issuer_urls: Vec<String>,
    },
    /// With the name of the token that holds the key.
    V2 {
        name: String,
        common_name: String,
        parent: Option<[u8; 16]>,
        token: Option<String>,
        key: [u8; 16],
        algorithm: String,
        certificate: Vec<u8>,
        created_at: i64,
        crl_urls: Vec<String>,
        issuer_urls: Vec<String>,
    },
    /// With its organisation.
    V3 {
        organization: [u8; 16],
        name: String,
        common_name: String,
        parent: Option<[u8; 16]>,
        token: Option<String>,
        key: [u8; 16],
        algorithm: String,
        certificate: Vec<u8>,
        created_at: i64,
        crl_urls: Vec<String>,
        issuer_urls: Vec<String>,
    },
}

/// The metadata of a published CRL on disk; the CRL itself is a file.
#[derive(Serialize, Deserialize)]
pub enum CrlRecord {
    V1 {
        number: u64,
        this_update: i64,
        next_update: i64,
        sha256: [u8; 32],
        entries: u64,
    },
    /// With what a delta CRL goes by, and the length of the file, whose name has the number.
    V2 {
        number: u64,
        base: Option<u64>,
        this_update: i64,
        next_update: i64,
        sha256: [u8; 32],
        entries: u64,
        length: u64,
        seen: u64,
    },
}

/// How the CRLs of an authority are made, on disk.
#[derive(Serialize, Deserialize)]
pub enum CrlSettingsRecord {
    V1 {
        period: Option<u64>,
        validity: Option<u64>,
        overlap: Option<u64>,
        delta: bool,
        delta_period: Option<u64>,
        shards: u16,
        publish_on_revocation: bool,
        publish_within: Option<u64>,
    },
}

impl CrlSettingsRecord {
    pub fn encode(settings: &CrlSettings) -> Result<Vec<u8>, postcard::Error> {
        let CrlSettings { period, validity, overlap, delta, delta_period, shards, publish_on_revocation, publish_within } = *settings;
        let seconds = |span: Option<Span>| span.map(Span::as_seconds);
        postcard::to_allocvec(&Self::V1 {
            period: seconds(period),
            validity: seconds(validity),
            overlap: seconds(overlap),
            delta,
            delta_period: seconds(delta_period),
            shards,
            publish_on_revocation,
            publish_within: seconds(publish_within),
        })
    }

    pub fn decode(bytes: &[u8]) -> Option<CrlSettings> {
        let Self::V1 { period, validity, overlap, delta, delta_period, shards, publish_on_revocation, publish_within } =
            postcard::from_bytes(bytes).ok()?;
        let span = |seconds: Option<u64>| seconds.map(Span::seconds);
        Some(CrlSettings {
            period: span(period),
            validity: span(validity),
            overlap: span(overlap),
            delta,
            delta_period: span(delta_period),
            shards,
            publish_on_revocation,
            publish_within: span(publish_within),
        })
    }
}

impl AuthorityRecord {
    pub fn encode(authority: &Authority) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(&Self::V3 {
            organization: *authority.organization.as_bytes(),
            name: authority.name.clone(),
            common_name: authority.common_name.clone(),
            parent: authority.parent.as_ref().map(|parent| *parent.id.as_bytes()),
            token: authority.key.token.as_deref().map(str::to_owned),
            key: *authority.key.id.as_bytes(),
            algorithm: authority.algorithm.name().to_owned(),
            certificate: authority.certificate.der().to_vec(),
            created_at: authority.created_at.as_second(),
            crl_urls: authority.crl_urls.clone(),
            issuer_urls: authority.issuer_urls.clone(),
        })
    }

    /// The id of the parent, so that parents can be read before their children.
    pub fn parent(&self) -> Option<CaId> {
        let (Self::V1 { parent, .. } | Self::V2 { parent, .. } | Self::V3 { parent, .. }) = self;
        parent.map(CaId::from_bytes)
    }

    /// The name of the token that holds the key; None for the first.
    fn token(&self) -> Option<Arc<str>> {
        match self {
            // Made when there was but one token.
            Self::V1 { .. } => None,
            Self::V2 { token, .. } | Self::V3 { token, .. } => token.as_deref().map(Arc::from),
        }
    }

    fn organization(&self) -> OrgId {
        match self {
            // Made when there was but one organisation.
            Self::V1 { .. } | Self::V2 { .. } => OrgId::DEFAULT,
            Self::V3 { organization, .. } => OrgId::from_bytes(*organization),
        }
    }

    /// None when the certificate or algorithm cannot be read.
    pub fn decode(
        self,
        id: CaId,
        parent: Option<Arc<Authority>>,
        crl: CrlSettings,
        ocsp: Option<OcspSetting>,
        own_revocation: Option<Revocation>,
    ) -> Option<Authority> {
        let (token, organization) = (self.token(), self.organization());
        let (Self::V1 { name, common_name, parent: _, key, algorithm, certificate, created_at, crl_urls, issuer_urls }
        | Self::V2 { name, common_name, parent: _, token: _, key, algorithm, certificate, created_at, crl_urls, issuer_urls }
        | Self::V3 {
            organization: _,
            name,
            common_name,
            parent: _,
            token: _,
            key,
            algorithm,
            certificate,
            created_at,
            crl_urls,
            issuer_urls,
        }) = self;
        let certificate = Certificate::from_der(&certificate).ok()?;
        Some(Authority {
            id,
            organization,
            name,
            common_name,
            kind: if parent.is_some() { Kind::Intermediate } else { Kind::Root },
            key: KeyRef { token, id: KeyId::from_bytes(key), public: certificate.public_key().ok()? },
            algorithm: algorithm.parse().ok()?,
            certificate_pem: pem::encode(Label::Certificate, certificate.der()),
            subject: certificate.subject().clone(),
            serial: *certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            path_length: certificate.basic_constraints().and_then(|constraints| constraints.path_len),
            certificate,
            parent,
            created_at: from_seconds(created_at),
            crl_urls,
            issuer_urls,
            // What was recorded before there was OCSP has no record of it.
            ocsp: ocsp.unwrap_or(OcspSetting::On { urls: Vec::new() }),
            crl,
            own_revocation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was stored before tokens had names: the first variant, with these fields in this order.
    #[test]
    fn a_record_of_the_first_version_is_of_the_first_token() {
        let bytes = postcard::to_allocvec(&AuthorityRecord::V1 {
            name: "n".to_owned(),
            common_name: "c".to_owned(),
            parent: Some([1; 16]),
            key: [2; 16],
            algorithm: "ed25519".to_owned(),
            certificate: vec![3],
            created_at: 4,
            crl_urls: Vec::new(),
            issuer_urls: Vec::new(),
        })
        .unwrap();
        let written = [&[0, 1, b'n', 1, b'c', 1][..], &[1; 16], &[2; 16], b"\x07ed25519", &[1, 3, 8, 0, 0]].concat();
        assert_eq!(bytes, written);
        let record: AuthorityRecord = postcard::from_bytes(&written).unwrap();
        assert_eq!(record.parent(), Some(CaId::from_bytes([1; 16])));
        assert_eq!(record.token(), None);
        assert_eq!(record.organization(), OrgId::DEFAULT);
    }
}
