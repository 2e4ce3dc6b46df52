//! Certificate requests (PKCS#10, RFC 2986), read from outside.
//!
//! A [`CertificateRequest`] exists only if its signature over its original bytes was made with the key it asks for. What it
//! asks for is read through an allow-list of extensions and never copied into a certificate as bytes. Attributes other than
//! the extension request, such as challengePassword, are not looked at. [`RequestDraft`] is a request of ours before it is signed.

mod content;
mod draft;

use const_oid::ObjectIdentifier;

pub use content::RequestContent;
pub use draft::RequestDraft;

use super::algorithm::SignatureAlgorithm;
use super::extension::{BasicConstraints, KeyUsage};
use super::key::{KeyFault, PublicKey};
use super::name::DistinguishedName;
use super::san::RequestedName;
use super::signed::{self, Signed};
use super::tlv::{self, DerFault};
use crate::base::hash::sha256;

/// A request whose sender has proved to have the key.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    der: Box<[u8]>,
    public_key: PublicKey,
    content: RequestContent,
}

/// What can be said of bytes that are not taken as a request: enough to tell whoever corrects them of everything at once. Nothing can be issued
/// by it, for it has no key.
#[derive(Clone, Debug)]
pub struct RefusedRequest {
    /// What was found first.
    pub fault: CsrFault,
    /// And besides.
    pub others: Vec<CsrFault>,
    /// What it says it asks for, without proof; None where that cannot be read.
    pub content: Option<Box<RequestContent>>,
}

/// Why bytes are not a request that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsrFault {
    #[error("the request has more than {} bytes", CertificateRequest::MOST_BYTES)]
    TooLarge,
    #[error("the request cannot be read: {0}")]
    Encoding(#[from] DerFault),
    #[error("the request is not of version 1 of PKCS#10, the only one there is")]
    Version,
    #[error("the key of the request cannot be certified: {0}")]
    Key(#[from] KeyFault),
    #[error("the request is signed with an algorithm that is not accepted: use SHA-256, SHA-384 or SHA-512 with RSA or ECDSA, or Ed25519")]
    Algorithm,
    #[error("the signature of the request was not made with the key it asks for")]
    Signature,
    #[error("the request has more than one list of extensions")]
    SeveralExtensionLists,
    #[error("the request has the extension {0} twice")]
    DuplicateExtension(ObjectIdentifier),
    #[error("the extension {0} of the request cannot be read")]
    Extension(ObjectIdentifier),
}

impl CertificateRequest {
    /// The most bytes that are read as one request.
    pub const MOST_BYTES: usize = 64 << 10;

    /// Reads a request and checks the proof of possession; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrFault> {
        Self::read(der).map_err(|refused| refused.fault)
    }

    /// The same, with every fault of one that is refused.
    pub fn read(der: &[u8]) -> Result<Self, RefusedRequest> {
        if der.len() > Self::MOST_BYTES {
            return Err(CsrFault::TooLarge.into());
        }
        let signed = Signed::parse(der).map_err(CsrFault::from)?;
        let mut info = signed.tbs.reader();
        let mut head = || {
            if info.expect(tlv::INTEGER)?.content != [0] {
                return Err(CsrFault::Version);
            }
            let subject = DistinguishedName::from_der(info.expect(tlv::SEQUENCE)?.whole)?;
            let spki = info.expect(tlv::SEQUENCE)?.whole;
            // RFC 2986 demands the attributes, but some devices leave an empty set out.
            let attributes = info.take(tlv::context_constructed(0))?;
            info.finish()?;
            Ok((subject, spki, attributes))
        };
        let (subject, spki, attributes) = head()?;
        let content = RequestContent::read(subject, attributes);
        match (proved_key(spki, &signed), content) {
            (Ok(public_key), Ok(content)) => Ok(Self { der: der.into(), public_key, content }),
            (Ok(_), Err(fault)) => Err(fault.into()),
            (Err((fault, others)), Ok(content)) => Err(RefusedRequest { fault, others, content: Some(Box::new(content)) }),
            (Err((fault, mut others)), Err(last)) => {
                others.push(last);
                Err(RefusedRequest { fault, others, content: None })
            }
        }
    }

    /// The whole request, as it came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject it asks for.
    pub fn subject(&self) -> &DistinguishedName {
        self.content.subject()
    }

    /// The alternative names it asks for, good or bad, in their order.
    pub fn names(&self) -> &[RequestedName] {
        self.content.names()
    }

    /// The key it asks to be certified, which signed it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The key usage it asks for, if it does.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.content.key_usage()
    }

    /// The purposes it asks for, known or not; empty where it asks for none.
    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        self.content.extended_key_usage()
    }

    /// Whether it asks to become a CA.
    pub fn asks_for_ca(&self) -> bool {
        self.content.asks_for_ca()
    }

    /// The basic constraints it asks for, if it does.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.content.basic_constraints
    }

    /// The extensions it asks for beside these, which are never granted from a request.
    pub fn other_extensions(&self) -> &[ObjectIdentifier] {
        &self.content.other_extensions
    }

    /// The hash of its key's SubjectPublicKeyInfo.
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.public_key.spki_sha256()
    }

    /// The hash of the part its sender signed: the subject, the key and every attribute, so everything that is asked for.
    pub fn info_sha256(&self) -> [u8; 32] {
        let info = Signed::parse(&self.der).map_or(&*self.der, |signed| signed.tbs.whole);
        sha256(info)
    }

    /// What it asks for beside its key.
    pub fn content(&self) -> &RequestContent {
        &self.content
    }
}

impl From<CsrFault> for RefusedRequest {
    /// Where nothing else can be said.
    fn from(fault: CsrFault) -> Self {
        Self { fault, others: Vec::new(), content: None }
    }
}

/// The key that is asked for, when the request was signed with it; what was found first otherwise, and besides.
fn proved_key(spki: &[u8], signed: &Signed<'_>) -> Result<PublicKey, (CsrFault, Vec<CsrFault>)> {
    let algorithm: Option<SignatureAlgorithm> = signed::parse_algorithm(signed.algorithm);
    match (PublicKey::from_spki_der(spki), algorithm) {
        (Ok(key), Some(algorithm)) if key.verify(algorithm, signed.tbs.whole, signed.signature) => Ok(key),
        (Ok(_), Some(_)) => Err((CsrFault::Signature, Vec::new())),
        (Ok(_), None) => Err((CsrFault::Algorithm, Vec::new())),
        (Err(fault), Some(_)) => Err((fault.into(), Vec::new())),
        (Err(fault), None) => Err((fault.into(), vec![CsrFault::Algorithm])),
    }
}

#[cfg(test)]
mod tests;
