//! Certificate requests (PKCS#10, RFC 2986), read from outside.
//!
//! A [`CertificateRequest`] exists only if its signature over its original bytes was made with the key it asks for. What it
//! asks for is read through an allow-list of extensions and never copied into a certificate as bytes. Attributes other than
//! the extension request, such as challengePassword, are not looked at. [`RequestDraft`] is a request of ours before it is signed.

mod draft;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;

pub use draft::RequestDraft;

use super::extension::{self, BasicConstraints, ExtendedKeyUsage, KeyUsage, read};
use super::key::{KeyFault, PublicKey};
use super::name::DistinguishedName;
use super::san::{self, RequestedName};
use super::signed::{self, Signed};
use super::tlv::{self, DerFault, Element};
use crate::base::hash::sha256;

/// A request whose sender has proved to have the key.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    der: Box<[u8]>,
    subject: DistinguishedName,
    public_key: PublicKey,
    names: Vec<RequestedName>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Vec<ObjectIdentifier>,
    basic_constraints: Option<BasicConstraints>,
    other_extensions: Vec<ObjectIdentifier>,
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
        if der.len() > Self::MOST_BYTES {
            return Err(CsrFault::TooLarge);
        }
        let signed = Signed::parse(der)?;
        let mut info = signed.tbs.reader();
        if info.expect(tlv::INTEGER)?.content != [0] {
            return Err(CsrFault::Version);
        }
        let subject = DistinguishedName::from_der(info.expect(tlv::SEQUENCE)?.whole)?;
        let public_key = PublicKey::from_spki_der(info.expect(tlv::SEQUENCE)?.whole)?;
        // RFC 2986 demands the attributes, but some devices leave an empty set out.
        let attributes = info.take(tlv::context_constructed(0))?;
        info.finish()?;
        let algorithm = signed::parse_algorithm(signed.algorithm).ok_or(CsrFault::Algorithm)?;
        if !public_key.verify(algorithm, signed.tbs.whole, signed.signature) {
            return Err(CsrFault::Signature);
        }
        let mut request = Self {
            der: der.into(),
            subject,
            public_key,
            names: Vec::new(),
            key_usage: None,
            extended_key_usage: Vec::new(),
            basic_constraints: None,
            other_extensions: Vec::new(),
        };
        if let Some(list) = attributes.map(extension_list).transpose()?.flatten() {
            request.take_extensions(list)?;
        }
        Ok(request)
    }

    /// The whole request, as it came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The subject it asks for.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The alternative names it asks for, good or bad, in their order.
    pub fn names(&self) -> &[RequestedName] {
        &self.names
    }

    /// The key it asks to be certified, which signed it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The key usage it asks for, if it does.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The purposes it asks for, known or not; empty where it asks for none.
    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        &self.extended_key_usage
    }

    /// Whether it asks to become a CA.
    pub fn asks_for_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// The basic constraints it asks for, if it does.
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.basic_constraints
    }

    /// The extensions it asks for beside these, which are never granted from a request.
    pub fn other_extensions(&self) -> &[ObjectIdentifier] {
        &self.other_extensions
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

    fn take_extensions(&mut self, list: Element<'_>) -> Result<(), CsrFault> {
        let extensions = read::extensions(list.reader())?;
        for (place, extension) in extensions.iter().enumerate() {
            if extensions.iter().take(place).any(|earlier| earlier.oid == extension.oid) {
                return Err(CsrFault::DuplicateExtension(extension.oid));
            }
            self.take_extension(extension.oid, extension.value).map_err(|_| CsrFault::Extension(extension.oid))?;
        }
        Ok(())
    }

    fn take_extension(&mut self, oid: ObjectIdentifier, value: &[u8]) -> Result<(), DerFault> {
        match oid {
            extension::SUBJECT_ALT_NAME => self.names = san::decode_san(value)?,
            extension::KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value)?),
            extension::EXTENDED_KEY_USAGE => self.extended_key_usage = ExtendedKeyUsage::list_from_der(value)?,
            extension::BASIC_CONSTRAINTS => self.basic_constraints = Some(BasicConstraints::from_der(value)?),
            other => self.other_extensions.push(other),
        }
        Ok(())
    }
}

/// The one list of extensions among the attributes, if there is one: of the extensionRequest attribute (RFC 2985, 5.4.2), or
/// of the attribute Microsoft used before it.
fn extension_list(attributes: Element<'_>) -> Result<Option<Element<'_>>, CsrFault> {
    const MICROSOFT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.14");
    let mut attributes = attributes.reader();
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.expect(tlv::SEQUENCE)?.reader();
        let kind = attribute.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
        let mut values = attribute.expect(tlv::SET)?.reader();
        attribute.finish()?;
        if kind != rfc5912::ID_EXTENSION_REQ && kind != MICROSOFT {
            continue;
        }
        let list = values.expect(tlv::SEQUENCE)?;
        if !values.is_empty() || found.replace(list).is_some() {
            return Err(CsrFault::SeveralExtensionLists);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
