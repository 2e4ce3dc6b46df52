//! OCSP responders of authorities elsewhere, asked where a certificate says.
//!
//! Guarantees: an answer counts when it is about this certificate, in its time, and signed by the issuer or by a responder that the issuer has
//! named for it; a nonce that comes back is ours. Only what a trusted issuer has signed says whom to ask. An answer is kept until its next
//! update, for a bounded number of certificates.
//!
//! Never does: take silence, `unknown` or an error for a good status.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::join_all;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::asking::Places;
use super::validation::UnknownInPath;
use crate::base::clock::Clock;
use crate::base::id::OrgId;
use crate::outbound::{Outbound, OutboundError, Request, Url, UrlFault};
use crate::x509::certificate::Certificate;
use crate::x509::ocsp::{self, IdHash, OcspRequest, OcspResponse, ResponseFault, Status, Untrusted};

/// The longest response that is taken.
const LONGEST_RESPONSE: usize = 64 << 10;
/// How many answers are kept.
const MOST_KEPT: usize = 4_096;
/// How many URLs of one certificate are tried.
const URLS_TRIED: usize = 2;
/// How many are asked at once.
const AT_ONCE: usize = 8;
/// How long one may take, from the wait for a place to the last byte.
const WITHIN: Duration = Duration::from_secs(10);
/// RFC 9654, 2.1: 32 octets are what clients should send.
const NONCE_OCTETS: usize = 32;

/// What a responder that is believed says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The certificate, by its fingerprint.
    pub certificate: [u8; 32],
    /// When it was revoked; None when it is good.
    pub revoked_at: Option<Timestamp>,
}

/// Why a responder says nothing of a certificate.
#[derive(Debug, thiserror::Error)]
pub enum OcspDoubt {
    #[error("its OCSP responder is named by what is no URL to ask at: {0}")]
    Url(#[from] UrlFault),
    #[error("its OCSP responder cannot be asked: {}", .0.told())]
    Fetch(#[from] OutboundError),
    #[error("its OCSP responder was not asked: too many others are being asked")]
    Busy,
    #[error("its OCSP responder cannot be asked: the server answered {0}")]
    Status(u16),
    #[error(transparent)]
    Form(#[from] ResponseFault),
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    #[error("its OCSP responder does not know it")]
    Unknown,
    #[error("its issuer's key is of a kind that is not known here")]
    Key,
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Asks, and keeps what was answered.
pub struct ForeignOcsp {
    outbound: Outbound,
    clock: Clock,
    kept: Mutex<BTreeMap<[u8; 32], (Stated, Timestamp)>>,
    places: Places,
}

impl ForeignOcsp {
    pub fn new(outbound: Outbound, clock: Clock) -> Self {
        Self { outbound, clock, kept: Mutex::default(), places: Places::new(AT_ONCE) }
    }

    /// What the responders of these certificates say, or why they say nothing, by their places in the path. Those that name none are left out.
    pub async fn of(&self, organization: OrgId, unknown: &[UnknownInPath]) -> Vec<(usize, Result<Stated, OcspDoubt>)> {
        let asked = unknown.iter().filter_map(|one| Some((one.place, &one.certificate, one.issuer.as_ref()?)));
        let asked = asked.filter(|(_, certificate, _)| certificate.ocsp_urls().iter().any(|url| is_http(url)));
        join_all(asked.map(|(place, certificate, issuer)| async move { (place, self.of_one(organization, certificate, issuer).await) }))
            .await
    }

    async fn of_one(&self, organization: OrgId, certificate: &Certificate, issuer: &Certificate) -> Result<Stated, OcspDoubt> {
        let (fingerprint, now) = (certificate.sha256(), self.clock.now());
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&fingerprint).copied();
        if let Some((stated, _)) = kept.filter(|(_, until)| *until > now) {
            return Ok(stated);
        }
        let mut outcome = Err(OcspDoubt::Unknown);
        for url in certificate.ocsp_urls().iter().filter(|url| is_http(url)).take(URLS_TRIED) {
            outcome = self.ask(organization, url, certificate, issuer).await;
            if outcome.is_ok() {
                break;
            }
        }
        let (stated, until) = outcome?;
        self.keep(stated, until, now);
        Ok(stated)
    }

    /// Asks one responder: with a nonce by POST, and where that is refused as simply as there is, by GET (RFC 5019, 5).
    async fn ask(
        &self,
        organization: OrgId,
        url: &str,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> Result<(Stated, Timestamp), OcspDoubt> {
        let mut nonce = [0; NONCE_OCTETS];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| OcspDoubt::NoRandomness)?;
        match self.ask_with((organization, url), certificate, issuer, Some(&nonce)).await {
            Err(OcspDoubt::Status(400..=599) | OcspDoubt::Form(ResponseFault::Refused(_))) => {
                self.ask_with((organization, url), certificate, issuer, None).await
            }
            outcome => outcome,
        }
    }

    async fn ask_with(
        &self,
        (organization, url): (OrgId, &str),
        certificate: &Certificate,
        issuer: &Certificate,
        nonce: Option<&[u8]>,
    ) -> Result<(Stated, Timestamp), OcspDoubt> {
        let key = issuer.public_key().map_err(|_| OcspDoubt::Key)?;
        let of = ocsp::Issuer { name: issuer.subject().der(), key_bits: key.bits() };
        let asked = OcspRequest::write(IdHash::Sha1, of, certificate.serial(), nonce);
        let body = match nonce {
            Some(_) => self.send(organization, Method::POST, &url.parse()?, asked.clone().into()).await?,
            None => self.send(organization, Method::GET, &in_path(url, &asked).parse()?, Bytes::new()).await?,
        };
        let response = OcspResponse::from_der(&body)?;
        let request = OcspRequest::from_der(&asked).map_err(|_| OcspDoubt::Unknown)?;
        let id = request.ids.first().ok_or(OcspDoubt::Unknown)?;
        let (status, until) = response.status(id, issuer, nonce, self.clock.now())?;
        let revoked_at = match status {
            Status::Good => None,
            Status::Revoked { at, .. } => Some(at),
            Status::Unknown => return Err(OcspDoubt::Unknown),
        };
        Ok((Stated { certificate: certificate.sha256(), revoked_at }, until))
    }

    async fn send(&self, organization: OrgId, method: Method, url: &Url, body: Bytes) -> Result<Bytes, OcspDoubt> {
        let headers: Vec<(HeaderName, HeaderValue)> = match body.is_empty() {
            true => Vec::new(),
            false => vec![(CONTENT_TYPE, HeaderValue::from_static("application/ocsp-request"))],
        };
        let asked_at = Instant::now();
        let place = tokio::time::timeout(WITHIN, self.places.take(organization)).await.map_err(|_| OcspDoubt::Busy)?;
        let _place = place.ok_or(OcspDoubt::Busy)?;
        let within = WITHIN.saturating_sub(asked_at.elapsed());
        let request = Request { method, url, headers, body, roots: None, longest_answer: Some(LONGEST_RESPONSE), within };
        let answer = self.outbound.send(request).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(OcspDoubt::Status(answer.status)) }
    }

    fn keep(&self, stated: Stated, until: Timestamp, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, (_, until)| *until > now);
        }
        if kept.len() >= MOST_KEPT {
            kept.pop_first();
        }
        kept.insert(stated.certificate, (stated, until));
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// RFC 6960, A.1: the request in base64, with what a URL may not hold escaped.
fn in_path(url: &str, request: &[u8]) -> String {
    let text = STANDARD.encode(request).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("{}/{text}", url.trim_end_matches('/'))
}
