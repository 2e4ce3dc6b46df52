//! CRLs of authorities elsewhere: fetched from where their certificates say, or handed over, and believed when they are whole.
//!
//! Guarantees: a CRL counts when it is signed by the issuer of the certificate in question, covers that certificate, and is in its time. What is fetched is bounded and kept until its next update. Only what a trusted issuer has signed says where to fetch from.
//!
//! Never does: take silence for a good status.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::Method;
use jiff::Timestamp;

use super::asking::Places;
use super::validation::UnknownInPath;
use crate::base::clock::Clock;
use crate::base::id::OrgId;
use crate::outbound::{Outbound, OutboundError, Request, Url, UrlFault};
use crate::x509::certificate::Certificate;
use crate::x509::crl::{Crl, CrlFault, OutOfScope};
use crate::x509::extension::KeyUsage;
use crate::x509::name::DistinguishedName;
use crate::x509::pem::{self, Label};

/// The longest CRL that is fetched.
const LONGEST_CRL: usize = 20 << 20;
/// How many bytes of CRLs are kept.
const MOST_KEPT: usize = 64 << 20;
/// How many URLs of one certificate are tried.
const URLS_TRIED: usize = 2;
/// How many bytes are fetched for one question.
const MOST_OF_QUESTION: usize = 40 << 20;
/// How many are fetched at once; with the longest CRL that is how many bytes are on their way.
const AT_ONCE: usize = 8;
/// How long one may take, from the wait for a place to the last byte.
const WITHIN: Duration = Duration::from_secs(15);

/// Why a CRL says nothing of a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CrlDoubt {
    #[error("no CRL was given, and the certificate names none that could be fetched")]
    NoSource,
    #[error("its CRL is named by what is no URL to fetch from: {0}")]
    Url(#[from] UrlFault),
    #[error("its CRL cannot be fetched: {}", .0.told())]
    Fetch(#[from] OutboundError),
    #[error("its CRL was not fetched: too many others are being fetched")]
    Busy,
    #[error("its CRL was not fetched: the CRLs of the other certificates of the path are long already")]
    TooMuch,
    #[error("its CRL cannot be fetched: the server answered {0}")]
    Status(u16),
    #[error(transparent)]
    Form(#[from] CrlFault),
    #[error(transparent)]
    Scope(#[from] OutOfScope),
    #[error("the CRL is another issuer's")]
    OtherIssuer,
    #[error("the issuer's key is not for CRLs (RFC 5280, 4.2.1.3)")]
    NotForCrls,
    #[error("the signature of the CRL is not its issuer's")]
    BadSignature,
    #[error("the CRL is out of date, or does not say when the next one comes")]
    OutOfDate,
    #[error("the CRL could not be read")]
    Cut,
}

/// A CRL in its time, signed by the issuer of the certificate, for certificates like it (RFC 5280, 6.3.3). Whoever has had several keys may
/// have signed it with any of those that the path vouches for: `signers` are its certificates.
fn believed<'a>(der: &'a [u8], certificate: &Certificate, signers: &[&Certificate], now: Timestamp) -> Result<Crl<'a>, CrlDoubt> {
    let crl = Crl::from_der(der)?;
    let name = DistinguishedName::from_der(crl.issuer_der()).map_err(|_| CrlDoubt::OtherIssuer)?;
    if name.comparable() != certificate.issuer().comparable() {
        return Err(CrlDoubt::OtherIssuer);
    }
    crl.covers(certificate)?;
    if crl.this_update() > now || crl.next_update().is_none_or(|next| next <= now) {
        return Err(CrlDoubt::OutOfDate);
    }
    let may_sign = |signer: &&&Certificate| signer.key_usage().is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN));
    let mut signers = signers.iter().filter(may_sign).peekable();
    if signers.peek().is_none() {
        return Err(CrlDoubt::NotForCrls);
    }
    if !signers.any(|signer| signer.public_key().is_ok_and(|key| crl.is_signed_by(&key))) {
        return Err(CrlDoubt::BadSignature);
    }
    Ok(crl)
}

/// What CRLs say of a certificate.
#[derive(Debug)]
pub enum Listing {
    /// Covered by one that is believed, and on none.
    Unlisted,
    Revoked(Timestamp),
    /// Covered by none; and why the last one that was this issuer's says nothing.
    Unknown(Option<CrlDoubt>),
}

/// Who may have signed a CRL of the issuer of the certificate in this place of a path: the next of the path and, where that one was issued by
/// the same name with another key, the one after it.
pub fn signers<'a>(path: &[&'a Certificate], place: usize) -> Vec<&'a Certificate> {
    let Some((certificate, above)) = path.get(place..).and_then(<[_]>::split_first) else { return Vec::new() };
    let name = certificate.issuer().comparable();
    above.iter().copied().take_while(|signer| signer.subject().comparable() == name).collect()
}

/// Looks a certificate up in all CRLs that are its issuer's, in any order.
pub fn listing(certificate: &Certificate, signers: &[&Certificate], crls: &[Bytes], now: Timestamp) -> Listing {
    let mut listing = Listing::Unknown(None);
    for der in crls {
        match (believed(der, certificate, signers, now), &listing) {
            (Ok(crl), _) => match crl.entries().find(|entry| entry.serial == *certificate.serial()) {
                Some(entry) => return Listing::Revoked(entry.revoked_at),
                None => listing = Listing::Unlisted,
            },
            // One for another certificate of the path is no fault.
            (Err(CrlDoubt::OtherIssuer), _) | (Err(_), Listing::Unlisted | Listing::Revoked(_)) => {}
            // Whose an unreadable one is cannot be said.
            (Err(CrlDoubt::Form(_)), Listing::Unknown(Some(_))) => {}
            (Err(doubt), Listing::Unknown(_)) => listing = Listing::Unknown(Some(doubt)),
        }
    }
    listing
}

/// Those that were fetched.
pub struct ForeignCrls {
    outbound: Outbound,
    clock: Clock,
    kept: Mutex<BTreeMap<(String, [u8; 32]), Kept>>,
    places: Places,
}

#[derive(Clone)]
struct Kept {
    der: Bytes,
    until: Timestamp,
}

impl ForeignCrls {
    pub fn new(outbound: Outbound, clock: Clock) -> Self {
        Self { outbound, clock, kept: Mutex::default(), places: Places::new(AT_ONCE) }
    }

    /// What the CRLs of these certificates are, or why there is none, by their places in the path.
    pub async fn of(&self, organization: OrgId, unknown: &[UnknownInPath]) -> Vec<(usize, Result<Bytes, CrlDoubt>)> {
        let fetched = AtomicUsize::new(0);
        let asked = unknown.iter().map(|one| async { (one.place, self.of_one(organization, one, &fetched).await) });
        join_all(asked).await
    }

    async fn of_one(&self, organization: OrgId, unknown: &UnknownInPath, fetched: &AtomicUsize) -> Result<Bytes, CrlDoubt> {
        let mut outcome = Err(CrlDoubt::NoSource);
        if unknown.signers.is_empty() {
            return outcome;
        }
        // ldap and others are nothing we speak.
        for url in unknown.urls.iter().filter(|url| url.starts_with("http")).take(URLS_TRIED) {
            outcome = self.from(organization, url, unknown).await;
            if let Ok(der) = &outcome
                && fetched.fetch_add(der.len(), Ordering::Relaxed).saturating_add(der.len()) > MOST_OF_QUESTION
            {
                return Err(CrlDoubt::TooMuch);
            }
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn from(&self, organization: OrgId, url: &str, unknown: &UnknownInPath) -> Result<Bytes, CrlDoubt> {
        let UnknownInPath { certificate, signers, .. } = unknown;
        let Some(issuer) = signers.first() else { return Err(CrlDoubt::NoSource) };
        let key = (url.to_owned(), issuer.sha256());
        let now = self.clock.now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key).filter(|kept| kept.until > now).cloned();
        if let Some(kept) = kept {
            return Ok(kept.der);
        }
        let url: Url = url.parse()?;
        let asked_at = Instant::now();
        let place = tokio::time::timeout(WITHIN, self.places.take(organization)).await.map_err(|_| CrlDoubt::Busy)?;
        let place = place.ok_or(CrlDoubt::Cut)?;
        let request = Request {
            method: Method::GET,
            url: &url,
            headers: Vec::new(),
            body: Bytes::new(),
            roots: None,
            longest_answer: Some(LONGEST_CRL),
            within: WITHIN.saturating_sub(asked_at.elapsed()),
        };
        let answer = self.outbound.send(request).await?;
        if answer.status != 200 {
            return Err(CrlDoubt::Status(answer.status));
        }
        let (body, certificate, signers) = (answer.body, certificate.clone(), signers.clone());
        // Megabytes to read and to hash.
        let read = move || {
            // Held until what was fetched is read: its bytes count until then.
            let _place = place;
            let (der, signers) = (der_of(body), signers.iter().collect::<Vec<_>>());
            let until = believed(&der, &certificate, &signers, now)?.next_update().unwrap_or(now);
            Ok::<_, CrlDoubt>(Kept { der, until })
        };
        let found = tokio::task::spawn_blocking(read).await.map_err(|_| CrlDoubt::Cut)??;
        self.keep(key, found.clone(), now);
        Ok(found.der)
    }

    fn keep(&self, key: (String, [u8; 32]), found: Kept, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, known| known.until > now);
        kept.insert(key, found);
        // The one that would go first makes room.
        while kept.values().map(|known| known.der.len()).sum::<usize>() > MOST_KEPT {
            let first = kept.iter().min_by_key(|(_, known)| known.until).map(|(key, _)| key.clone());
            match first {
                Some(key) => drop(kept.remove(&key)),
                None => break,
            }
        }
    }
}

/// RFC 5280, 4.2.1.13, wants DER; some servers give PEM.
fn der_of(body: Bytes) -> Bytes {
    match std::str::from_utf8(&body).ok().filter(|text| text.trim_start().starts_with("-----BEGIN")) {
        Some(text) => pem::decode_one(text, Label::Crl).map_or_else(|_| body.clone(), Bytes::from),
        None => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::OcspDoubt;
    use crate::outbound::AddressFault;

    #[test]
    fn what_validation_tells_of_a_fetch_has_no_address_of_the_operators_network() {
        let fault = || OutboundError::Address(AddressFault::NotAllowed([10, 1, 2, 3].into()));
        for text in [CrlDoubt::Fetch(fault()).to_string(), OcspDoubt::Fetch(fault()).to_string()] {
            assert!(text.contains("refused") && !text.contains("10.1.2.3"), "{text}");
        }
    }
}
