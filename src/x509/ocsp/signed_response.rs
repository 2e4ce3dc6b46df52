//! Responses as a client reads them, and whether they may be believed (RFC 6960, 3.2 and 4.2.2.2).

use jiff::Timestamp;

use super::certificate_id::sha1;
use super::request::nonce_of;
use super::response::ENUMERATED;
use super::{BASIC_RESPONSE, CertificateId, MOST_IDS, NONCE, Refusal, Status};
use crate::x509::certificate::Certificate;
use crate::x509::extension::{ExtendedKeyUsage, OCSP_NO_CHECK, read};
use crate::x509::key::PublicKey;
use crate::x509::reason::RevocationReason;
use crate::x509::signed;
use crate::x509::time::read_time;
use crate::x509::tlv::{self, DerFault, Element, Reader};

/// The longest response that is read.
const LONGEST_RESPONSE: usize = 64 << 10;
/// The most certificates that are looked at for the responder's.
const MOST_CERTIFICATES: usize = 8;

/// A response that was read and is not believed yet.
#[derive(Clone, Debug)]
pub struct OcspResponse<'a> {
    tbs: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    responder: ResponderId<'a>,
    certificates: Vec<&'a [u8]>,
    singles: Vec<Single<'a>>,
    nonce: Option<&'a [u8]>,
    produced_at: Timestamp,
}

/// The status of one certificate as it was read.
#[derive(Clone, Copy, Debug)]
struct Single<'a> {
    id: CertificateId<'a>,
    status: Status,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
enum ResponderId<'a> {
    Name(&'a [u8]),
    Key(&'a [u8]),
}

/// Why bytes are no response that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFault {
    #[error("the OCSP response has more than {LONGEST_RESPONSE} bytes")]
    TooLong,
    #[error("the OCSP response cannot be read: {0}")]
    Der(#[from] DerFault),
    #[error("the OCSP responder refused: {}", .0.name())]
    Refused(Refusal),
    #[error("the OCSP response is of an unknown kind or version")]
    Kind,
    #[error("the OCSP response has a critical extension that is not known here")]
    Critical,
    #[error("the OCSP response tells of too many certificates")]
    TooMany,
}

/// Why a response is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    #[error("the OCSP response is not about this certificate")]
    OtherCertificate,
    #[error("the OCSP response does not repeat the nonce of the request")]
    Nonce,
    #[error("the OCSP response is not valid now")]
    Time,
    #[error("the OCSP response is not signed by the issuer or by a responder it has named")]
    Signature,
}

/// How far the clocks of two machines may lie apart.
const CLOCK_SKEW_SECONDS: i64 = 300;

impl<'a> OcspResponse<'a> {
    /// Reads a DER OCSPResponse and nothing after it.
    pub fn from_der(der: &'a [u8]) -> Result<Self, ResponseFault> {
        if der.len() > LONGEST_RESPONSE {
            return Err(ResponseFault::TooLong);
        }
        let mut outer = Element::sole(der, tlv::SEQUENCE)?.reader();
        match outer.expect(ENUMERATED)?.content {
            [0] => {}
            [code] => {
                let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.code() == *code);
                return Err(refusal.map_or(ResponseFault::Kind, ResponseFault::Refused));
            }
            _ => return Err(DerFault::Value.into()),
        }
        let bytes = outer.expect(tlv::context_constructed(0))?;
        outer.finish()?;
        let mut bytes = Element::sole(bytes.content, tlv::SEQUENCE)?.reader();
        if bytes.expect(tlv::OBJECT_IDENTIFIER)?.oid()? != BASIC_RESPONSE {
            return Err(ResponseFault::Kind);
        }
        let basic = bytes.expect(tlv::OCTET_STRING)?.content;
        bytes.finish()?;
        Self::read_basic(basic)
    }

    fn read_basic(basic: &'a [u8]) -> Result<Self, ResponseFault> {
        let mut fields = Element::sole(basic, tlv::SEQUENCE)?.reader();
        let tbs = fields.expect(tlv::SEQUENCE)?;
        let algorithm = fields.expect(tlv::SEQUENCE)?.whole;
        let signature = fields.expect(tlv::BIT_STRING)?.whole_bits()?;
        let mut certificates = Vec::new();
        if let Some(list) = fields.take(tlv::context_constructed(0))? {
            let mut list = Element::sole(list.content, tlv::SEQUENCE)?.reader();
            while !list.is_empty() && certificates.len() < MOST_CERTIFICATES {
                certificates.push(list.expect(tlv::SEQUENCE)?.whole);
            }
        }
        fields.finish()?;
        let mut data = tbs.reader();
        if let Some(version) = data.take(tlv::context_constructed(0))?
            && Element::sole(version.content, tlv::INTEGER)?.content != [0]
        {
            return Err(ResponseFault::Kind);
        }
        let responder = match data.take(tlv::context_constructed(1))? {
            Some(name) => ResponderId::Name(Element::sole(name.content, tlv::SEQUENCE)?.whole),
            None => ResponderId::Key(Element::sole(data.expect(tlv::context_constructed(2))?.content, tlv::OCTET_STRING)?.content),
        };
        let produced_at = generalized(data.expect(tlv::GENERALIZED_TIME)?)?;
        let mut list = data.expect(tlv::SEQUENCE)?.reader();
        let mut singles = Vec::with_capacity(1);
        while !list.is_empty() {
            if singles.len() == MOST_IDS {
                return Err(ResponseFault::TooMany);
            }
            singles.push(read_single(&mut list)?);
        }
        let mut nonce = None;
        if let Some(extensions) = data.take(tlv::context_constructed(1))? {
            for extension in read::extensions(Element::sole(extensions.content, tlv::SEQUENCE)?.reader())? {
                match extension.oid {
                    NONCE => nonce = Some(nonce_of(extension.value)?),
                    _ if extension.critical => return Err(ResponseFault::Critical),
                    _ => {}
                }
            }
        }
        data.finish()?;
        Ok(Self { tbs: tbs.whole, algorithm, signature, responder, certificates, singles, nonce, produced_at })
    }

    /// What it says of the certificates, in its order.
    pub fn statuses(&self) -> impl Iterator<Item = (CertificateId<'a>, Status)> + '_ {
        self.singles.iter().map(|single| (single.id, single.status))
    }

    /// When it was signed.
    pub fn produced_at(&self) -> Timestamp {
        self.produced_at
    }

    /// The nonce it repeats.
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.nonce
    }

    /// What it says of the certificate of that id, and until when, when that can be believed: it is signed by the issuer, or by a responder that holds a
    /// certificate of the issuer's for that; it repeats the nonce; and it is of now. A responder that leaves nonces out, as those do that
    /// sign ahead (RFC 5019, 4), is believed as far as its times go.
    pub fn status(
        &self,
        id: &CertificateId<'_>,
        issuer: &Certificate,
        nonce: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(Status, Timestamp), Untrusted> {
        let single = self.singles.iter().find(|single| single.id.is_same(id)).ok_or(Untrusted::OtherCertificate)?;
        if self.nonce.is_some() && self.nonce != nonce {
            return Err(Untrusted::Nonce);
        }
        let (moment, now) = (now, now.as_second());
        let is_begun = single.this_update.as_second() <= now + CLOCK_SKEW_SECONDS;
        // RFC 6960, 4.2.2.1: without nextUpdate newer information is always there, so it must have been made for us.
        let ends = single.next_update.map_or_else(|| single.this_update.as_second() + CLOCK_SKEW_SECONDS, Timestamp::as_second);
        if !is_begun || ends + CLOCK_SKEW_SECONDS < now {
            return Err(Untrusted::Time);
        }
        if self.is_signed_for(issuer, now) { Ok((single.status, single.next_update.unwrap_or(moment))) } else { Err(Untrusted::Signature) }
    }

    fn is_signed_for(&self, issuer: &Certificate, now: i64) -> bool {
        let Ok(key) = issuer.public_key() else { return false };
        if self.responder.is(issuer.subject().der(), &key) && self.is_signed_by(&key) {
            return true;
        }
        // RFC 6960, 4.2.2.2: issued by the issuer itself, and for this purpose.
        self.certificates.iter().filter_map(|der| Certificate::from_der(der).ok()).any(|delegated| {
            let Ok(responder) = delegated.public_key() else { return false };
            let is_valid = delegated.not_before().as_second() <= now && now <= delegated.not_after().as_second();
            self.responder.is(delegated.subject().der(), &responder)
                && delegated.extended_key_usage().contains(&ExtendedKeyUsage::OcspSigning.oid())
                // RFC 6960, 4.2.2.2.1: without it the responder's own revocation would have to be asked for, of whom is not said.
                && delegated.extension_ids().iter().any(|(oid, _)| *oid == OCSP_NO_CHECK)
                && delegated.issuer().der() == issuer.subject().der()
                && is_valid
                && delegated.is_signed_by(&key)
                && self.is_signed_by(&responder)
        })
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        signed::parse_algorithm(self.algorithm).is_some_and(|algorithm| key.verify(algorithm, self.tbs, self.signature))
    }
}

impl ResponderId<'_> {
    fn is(self, name: &[u8], key: &PublicKey) -> bool {
        match self {
            Self::Name(named) => named == name,
            Self::Key(hash) => hash == sha1(key.bits()).as_ref(),
        }
    }
}

fn read_single<'a>(list: &mut Reader<'a>) -> Result<Single<'a>, ResponseFault> {
    let mut fields = list.expect(tlv::SEQUENCE)?.reader();
    let id = CertificateId::read(&mut fields)?;
    let status = fields.read()?;
    let status = match (status.tag, status.content) {
        (0x80, []) => Status::Good,
        (0x82, []) => Status::Unknown,
        (0xA1, _) => read_revoked(status.reader())?,
        _ => return Err(DerFault::Tag.into()),
    };
    let this_update = generalized(fields.expect(tlv::GENERALIZED_TIME)?)?;
    let next_update = fields.take(tlv::context_constructed(0))?;
    let next_update = next_update.map(|next| generalized(Element::sole(next.content, tlv::GENERALIZED_TIME)?)).transpose()?;
    if let Some(extensions) = fields.take(tlv::context_constructed(1))? {
        let extensions = read::extensions(Element::sole(extensions.content, tlv::SEQUENCE)?.reader())?;
        if extensions.iter().any(|extension| extension.critical) {
            return Err(ResponseFault::Critical);
        }
    }
    fields.finish()?;
    Ok(Single { id, status, this_update, next_update })
}

fn read_revoked(mut fields: Reader<'_>) -> Result<Status, ResponseFault> {
    let at = generalized(fields.expect(tlv::GENERALIZED_TIME)?)?;
    let reason = match fields.take(tlv::context_constructed(0))? {
        None => RevocationReason::Unspecified,
        Some(reason) => match Element::sole(reason.content, ENUMERATED)?.content {
            [code] => RevocationReason::from_code(*code).ok_or(DerFault::Value)?,
            _ => return Err(DerFault::Value.into()),
        },
    };
    fields.finish()?;
    Ok(Status::Revoked { at, reason })
}

/// A time, which in OCSP is a GeneralizedTime. Responders of others write fractions of a second, which RFC 5280 forbids and RFC 6960 does
/// not; they are cut off.
fn generalized(element: Element<'_>) -> Result<Timestamp, DerFault> {
    match element.content.split(|octet| *octet == b'.').collect::<Vec<_>>().as_slice() {
        [_] => read_time(element),
        [whole, [fraction @ .., b'Z']] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {
            let content = [whole, b"Z".as_slice()].concat();
            read_time(Element { content: &content, ..element })
        }
        _ => Err(DerFault::Value),
    }
}
