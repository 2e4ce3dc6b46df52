//! A TBSCertificate taken apart into its fields, each as it stands in the bytes (RFC 5280, 4.1.2).
//!
//! It says where things are, and what they mean it leaves to those who ask: [`crate::x509::certificate`], which takes what
//! others issued, and [`crate::x509::lint`], which is strict about what we issue.

use jiff::Timestamp;

use super::extension::read::{self, RawExtension};
use super::time;
use super::tlv::{self, DerFault, Element};

/// The fields of a TBSCertificate.
#[derive(Clone, Debug)]
pub struct TbsFields<'a> {
    /// 1, 2 or 3, as people count.
    pub version: u8,
    /// The content octets of the serial number.
    pub serial: &'a [u8],
    /// The inner AlgorithmIdentifier, header included.
    pub algorithm: &'a [u8],
    /// The Name, header included.
    pub issuer: &'a [u8],
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The Name, header included.
    pub subject: &'a [u8],
    /// The SubjectPublicKeyInfo, header included.
    pub spki: &'a [u8],
    /// In their order; empty where there are none.
    pub extensions: Vec<RawExtension<'a>>,
}

impl<'a> TbsFields<'a> {
    /// Takes a TBSCertificate apart; nothing may follow it.
    pub fn parse(tbs: &'a [u8]) -> Result<Self, DerFault> {
        let mut reader = Element::sole(tbs, tlv::SEQUENCE)?.reader();
        let version = match reader.take(tlv::context_constructed(0))? {
            None => 1,
            Some(version) => match Element::sole(version.content, tlv::INTEGER)?.content {
                [value @ 0..=2] => value + 1,
                _ => return Err(DerFault::Value),
            },
        };
        let serial = reader.expect(tlv::INTEGER)?.integer()?;
        let algorithm = reader.expect(tlv::SEQUENCE)?.whole;
        let issuer = reader.expect(tlv::SEQUENCE)?.whole;
        let mut validity = reader.expect(tlv::SEQUENCE)?.reader();
        let not_before = time::read_time(validity.read()?)?;
        let not_after = time::read_time(validity.read()?)?;
        validity.finish()?;
        let subject = reader.expect(tlv::SEQUENCE)?.whole;
        let spki = reader.expect(tlv::SEQUENCE)?.whole;
        // RFC 5280, 4.1.2.8: unique identifiers are not issued any more, but may be met.
        reader.take(tlv::context(1))?;
        reader.take(tlv::context(2))?;
        let extensions = match reader.take(tlv::context_constructed(3))? {
            None => Vec::new(),
            Some(extensions) => read::extensions(Element::sole(extensions.content, tlv::SEQUENCE)?.reader())?,
        };
        reader.finish()?;
        Ok(Self { version, serial, algorithm, issuer, not_before, not_after, subject, spki, extensions })
    }

    /// The content of the subjectPublicKey, whatever the algorithm.
    pub fn public_key_bits(&self) -> Result<&'a [u8], DerFault> {
        let mut reader = Element::sole(self.spki, tlv::SEQUENCE)?.reader();
        reader.expect(tlv::SEQUENCE)?;
        let bits = reader.expect(tlv::BIT_STRING)?.whole_bits()?;
        reader.finish()?;
        Ok(bits)
    }
}
