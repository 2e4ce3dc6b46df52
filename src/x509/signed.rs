//! What certificates, CRLs and requests have in common: bytes to be signed, an AlgorithmIdentifier, and a signature.
//!
//! Algorithms are read through a closed list, so that a signature whose parameters are not exactly understood is never
//! checked as if it were.

use der::{Error, ErrorKind, Tag};

use super::algorithm::{Hash, SignatureAlgorithm};
use super::tlv::{self, DerFault, Element, Reader};

const MGF1: const_oid::ObjectIdentifier = const_oid::db::rfc5912::ID_MGF_1;

/// The DER AlgorithmIdentifier of a signature algorithm.
pub fn algorithm_identifier(algorithm: SignatureAlgorithm) -> Vec<u8> {
    let mut out = Vec::with_capacity(67);
    write_algorithm(&mut out, algorithm);
    out
}

/// Appends the DER AlgorithmIdentifier of a signature algorithm.
pub fn write_algorithm(out: &mut Vec<u8>, algorithm: SignatureAlgorithm) {
    tlv::write(out, tlv::SEQUENCE, |out| {
        tlv::write_oid(out, algorithm.oid());
        match algorithm {
            // RFC 4055, 5: the parameters are NULL.
            SignatureAlgorithm::RsaPkcs1(_) => tlv::write_value(out, tlv::NULL, &[]),
            // RFC 4055, 3.1: the hash and the mask hash are the same; DER leaves the default trailer out.
            SignatureAlgorithm::RsaPss(hash) => tlv::write(out, tlv::SEQUENCE, |out| {
                tlv::write(out, tlv::context_constructed(0), |out| write_hash(out, hash));
                tlv::write(out, tlv::context_constructed(1), |out| {
                    tlv::write(out, tlv::SEQUENCE, |out| {
                        tlv::write_oid(out, MGF1);
                        write_hash(out, hash);
                    });
                });
                tlv::write(out, tlv::context_constructed(2), |out| tlv::write_small(out, hash.len()));
            }),
            // RFC 5758, 3.2 and RFC 8410, 3: the parameters are absent.
            SignatureAlgorithm::Ecdsa(_) | SignatureAlgorithm::Ed25519 => {}
        }
    });
}

/// The algorithm a DER AlgorithmIdentifier names, if it is one of the closed list with parameters that are understood.
pub fn parse_algorithm(der: &[u8]) -> Option<SignatureAlgorithm> {
    let mut reader = Element::sole(der, tlv::SEQUENCE).ok()?.reader();
    let oid = reader.expect(tlv::OBJECT_IDENTIFIER).ok()?.oid().ok()?;
    let found = SignatureAlgorithm::ALL.into_iter().find(|a| a.oid() == oid)?;
    let algorithm = match found {
        SignatureAlgorithm::RsaPss(_) => SignatureAlgorithm::RsaPss(pss_hash(reader.expect(tlv::SEQUENCE).ok()?).ok()??),
        // RFC 4055, 5: absent parameters must be accepted too.
        SignatureAlgorithm::RsaPkcs1(_) => {
            take_null(&mut reader).ok()?;
            found
        }
        SignatureAlgorithm::Ecdsa(_) | SignatureAlgorithm::Ed25519 => found,
    };
    reader.finish().ok()?;
    Some(algorithm)
}

/// Joins bytes, algorithm and signature into the signed object: a certificate, a CRL.
pub fn assemble(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Result<Vec<u8>, Error> {
    // What is put in front and behind must be one element, or the result would be another object than was signed.
    Element::sole(tbs, tlv::SEQUENCE).map_err(|_| Error::from(ErrorKind::Length { tag: Tag::Sequence }))?;
    let mut out = Vec::with_capacity(tbs.len() + signature.len() + 96);
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        out.extend_from_slice(tbs);
        write_algorithm(out, algorithm);
        tlv::write_bits(out, signature);
    });
    Ok(out)
}

/// What stands before and behind the `tbs_length` bytes that were signed, for an object that is too large to be held whole.
pub fn around(tbs_length: usize, algorithm: SignatureAlgorithm, signature: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut behind = algorithm_identifier(algorithm);
    tlv::write_bits(&mut behind, signature);
    let mut before = Vec::with_capacity(6);
    tlv::write_header(&mut before, tlv::SEQUENCE, tbs_length + behind.len());
    (before, behind)
}

/// The three parts of a signed object, as they stood in the input.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The bytes that were signed, header included.
    pub tbs: Element<'a>,
    /// The AlgorithmIdentifier, header included.
    pub algorithm: &'a [u8],
    /// The octets of the signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Takes a signed object apart; nothing may follow it.
    pub fn parse(der: &'a [u8]) -> Result<Self, DerFault> {
        let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
        let tbs = reader.expect(tlv::SEQUENCE)?;
        let algorithm = reader.expect(tlv::SEQUENCE)?.whole;
        let signature = reader.expect(tlv::BIT_STRING)?.whole_bits()?;
        reader.finish()?;
        Ok(Self { tbs, algorithm, signature })
    }
}

fn write_hash(out: &mut Vec<u8>, hash: Hash) {
    tlv::write(out, tlv::SEQUENCE, |out| {
        tlv::write_oid(out, hash.oid());
        tlv::write_value(out, tlv::NULL, &[]);
    });
}

/// The hash of PSS parameters that use one hash throughout and a salt of its length.
fn pss_hash(parameters: Element<'_>) -> Result<Option<Hash>, DerFault> {
    let mut reader = parameters.reader();
    let hash = read_hash(reader.expect(tlv::context_constructed(0))?.content)?;
    let mut mask = Element::sole(reader.expect(tlv::context_constructed(1))?.content, tlv::SEQUENCE)?.reader();
    let generator = mask.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
    let mask_hash = read_hash(mask.expect(tlv::SEQUENCE)?.whole)?;
    mask.finish()?;
    let salt = Element::sole(reader.expect(tlv::context_constructed(2))?.content, tlv::INTEGER)?.integer()?;
    reader.finish()?;
    Ok(hash.filter(|hash| generator == MGF1 && mask_hash == Some(*hash) && salt == [hash.len()]))
}

fn read_hash(der: &[u8]) -> Result<Option<Hash>, DerFault> {
    let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
    let oid = reader.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
    // RFC 4055, 2.1: NULL is written, and both NULL and nothing are read.
    take_null(&mut reader)?;
    reader.finish()?;
    Ok([Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().find(|hash| hash.oid() == oid))
}

fn take_null(reader: &mut Reader<'_>) -> Result<(), DerFault> {
    match reader.take(tlv::NULL)? {
        Some(Element { content: [_, ..], .. }) => Err(DerFault::Value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
