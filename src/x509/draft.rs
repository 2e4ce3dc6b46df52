//! Drafts of certificates: everything a certificate will say, written down as the bytes to be signed.
//!
//! Writing is on the way of every issuance and allocates once. It decides nothing: what may be issued is the policy's, and
//! whether the result is sound is asked of [`crate::x509::lint`], which reads the bytes again.

use der::{Error, ErrorKind, Tag};
use jiff::Timestamp;

use super::algorithm::SignatureAlgorithm;
use super::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, RevocationNotice, write};
use super::key::PublicKey;
use super::name::DistinguishedName;
use super::san::SubjectAltName;
use super::serial::Serial;
use super::{signed, time, tlv};

/// A certificate before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub serial: &'a Serial,
    /// How the issuer will sign.
    pub signature: SignatureAlgorithm,
    pub issuer: &'a DistinguishedName,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    pub subject: &'a DistinguishedName,
    pub public_key: &'a PublicKey,
    pub extensions: &'a Extensions,
}

/// The extensions of a draft. The subject key identifier is made from the public key and is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    pub basic_constraints: BasicConstraints,
    /// Without a flag the extension is left out; as are those below without a value.
    pub key_usage: KeyUsage,
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    pub alt_names: Vec<SubjectAltName>,
    /// The subject key identifier of the issuer, exactly as its certificate has it.
    pub authority_key_id: Vec<u8>,
    pub crl_urls: Vec<String>,
    /// Where the delta CRLs are found.
    pub delta_crl_urls: Vec<String>,
    /// Where the issuer's certificate can be fetched.
    pub issuer_urls: Vec<String>,
    pub ocsp_urls: Vec<String>,
    pub revocation_notice: RevocationNotice,
}

impl Draft<'_> {
    /// The DER TBSCertificate (RFC 5280, 4.1). It fails only for a time before 1950 or after 9999.
    pub fn to_tbs(&self) -> Result<Vec<u8>, Error> {
        let mut validity = Vec::with_capacity(36);
        for time in [self.not_before, self.not_after] {
            time::write_time(&mut validity, time).map_err(|_| Error::from(ErrorKind::Value { tag: Tag::UtcTime }))?;
        }
        let mut out = Vec::with_capacity(1536);
        tlv::write(&mut out, tlv::SEQUENCE, |out| {
            // RFC 5280, 4.1.2.1: extensions make it version 3, which is written as 2.
            tlv::write(out, tlv::context_constructed(0), |out| tlv::write_small(out, 2));
            tlv::write_value(out, tlv::INTEGER, self.serial.as_bytes());
            signed::write_algorithm(out, self.signature);
            out.extend_from_slice(self.issuer.der());
            tlv::write_value(out, tlv::SEQUENCE, &validity);
            out.extend_from_slice(self.subject.der());
            out.extend_from_slice(self.public_key.spki_der());
            tlv::write(out, tlv::context_constructed(3), |out| tlv::write(out, tlv::SEQUENCE, |out| self.write_extensions(out)));
        });
        Ok(out)
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        let Extensions {
            basic_constraints,
            key_usage,
            extended_key_usage,
            alt_names,
            authority_key_id,
            crl_urls,
            delta_crl_urls,
            issuer_urls,
            ocsp_urls,
            revocation_notice,
        } = self.extensions;
        write::basic_constraints(out, *basic_constraints);
        write::key_usage(out, *key_usage);
        write::extended_key_usage(out, extended_key_usage);
        write::subject_key_id(out, &self.public_key.key_identifier());
        write::authority_key_id(out, authority_key_id);
        write::subject_alt_name(out, alt_names, self.subject.is_empty());
        write::crl_urls(out, crl_urls);
        write::delta_crl_urls(out, delta_crl_urls);
        write::authority_info(out, issuer_urls, ocsp_urls);
        write::revocation_notice(out, *revocation_notice);
    }
}
