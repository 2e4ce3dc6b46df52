//! From an approved content to bytes that may be signed, and from a signature to a certificate.
//!
//! A [`Prepared`] has been linted, cannot be changed, and is used up by assembling: unlinted, altered or doubly signed bytes
//! do not compile.

use jiff::Timestamp;

use super::Authority;
use super::crl::CrlForm;
use crate::inventory::CrlPart;
use crate::policy::{Approved, Warning};
use crate::x509::algorithm::SignatureAlgorithm;
use crate::x509::certificate::{Certificate, CertificateFault};
use crate::x509::draft::{Draft, Extensions};
use crate::x509::extension::{self, BasicConstraints, ExtendedKeyUsage, KeyUsage, RevocationNotice};
use crate::x509::key::PublicKey;
use crate::x509::lint::{self, LintFault, Role};
use crate::x509::name::{AttributeType, DistinguishedName};
use crate::x509::san::{RequestedName, SubjectAltName};
use crate::x509::serial::Serial;
use crate::x509::signed;

/// Bytes that may be signed, once.
pub(super) struct Prepared {
    tbs: Vec<u8>,
    algorithm: SignatureAlgorithm,
    content: Content,
    key_usage: KeyUsage,
    issuer: DistinguishedName,
    authority_key_id: Vec<u8>,
    crl_part: CrlPart,
    warnings: Vec<Warning>,
}

/// What the certificate must turn out to say.
struct Content {
    serial: Serial,
    subject: DistinguishedName,
    alt_names: Vec<SubjectAltName>,
    public_key: PublicKey,
    not_before: Timestamp,
    not_after: Timestamp,
    extended_key_usage: Vec<ExtendedKeyUsage>,
    constraints: BasicConstraints,
    revocation_notice: RevocationNotice,
}

/// Why nothing was prepared or assembled: each is a fault of this program and stops the certificate.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error("the certificate cannot be encoded")]
    Encoding(#[from] der::Error),
    #[error("the drafted certificate breaks rules of RFC 5280: {0:?}")]
    Lint(Vec<LintFault>),
    #[error("the assembled certificate cannot be read back")]
    Unreadable(#[from] CertificateFault),
    #[error("the assembled certificate is not what was approved: {0} differs")]
    NotAsApproved(&'static str),
}

/// What an authority's own certificate shall say.
pub(super) struct AuthorityContent<'a> {
    pub subject: &'a DistinguishedName,
    pub public_key: &'a PublicKey,
    pub algorithm: SignatureAlgorithm,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub path_length: Option<u8>,
    /// None for a root, which signs itself.
    pub issuer: Option<&'a Authority>,
}

/// What the certificate of an OCSP responder shall say.
pub(super) struct ResponderContent<'a> {
    pub authority: &'a Authority,
    pub public_key: &'a PublicKey,
    pub common_name: &'a str,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Prepared {
    /// An end-entity certificate. Its end is cut to the issuer's.
    pub fn leaf(authority: &Authority, approved: &Approved, public_key: &PublicKey, serial: Serial) -> Result<Self, PrepareError> {
        let mut warnings = approved.warnings().to_vec();
        let mut not_after = approved.not_after();
        if not_after > authority.not_after {
            not_after = authority.not_after;
            warnings.push(Warning::CutToIssuer(crate::base::clock::rfc3339(not_after)));
        }
        let content = Content {
            serial,
            subject: approved.subject().clone(),
            alt_names: approved.alt_names().to_vec(),
            public_key: public_key.clone(),
            not_before: approved.not_before().max(authority.not_before),
            not_after,
            extended_key_usage: approved.extended_key_usage().to_vec(),
            constraints: BasicConstraints { ca: false, path_len: None },
            revocation_notice: approved.revocation_notice(),
        };
        let issuer = Issuer { name: &authority.subject, algorithm: authority.algorithm, authority: Some(authority) };
        let mut prepared = Self::draft(content, approved.key_usage(), issuer, Role::Leaf)?;
        prepared.warnings = warnings;
        Ok(prepared)
    }

    /// The certificate of an authority's OCSP responder (RFC 6960, 4.2.2.2): good for that alone, and not itself asked about.
    pub fn responder(wanted: ResponderContent<'_>, serial: Serial) -> Result<Self, PrepareError> {
        let ResponderContent { authority, public_key, common_name, not_before, not_after } = wanted;
        let subject = DistinguishedName::from_attributes(&[(AttributeType::CommonName, common_name.to_owned())]);
        let content = Content {
            serial,
            subject: subject.map_err(|_| PrepareError::NotAsApproved("the name of the responder"))?,
            alt_names: Vec::new(),
            public_key: public_key.clone(),
            not_before,
            not_after,
            extended_key_usage: vec![ExtendedKeyUsage::OcspSigning],
            constraints: BasicConstraints { ca: false, path_len: None },
            revocation_notice: RevocationNotice::NotChecked,
        };
        let issuer = Issuer { name: &authority.subject, algorithm: authority.algorithm, authority: Some(authority) };
        Self::draft(content, KeyUsage::DIGITAL_SIGNATURE, issuer, Role::Leaf)
    }

    /// The certificate of an authority.
    pub fn authority(wanted: AuthorityContent<'_>, serial: Serial) -> Result<Self, PrepareError> {
        let content = Content {
            serial,
            subject: wanted.subject.clone(),
            alt_names: Vec::new(),
            public_key: wanted.public_key.clone(),
            not_before: wanted.not_before,
            not_after: wanted.not_after,
            extended_key_usage: Vec::new(),
            constraints: BasicConstraints { ca: true, path_len: wanted.path_length },
            revocation_notice: RevocationNotice::Published,
        };
        let (issuer, role) = match wanted.issuer {
            None => (Issuer { name: wanted.subject, algorithm: wanted.algorithm, authority: None }, Role::Root),
            Some(above) => (Issuer { name: &above.subject, algorithm: above.algorithm, authority: Some(above) }, Role::Intermediate),
        };
        Self::draft(content, KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN), issuer, role)
    }

    fn draft(content: Content, key_usage: KeyUsage, issuer: Issuer<'_>, role: Role) -> Result<Self, PrepareError> {
        // Where revocation is not looked for, it is not said where it would be (RFC 9608, 3).
        let published = issuer.authority.filter(|_| content.revocation_notice == RevocationNotice::Published);
        let is_authority = content.constraints.ca;
        let part = issuer.authority.map(|authority| authority.crl.part_of(content.serial.as_bytes(), is_authority)).unwrap_or_default();
        let crl_urls = |form| published.map(|authority| authority.crl_urls_of(part, form)).unwrap_or_default();
        let has_delta = issuer.authority.is_some_and(|authority| authority.crl.delta);
        let extensions = Extensions {
            basic_constraints: content.constraints,
            key_usage,
            extended_key_usage: content.extended_key_usage.clone(),
            alt_names: content.alt_names.clone(),
            authority_key_id: match issuer.authority {
                // The issuer's own subject key identifier, whatever way it was made (RFC 5280, 4.2.1.1).
                Some(authority) => authority.certificate.subject_key_id().unwrap_or_default().to_vec(),
                None => content.public_key.key_identifier().to_vec(),
            },
            crl_urls: crl_urls(CrlForm::Full),
            delta_crl_urls: if has_delta { crl_urls(CrlForm::Delta) } else { Vec::new() },
            issuer_urls: issuer.authority.map(|authority| authority.issuer_urls.clone()).unwrap_or_default(),
            ocsp_urls: published.map(|authority| authority.ocsp.urls().to_vec()).unwrap_or_default(),
            revocation_notice: content.revocation_notice,
        };
        let draft = Draft {
            serial: &content.serial,
            signature: issuer.algorithm,
            issuer: issuer.name,
            not_before: content.not_before,
            not_after: content.not_after,
            subject: &content.subject,
            public_key: &content.public_key,
            extensions: &extensions,
        };
        let tbs = draft.to_tbs()?;
        let faults = lint::lint_tbs(&tbs, role);
        if !faults.is_empty() {
            return Err(PrepareError::Lint(faults));
        }
        let authority_key_id = extensions.authority_key_id;
        Ok(Self {
            tbs,
            algorithm: issuer.algorithm,
            content,
            key_usage,
            issuer: issuer.name.clone(),
            authority_key_id,
            crl_part: part,
            warnings: Vec::new(),
        })
    }

    /// The bytes the token is asked to sign.
    pub fn tbs(&self) -> &[u8] {
        &self.tbs
    }

    /// The algorithm the bytes themselves name.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    pub fn serial(&self) -> &Serial {
        &self.content.serial
    }

    /// Which of its issuer's CRLs it names.
    pub fn crl_part(&self) -> CrlPart {
        self.crl_part
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The certificate: put together, read back, and compared with what was approved. The token's signature was verified
    /// with the issuer's public key before it came here.
    pub fn assemble(self, signature: &[u8]) -> Result<Certificate, PrepareError> {
        let der = signed::assemble(&self.tbs, self.algorithm, signature)?;
        let certificate = Certificate::from_der(&der)?;
        let differs = |what| Err(PrepareError::NotAsApproved(what));
        let wanted = &self.content;
        if certificate.tbs() != self.tbs {
            return differs("the signed part");
        }
        if certificate.serial() != &wanted.serial {
            return differs("the serial number");
        }
        if certificate.issuer().der() != self.issuer.der() {
            return differs("the issuer");
        }
        if certificate.authority_key_id() != Some(self.authority_key_id.as_slice()) {
            return differs("the issuer's key identifier");
        }
        if certificate.key_usage() != Some(self.key_usage) {
            return differs("the key usage");
        }
        if certificate.subject().der() != wanted.subject.der() {
            return differs("the subject");
        }
        if certificate.spki_der() != wanted.public_key.spki_der() {
            return differs("the key");
        }
        if certificate.not_before() != wanted.not_before || certificate.not_after() != wanted.not_after {
            return differs("the validity");
        }
        let names = |name: &RequestedName, wanted: &SubjectAltName| matches!(name, RequestedName::Good(name) if name == wanted);
        let found = certificate.names();
        if found.len() != wanted.alt_names.len() || !found.iter().zip(&wanted.alt_names).all(|(name, wanted)| names(name, wanted)) {
            return differs("the list of names");
        }
        if !certificate.extended_key_usage().iter().copied().eq(wanted.extended_key_usage.iter().map(|usage| usage.oid())) {
            return differs("the extended key usage");
        }
        let has = |oid| certificate.extension_ids().iter().any(|(found, _)| *found == oid);
        let is_noted = |notice| wanted.revocation_notice == notice;
        if has(extension::OCSP_NO_CHECK) != is_noted(RevocationNotice::NotChecked)
            || has(extension::NO_REV_AVAIL) != is_noted(RevocationNotice::NotAvailable)
        {
            return differs("what it says of its revocation");
        }
        if certificate.basic_constraints().unwrap_or_default() != wanted.constraints {
            return differs("the basic constraints");
        }
        Ok(certificate)
    }
}

/// Who signs.
struct Issuer<'a> {
    name: &'a DistinguishedName,
    algorithm: SignatureAlgorithm,
    /// None for a root that signs itself.
    authority: Option<&'a Authority>,
}
