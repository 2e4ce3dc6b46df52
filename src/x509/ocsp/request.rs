//! Requests (RFC 6960, 4.1): what a responder reads, and what a client writes.

use const_oid::ObjectIdentifier;

use super::{CertificateId, IdHash, Issuer, LONGEST_NONCE, LONGEST_REQUEST, MOST_IDS, NONCE};
use crate::x509::extension::read::{self, RawExtension};
use crate::x509::extension::write;
use crate::x509::serial::Serial;
use crate::x509::tlv::{self, DerFault, Element, Reader};

/// A request that may be answered. Who sent it is not looked at: a signature is neither asked for nor heeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspRequest<'a> {
    /// At least one.
    pub ids: Vec<CertificateId<'a>>,
    /// 1 to 128 octets.
    pub nonce: Option<&'a [u8]>,
    /// Whether it has nothing that would make its answer another than everybody's: no nonce, one certificate.
    pub is_plain: bool,
}

/// Why a request is answered with malformedRequest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    #[error("the request has more than {LONGEST_REQUEST} bytes")]
    TooLong,
    #[error("the request cannot be read: {0}")]
    Der(#[from] DerFault),
    #[error("the request is of an unknown version")]
    Version,
    #[error("the request asks about no certificate")]
    Empty,
    #[error("the request asks about more than {MOST_IDS} certificates")]
    TooMany,
    /// RFC 9654, 2.1: a responder must refuse it.
    #[error("the nonce has not 1 to {LONGEST_NONCE} octets")]
    Nonce,
    #[error("the request has the extension {0} twice")]
    Repeated(ObjectIdentifier),
    #[error("the request has the critical extension {0}, which is not known here")]
    Critical(ObjectIdentifier),
}

impl<'a> OcspRequest<'a> {
    /// Reads a DER OCSPRequest and nothing after it.
    pub fn from_der(der: &'a [u8]) -> Result<Self, RequestFault> {
        if der.len() > LONGEST_REQUEST {
            return Err(RequestFault::TooLong);
        }
        let mut outer = Element::sole(der, tlv::SEQUENCE)?.reader();
        let mut fields = outer.expect(tlv::SEQUENCE)?.reader();
        // The optional signature: its content is for responders that ask who is there.
        outer.take(tlv::context_constructed(0))?;
        outer.finish()?;
        if let Some(version) = fields.take(tlv::context_constructed(0))?
            && Element::sole(version.content, tlv::INTEGER)?.content != [0]
        {
            return Err(RequestFault::Version);
        }
        // The requestor's name.
        fields.take(tlv::context_constructed(1))?;
        let mut list = fields.expect(tlv::SEQUENCE)?.reader();
        let mut ids = Vec::with_capacity(1);
        while !list.is_empty() {
            if ids.len() == MOST_IDS {
                return Err(RequestFault::TooMany);
            }
            ids.push(read_single(&mut list)?);
        }
        let nonce = match fields.take(tlv::context_constructed(2))? {
            Some(extensions) => read_nonce(extensions.content)?,
            None => None,
        };
        fields.finish()?;
        if ids.is_empty() {
            return Err(RequestFault::Empty);
        }
        let is_plain = nonce.is_none() && ids.len() == 1;
        Ok(Self { ids, nonce, is_plain })
    }

    /// Writes a request about one certificate.
    pub fn write(hash: IdHash, issuer: Issuer<'_>, serial: &Serial, nonce: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        tlv::write(&mut out, tlv::SEQUENCE, |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                tlv::write(out, tlv::SEQUENCE, |out| {
                    tlv::write(out, tlv::SEQUENCE, |out| CertificateId::write(out, hash, issuer, serial));
                });
                if let Some(nonce) = nonce {
                    tlv::write(out, tlv::context_constructed(2), |out| {
                        tlv::write(out, tlv::SEQUENCE, |out| write_nonce(out, nonce));
                    });
                }
            });
        });
        out
    }
}

/// Appends the nonce extension, not critical (RFC 9654, 2.1).
pub(super) fn write_nonce(out: &mut Vec<u8>, nonce: &[u8]) {
    write::extension(out, NONCE, false, |out| tlv::write_value(out, tlv::OCTET_STRING, nonce));
}

/// The content of a nonce extension's value.
pub(super) fn nonce_of(value: &[u8]) -> Result<&[u8], DerFault> {
    Element::sole(value, tlv::OCTET_STRING).map(|nonce| nonce.content)
}

fn read_single<'a>(list: &mut Reader<'a>) -> Result<CertificateId<'a>, RequestFault> {
    let mut single = list.expect(tlv::SEQUENCE)?.reader();
    let id = CertificateId::read(&mut single)?;
    if let Some(extensions) = single.take(tlv::context_constructed(0))? {
        // RFC 6960, 4.4: all of them may be left unread, unless they are critical.
        for extension in read_extensions(extensions.content)? {
            refuse_critical(&extension)?;
        }
    }
    single.finish()?;
    Ok(id)
}

fn read_nonce(list: &[u8]) -> Result<Option<&[u8]>, RequestFault> {
    let mut nonce = None;
    for extension in read_extensions(list)? {
        if extension.oid != NONCE {
            refuse_critical(&extension)?;
            continue;
        }
        let value = nonce_of(extension.value).map_err(|_| RequestFault::Nonce)?;
        if !(1..=LONGEST_NONCE).contains(&value.len()) {
            return Err(RequestFault::Nonce);
        }
        nonce = Some(value);
    }
    Ok(nonce)
}

fn read_extensions(list: &[u8]) -> Result<Vec<RawExtension<'_>>, RequestFault> {
    let extensions = read::extensions(Element::sole(list, tlv::SEQUENCE)?.reader())?;
    for (place, extension) in extensions.iter().enumerate() {
        if extensions.iter().take(place).any(|earlier| earlier.oid == extension.oid) {
            return Err(RequestFault::Repeated(extension.oid));
        }
    }
    Ok(extensions)
}

fn refuse_critical(extension: &RawExtension<'_>) -> Result<(), RequestFault> {
    if extension.critical { Err(RequestFault::Critical(extension.oid)) } else { Ok(()) }
}
