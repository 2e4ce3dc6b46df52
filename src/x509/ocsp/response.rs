//! Responses as a responder writes them (RFC 6960, 4.2).

use jiff::Timestamp;

use super::BASIC_RESPONSE;
use super::certificate_id::sha1;
use super::request::write_nonce;
use crate::x509::algorithm::SignatureAlgorithm;
use crate::x509::key::PublicKey;
use crate::x509::reason::RevocationReason;
use crate::x509::tlv::{self, DerFault, Element};
use crate::x509::{signed, time};

pub(super) const ENUMERATED: u8 = 0x0A;

/// What a responder says of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked { at: Timestamp, reason: RevocationReason },
    Unknown,
}

/// The status of one certificate.
#[derive(Clone, Copy, Debug)]
pub struct SingleStatus<'a> {
    /// The CertID of the request, header included.
    pub id: &'a [u8],
    pub status: Status,
}

/// A response before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct ResponseDraft<'a> {
    /// The key that will sign, by which the responder is named.
    pub responder: &'a PublicKey,
    pub produced_at: Timestamp,
    /// When what is said was known to be right.
    pub this_update: Timestamp,
    /// Until when it may be relied on.
    pub next_update: Timestamp,
    pub singles: &'a [SingleStatus<'a>],
    /// The request's, repeated.
    pub nonce: Option<&'a [u8]>,
}

/// An answer that says nothing of any certificate and is not signed (RFC 6960, 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    MalformedRequest,
    InternalError,
    TryLater,
    SignatureRequired,
    Unauthorized,
}

impl ResponseDraft<'_> {
    /// The DER ResponseData, which is what is signed.
    pub fn to_tbs(&self) -> Result<Vec<u8>, DerFault> {
        let mut out = Vec::with_capacity(128 + 128 * self.singles.len());
        let mut result = Ok(());
        tlv::write(&mut out, tlv::SEQUENCE, |out| result = self.write_fields(out));
        result.map(|()| out)
    }

    fn write_fields(&self, out: &mut Vec<u8>) -> Result<(), DerFault> {
        // The version is the default, which DER leaves out. RFC 5019, 2.2.1: the responder is named by its key.
        tlv::write(out, tlv::context_constructed(2), |out| tlv::write_value(out, tlv::OCTET_STRING, sha1(self.responder.bits()).as_ref()));
        time::write_generalized(out, self.produced_at)?;
        let mut result = Ok(());
        tlv::write(out, tlv::SEQUENCE, |out| {
            for single in self.singles {
                tlv::write(out, tlv::SEQUENCE, |out| result = result.and(self.write_single(out, single)));
            }
        });
        result?;
        if let Some(nonce) = self.nonce {
            tlv::write(out, tlv::context_constructed(1), |out| tlv::write(out, tlv::SEQUENCE, |out| write_nonce(out, nonce)));
        }
        Ok(())
    }

    fn write_single(&self, out: &mut Vec<u8>, single: &SingleStatus<'_>) -> Result<(), DerFault> {
        Element::sole(single.id, tlv::SEQUENCE)?;
        out.extend_from_slice(single.id);
        let mut result = Ok(());
        match single.status {
            Status::Good => tlv::write_value(out, tlv::context(0), &[]),
            Status::Unknown => tlv::write_value(out, tlv::context(2), &[]),
            Status::Revoked { at, reason } => tlv::write(out, tlv::context_constructed(1), |out| {
                result = time::write_generalized(out, at);
                // As in a CRL the reason is absent instead of unspecified (RFC 5280, 5.3.1).
                if reason != RevocationReason::Unspecified {
                    tlv::write(out, tlv::context_constructed(0), |out| tlv::write_value(out, ENUMERATED, &[reason.code()]));
                }
            }),
        }
        result?;
        time::write_generalized(out, self.this_update)?;
        let mut result = Ok(());
        tlv::write(out, tlv::context_constructed(0), |out| result = time::write_generalized(out, self.next_update));
        result
    }

    /// The whole OCSPResponse around what was signed. The responder's certificate is put in where its issuer is not the signer itself.
    pub fn assemble(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8], certificate: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(tbs.len() + signature.len() + certificate.map_or(0, <[u8]>::len) + 128);
        tlv::write(&mut out, tlv::SEQUENCE, |out| {
            tlv::write_value(out, ENUMERATED, &[0]);
            tlv::write(out, tlv::context_constructed(0), |out| {
                tlv::write(out, tlv::SEQUENCE, |out| {
                    tlv::write_oid(out, BASIC_RESPONSE);
                    tlv::write(out, tlv::OCTET_STRING, |out| {
                        tlv::write(out, tlv::SEQUENCE, |out| {
                            out.extend_from_slice(tbs);
                            signed::write_algorithm(out, algorithm);
                            tlv::write_bits(out, signature);
                            if let Some(certificate) = certificate {
                                tlv::write(out, tlv::context_constructed(0), |out| {
                                    tlv::write(out, tlv::SEQUENCE, |out| out.extend_from_slice(certificate));
                                });
                            }
                        });
                    });
                });
            });
        });
        out
    }
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 5] = [Self::MalformedRequest, Self::InternalError, Self::TryLater, Self::SignatureRequired, Self::Unauthorized];

    /// Its name in RFC 6960.
    pub fn name(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformedRequest",
            Self::InternalError => "internalError",
            Self::TryLater => "tryLater",
            Self::SignatureRequired => "sigRequired",
            Self::Unauthorized => "unauthorized",
        }
    }

    /// Its code; 4 is not used.
    pub fn code(self) -> u8 {
        match self {
            Self::MalformedRequest => 1,
            Self::InternalError => 2,
            Self::TryLater => 3,
            Self::SignatureRequired => 5,
            Self::Unauthorized => 6,
        }
    }

    /// The whole OCSPResponse.
    pub fn to_der(self) -> [u8; 5] {
        [tlv::SEQUENCE, 3, ENUMERATED, 1, self.code()]
    }
}
