//! Taking in certificates that were issued elsewhere, with their private keys where those are brought.
//!
//! ```text
//!   read ──▶ key in the token, intended ──▶ certificate, indexes and kept key in one change ──▶ imported
//!                       └── what stops it destroys the key; a start does so after a crash
//! ```

use std::sync::Arc;

use jiff::Timestamp;

use super::holdings::Holdings;
use crate::access::{self, Caller};
use crate::audit::{self, Action, Field};
use crate::base::clock::{from_seconds, rfc3339};
use crate::base::id::{CaId, CertId, OrgId};
use crate::base::secret::SecretBytes;
use crate::ca::{self, Authority};
use crate::inventory::{self, CrlPart, InventoryError, KeptKey, KeptKeyError, KeyOrigin, KeyOwner, StoredCertificate};
use crate::storage::{Change, Class, CommitError, ReadError, Table};
use crate::x509::algorithm::KeyType;
use crate::x509::certificate::Certificate;
use crate::x509::key::KeyFault;
use crate::x509::private_key::GeneratedKey;
use crate::x509::weak_key::Weakness;

/// What is to be imported.
pub struct ImportOrder<'a> {
    pub certificate: Certificate,
    pub chain: Vec<Certificate>,
    /// The private half of the certificate's key.
    pub key: Option<GeneratedKey>,
    /// The authority of ours that signed it, as [`Importer::issuer`] says.
    pub issuer: Option<Arc<Authority>>,
    pub caller: &'a Caller,
}

/// A certificate that was imported.
#[derive(Debug)]
pub struct Imported {
    pub certificate: StoredCertificate,
    pub warnings: Vec<ImportWarning>,
}

/// What is taken all the same, and told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportWarning {
    #[error("the certificate has expired, at {}", shown(.0))]
    Expired(Timestamp),
    #[error("the certificate is not valid before {}", shown(.0))]
    NotYetValid(Timestamp),
    #[error("the certificate's key is not of a kind the appliance accepts: {0}")]
    UnsupportedKey(KeyFault),
    #[error("the certificate's key is weak: {0}")]
    WeakKey(Weakness),
    #[error("the certificate's key was revoked as compromised")]
    CompromisedKey,
    #[error("the certificate is signed by an algorithm the appliance does not accept")]
    UnsupportedSignature,
    #[error("no certificate of the chain has the issuer's name")]
    NoIssuerInChain,
}

fn shown(time: &Timestamp) -> String {
    rfc3339(*time)
}

/// Why an authority is not the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheIssuer {
    #[error("there is no such authority")]
    Unknown,
    #[error("the certificate was not signed by this authority")]
    NotSigned,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the certificate is here already, as {0}")]
    Known(CertId),
    #[error("the certificate is that of the authority {0}")]
    IsAuthority(CaId),
    #[error("the private key is not that of the certificate")]
    OtherKey,
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Kept(#[from] KeptKeyError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// Imports certificates.
#[derive(Clone)]
pub struct Importer {
    holdings: Holdings,
}

impl Importer {
    pub fn new(holdings: Holdings) -> Self {
        Self { holdings }
    }

    /// The authority of the organisation that signed the certificate: the one that is named, which must have, or whichever did.
    pub fn issuer(
        &self,
        organization: OrgId,
        named: Option<CaId>,
        certificate: &Certificate,
    ) -> Result<Option<Arc<Authority>>, NotTheIssuer> {
        // A name alone can be borrowed; the signature cannot.
        let has_signed = |authority: &Authority| {
            authority.subject.der() == certificate.issuer().der() && certificate.is_signed_by(&authority.key.public)
        };
        let Some(named) = named else {
            return Ok(self.holdings.authorities.all(organization).into_iter().find(|authority| has_signed(authority)));
        };
        let authority = self.holdings.authorities.get(organization, named).ok_or(NotTheIssuer::Unknown)?;
        if has_signed(&authority) { Ok(Some(authority)) } else { Err(NotTheIssuer::NotSigned) }
    }

    /// Imports one. The key is in the token before the certificate is anywhere, and is destroyed when that fails.
    pub async fn import(&self, order: ImportOrder<'_>) -> Result<Imported, ImportError> {
        let ImportOrder { certificate, chain, key, issuer, caller } = order;
        let organization = caller.organization();
        if let Some(id) = self.holdings.certificates.known(organization, &certificate)? {
            return Err(ImportError::Known(id));
        }
        if let Some(itself) = self.holdings.authorities.all(organization).iter().find(|authority| authority.certificate == certificate) {
            return Err(ImportError::IsAuthority(itself.id));
        }
        let now = from_seconds(self.holdings.clock.now().as_second());
        let warnings = self.warnings(&certificate, &chain, now)?;
        let stored = StoredCertificate {
            id: CertId::new(),
            organization,
            project: caller.project(),
            ca: issuer.as_ref().map_or(CaId::elsewhere(organization), |authority| authority.id),
            role: String::new(),
            request: None,
            // Whoever has the key asks for the next certificate, by a request of its own or with this key again.
            key_origin: KeyOrigin::Requester,
            common_name: certificate.subject().common_names().pop().unwrap_or_default(),
            serial: *certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            created_at: now,
            der: certificate.der().to_vec(),
        };
        let kept = match key {
            Some(key) => Some(self.take_key(&stored, &certificate, key, caller).await?),
            None => None,
        };
        let part = issuer.map(|authority| ca::part_named_by(&authority, &certificate)).unwrap_or_default();
        let outcome = self.commit(&stored, (&certificate, part), &chain, kept.as_ref(), caller).await;
        match (&outcome, kept) {
            // It may be in the journal all the same: then the next start keeps the key, and destroys it otherwise.
            (Err(ImportError::Commit(error)), Some(_)) if error.is_in_doubt() => {}
            (Err(_), Some(kept)) => self.holdings.kept.discard(kept).await,
            (Ok(()), _) | (Err(_), None) => {}
        }
        outcome.map(|()| Imported { certificate: stored, warnings })
    }

    async fn take_key(
        &self,
        stored: &StoredCertificate,
        certificate: &Certificate,
        key: GeneratedKey,
        caller: &Caller,
    ) -> Result<KeptKey, ImportError> {
        if certificate.public_key().ok().as_ref() != Some(&key.public) {
            return Err(ImportError::OtherKey);
        }
        let (owner, key_type, pkcs8) = (KeyOwner::Certificate(stored.id), key.public.key_type(), SecretBytes::from(key.pkcs8));
        // Tokens do not wrap Ed25519 keys, so they would neither go in nor come out again.
        match key_type {
            KeyType::Ed25519 => Ok(self.holdings.kept.seal(owner, pkcs8, None).await?),
            _ => Ok(self.holdings.kept.import(owner, pkcs8, None, caller).await?),
        }
    }

    async fn commit(
        &self,
        stored: &StoredCertificate,
        (certificate, part): (&Certificate, CrlPart),
        chain: &[Certificate],
        kept: Option<&KeptKey>,
        caller: &Caller,
    ) -> Result<(), ImportError> {
        let mut entry = caller
            .origin()
            .entry(Action::CertificateImport, stored.created_at)
            .object(stored.id)
            .detail(Field::SerialNumber, stored.serial)
            .detail(Field::CommonName, &stored.common_name)
            .detail(Field::NotAfter, rfc3339(stored.not_after))
            .detail(Field::CertificateSha256, hex::encode(certificate.sha256()));
        if let Some(ca) = stored.authority() {
            entry = entry.detail(Field::CaId, ca);
        }
        let change = access::owned(Change::new(Class::Normal), stored.organization);
        let mut change = part.noted(inventory::add_imported(change, stored, certificate, chain)?, stored.id);
        if let Some(kept) = kept {
            change = self.holdings.kept.keep(change, kept)?;
            entry = entry.detail(Field::KeyStorage, if kept.id().is_some() { "token" } else { "wrapped" });
        }
        match self.holdings.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            // Another import of the same was quicker.
            Err(CommitError::Conflict { table: Table::ImportedCertificates, key }) => {
                match self.holdings.certificates.known(stored.organization, certificate)? {
                    Some(id) => Err(ImportError::Known(id)),
                    None => Err(ImportError::Commit(CommitError::Conflict { table: Table::ImportedCertificates, key })),
                }
            }
            Err(error) => Err(ImportError::Commit(error)),
        }
    }

    fn warnings(&self, certificate: &Certificate, chain: &[Certificate], now: Timestamp) -> Result<Vec<ImportWarning>, ImportError> {
        let mut warnings = Vec::new();
        if certificate.not_after() < now {
            warnings.push(ImportWarning::Expired(certificate.not_after()));
        }
        if certificate.not_before() > now {
            warnings.push(ImportWarning::NotYetValid(certificate.not_before()));
        }
        match certificate.public_key() {
            Err(fault) => warnings.push(ImportWarning::UnsupportedKey(fault)),
            Ok(key) => {
                warnings.extend(key.weaknesses().into_iter().map(ImportWarning::WeakKey));
                if self.holdings.storage.contains(Table::BlockedKeys, &key.spki_sha256())? {
                    warnings.push(ImportWarning::CompromisedKey);
                }
            }
        }
        if certificate.signature_algorithm().is_none() {
            warnings.push(ImportWarning::UnsupportedSignature);
        }
        if !chain.is_empty() && !chain.iter().any(|above| above.subject() == certificate.issuer()) {
            warnings.push(ImportWarning::NoIssuerInChain);
        }
        Ok(warnings)
    }
}
