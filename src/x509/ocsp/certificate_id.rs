//! Which certificate is meant: by hashes of its issuer's name and key, and its serial number (RFC 6960, 4.1.1).

use aws_lc_rs::digest::{self, Digest, digest};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;

use crate::x509::serial::Serial;
use crate::x509::tlv::{self, DerFault, Reader};

/// The hashes that name an issuer. SHA-1 is the one every client takes (RFC 5019, 2.1.1); it tells issuers apart here and proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdHash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// The issuer of the certificates that are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    /// Its DER Name, byte for byte as in its certificate.
    pub name: &'a [u8],
    /// The content of its subjectPublicKey.
    pub key_bits: &'a [u8],
}

/// A CertID as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateId<'a> {
    /// Whole, header included: a response repeats it byte for byte.
    pub der: &'a [u8],
    /// None for a hash that is not known here.
    pub hash: Option<IdHash>,
    pub issuer_name_hash: &'a [u8],
    pub issuer_key_hash: &'a [u8],
    /// None for a number too long to be kept, which no certificate here has.
    pub serial: Option<Serial>,
}

impl IdHash {
    /// Every hash.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => rfc5912::ID_SHA_1,
            Self::Sha256 => rfc5912::ID_SHA_256,
            Self::Sha384 => rfc5912::ID_SHA_384,
            Self::Sha512 => rfc5912::ID_SHA_512,
        }
    }

    fn digest(self, bytes: &[u8]) -> Digest {
        match self {
            Self::Sha1 => sha1(bytes),
            Self::Sha256 => digest(&digest::SHA256, bytes),
            Self::Sha384 => digest(&digest::SHA384, bytes),
            Self::Sha512 => digest(&digest::SHA512, bytes),
        }
    }
}

/// RFC 6960, 4.2.1: KeyHash is SHA-1 and nothing else; it names a key and proves nothing.
pub(super) fn sha1(bytes: &[u8]) -> Digest {
    digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes)
}

impl<'a> CertificateId<'a> {
    /// Reads the next CertID.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DerFault> {
        let whole = reader.expect(tlv::SEQUENCE)?;
        let mut fields = whole.reader();
        let mut algorithm = fields.expect(tlv::SEQUENCE)?.reader();
        let oid = algorithm.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
        let hash = IdHash::ALL.into_iter().find(|hash| hash.oid() == oid);
        // NULL is written, and both NULL and nothing are read.
        if algorithm.take(tlv::NULL)?.is_some_and(|null| !null.content.is_empty()) {
            return Err(DerFault::Value);
        }
        if hash.is_some() {
            algorithm.finish()?;
        }
        let issuer_name_hash = fields.expect(tlv::OCTET_STRING)?.content;
        let issuer_key_hash = fields.expect(tlv::OCTET_STRING)?.content;
        let serial = fields.expect(tlv::INTEGER)?.integer()?;
        fields.finish()?;
        Ok(Self { der: whole.whole, hash, issuer_name_hash, issuer_key_hash, serial: Serial::from_der_content(serial).ok() })
    }

    /// Writes the id of a certificate.
    pub fn write(out: &mut Vec<u8>, hash: IdHash, issuer: Issuer<'_>, serial: &Serial) {
        tlv::write(out, tlv::SEQUENCE, |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                tlv::write_oid(out, hash.oid());
                tlv::write_value(out, tlv::NULL, &[]);
            });
            tlv::write_value(out, tlv::OCTET_STRING, hash.digest(issuer.name).as_ref());
            tlv::write_value(out, tlv::OCTET_STRING, hash.digest(issuer.key_bits).as_ref());
            tlv::write_value(out, tlv::INTEGER, serial.as_bytes());
        });
    }

    /// Whether it means the same certificate by the same hash, however that is written.
    pub fn is_same(&self, other: &CertificateId<'_>) -> bool {
        self.hash.is_some()
            && (self.hash, self.issuer_name_hash, self.issuer_key_hash) == (other.hash, other.issuer_name_hash, other.issuer_key_hash)
            && self.serial.is_some()
            && self.serial == other.serial
    }

    /// Whether it means a certificate of that issuer.
    pub fn is_of(&self, issuer: Issuer<'_>) -> bool {
        self.hash.is_some_and(|hash| {
            hash.digest(issuer.key_bits).as_ref() == self.issuer_key_hash && hash.digest(issuer.name).as_ref() == self.issuer_name_hash
        })
    }
}
