//! Answering: from the cache where the store still says the same, with a new signature otherwise.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::Timestamp;

use super::cache::{Cache, Kept};
use super::rotation::{Makings, Signer};
use super::status::status;
use super::turns::{Audience, Turns};
use super::{OcspError, OcspSetting, ResponderKeys};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::id::CaId;
use crate::ca::{Authority, Issuer};
use crate::inventory::Certificates;
use crate::token::TokenError;
use crate::x509::ocsp::{self, CertificateId, OcspRequest, OcspResponse, Refusal, ResponseDraft, SingleStatus, Status};
use crate::x509::serial::Serial;

/// Memory for signed answers: those about 40,000 certificates.
const MOST_CACHED: usize = 64 << 20;
/// How long an answer waits for its turn and for the token together; clients that wait longer have given up.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);
/// How often an answer is signed that is overtaken by what it tells of. Nobody revokes and lifts the same certificate so quickly.
const TRIES: usize = 2;

/// How long answers and responders are good for.
#[derive(Clone, Copy, Debug)]
pub struct OcspSchedule {
    /// After this an answer that is asked for is made anew, and caches ask again.
    pub period: Span,
    /// From thisUpdate to nextUpdate.
    pub validity: Span,
    /// The life of a responder's certificate.
    pub responder_validity: Span,
}

/// What an answer says, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Good,
    Revoked,
    Unknown,
    /// Of several certificates at once.
    Several,
    Refused(Refusal),
}

/// An answer that may be given.
#[derive(Clone, Debug)]
pub struct OcspAnswer {
    pub der: Bytes,
    pub said: Said,
    /// Whether it was signed before it was asked for.
    pub is_cached: bool,
    /// None for what nobody may keep: answers with a nonce, and refusals.
    pub caching: Option<Caching>,
}

/// How long others may keep an answer (RFC 5019, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caching {
    pub produced_at: Timestamp,
    pub fresh_until: Timestamp,
    pub next_update: Timestamp,
    pub etag: [u8; 16],
}

/// The responders of all authorities.
pub struct OcspResponder {
    pub(super) issuer: Issuer,
    pub(super) certificates: Certificates,
    pub(super) keys: ResponderKeys,
    pub(super) signers: RwLock<HashMap<CaId, Arc<Signer>>>,
    pub(super) makings: Makings,
    pub(super) cache: Cache,
    schedule: RwLock<OcspSchedule>,
    turns: Turns,
}

/// A signature that was made, around what was asked.
struct Signed {
    der: Bytes,
    caching: Caching,
    /// What it says of each.
    statuses: Vec<Status>,
}

/// A certificate that is asked about.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// The CertID.
    id: &'a [u8],
    /// None for one of another issuer, of which this responder knows nothing (RFC 6960, 2.2).
    serial: Option<Serial>,
}

impl OcspResponder {
    /// Takes up the responders there are.
    pub fn load(issuer: Issuer, certificates: Certificates, keys: ResponderKeys, schedule: OcspSchedule) -> Result<Self, OcspError> {
        let signers = Signer::load(&keys, &certificates)?;
        Ok(Self {
            issuer,
            certificates,
            keys,
            signers: RwLock::new(signers),
            makings: Makings::default(),
            cache: Cache::new(MOST_CACHED),
            schedule: RwLock::new(schedule),
            turns: Turns::new(),
        })
    }

    /// Makes the answers to come by another schedule.
    pub fn set_schedule(&self, schedule: OcspSchedule) {
        *self.schedule.write().unwrap_or_else(PoisonError::into_inner) = schedule;
    }

    pub(super) fn schedule(&self) -> OcspSchedule {
        *self.schedule.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        from_seconds(self.issuer.clock.now().as_second())
    }

    /// Answers a request to the responder of that authority, from that address where it is known.
    pub async fn answer(self: &Arc<Self>, ca: CaId, request: &[u8], from: Option<IpAddr>) -> OcspAnswer {
        self.try_answer(ca, request, from).await.unwrap_or_else(OcspAnswer::refused)
    }

    async fn try_answer(self: &Arc<Self>, ca: CaId, request: &[u8], from: Option<IpAddr>) -> Result<OcspAnswer, Refusal> {
        let request = OcspRequest::from_der(request).map_err(|_| Refusal::MalformedRequest)?;
        // RFC 5019, 2.2.3: unauthorized is said where nothing authoritative can be: of an authority that is not here, has no OCSP or has
        // expired, so that nothing it has issued can be valid.
        let now = self.now();
        let authority = self.issuer.authorities.of_any_organization(ca).filter(|authority| now < authority.not_after);
        let authority = authority.filter(|authority| authority.ocsp != OcspSetting::Off).ok_or(Refusal::Unauthorized)?;
        match request.ids.as_slice() {
            [id] if request.is_plain => self.plain(&authority, id, now, from).await,
            ids => self.several(&authority, ids, request.nonce, from).await,
        }
    }

    /// One certificate, no nonce: an answer that is the same for everybody.
    async fn plain(
        self: &Arc<Self>,
        authority: &Arc<Authority>,
        id: &CertificateId<'_>,
        now: Timestamp,
        from: Option<IpAddr>,
    ) -> Result<OcspAnswer, Refusal> {
        let kept = self.cache.get(authority.id, id.der);
        let Some(serial) = id.serial else { return self.several(authority, &[*id], None, from).await };
        // What is in the cache was found to be ours when it was signed.
        if kept.is_none() && !id.is_of(issuer(authority)) {
            return Err(Refusal::Unauthorized);
        }
        let status = status(&self.certificates, authority, &serial).map_err(internal)?;
        // A change in the store ends an answer that says otherwise, at once.
        let kept = kept.filter(|kept| kept.status == status && now < kept.caching.next_update);
        if let Some(kept) = &kept
            && self.is_fresh_enough(&kept.caching, now)
        {
            return Ok(OcspAnswer::cached(kept));
        }
        // There is no end of what was never issued.
        let audience = if status == Status::Unknown { Audience::OneAsker(from) } else { Audience::Everybody };
        match self.renewed(authority, serial, id.der, audience).await {
            Ok(made) => Ok(OcspAnswer { is_cached: false, ..OcspAnswer::cached(&made) }),
            // The token is away: what was signed is valid all the same.
            Err(error) => match kept {
                Some(kept) => Ok(OcspAnswer::cached(&kept)),
                None => Err(refusal(&error)),
            },
        }
    }

    /// Signs an answer that is the same for everybody, and keeps it where somebody else may ask for it.
    pub(super) async fn renewed(
        self: &Arc<Self>,
        authority: &Arc<Authority>,
        serial: Serial,
        id: &[u8],
        audience: Audience,
    ) -> Result<Arc<Kept>, OcspError> {
        let Signed { der, caching, statuses } = self.sign(authority, &[Asked { id, serial: Some(serial) }], None, audience).await?;
        let status = statuses.first().copied().ok_or(OcspError::Encoding)?;
        let asked = AtomicBool::new(false);
        let kept = Arc::new(Kept { ca: authority.id, serial, id: id.into(), status, der, caching, asked });
        if status != Status::Unknown {
            self.cache.put(kept.clone());
        }
        Ok(kept)
    }

    /// Several certificates, or an answer for one asker. Of a certificate of another issuer this responder knows nothing (RFC 6960, 2.2); when
    /// all are, it is not the one to ask.
    async fn several(
        self: &Arc<Self>,
        authority: &Arc<Authority>,
        ids: &[CertificateId<'_>],
        nonce: Option<&[u8]>,
        from: Option<IpAddr>,
    ) -> Result<OcspAnswer, Refusal> {
        let issuer = issuer(authority);
        if !ids.iter().any(|id| id.is_of(issuer)) {
            return Err(Refusal::Unauthorized);
        }
        let asked: Vec<_> = ids.iter().map(|id| Asked { id: id.der, serial: id.serial.filter(|_| id.is_of(issuer)) }).collect();
        let signed = self.sign(authority, &asked, nonce, Audience::OneAsker(from)).await;
        let Signed { der, caching, statuses } = signed.map_err(|error| refusal(&error))?;
        let said = match statuses.as_slice() {
            [only] => Said::of(*only),
            _ => Said::Several,
        };
        Ok(OcspAnswer { der, said, is_cached: false, caching: nonce.is_none().then_some(caching) })
    }

    async fn sign(
        self: &Arc<Self>,
        authority: &Arc<Authority>,
        asked: &[Asked<'_>],
        nonce: Option<&[u8]>,
        audience: Audience,
    ) -> Result<Signed, OcspError> {
        let signing = self.sign_in_turn(authority, asked, nonce, audience);
        tokio::time::timeout(ANSWERED_WITHIN, signing).await.unwrap_or(Err(OcspError::TooSlow))
    }

    /// What is said is read when the turn has come, and again when it is signed: both take their time, and a revocation that was durable before an
    /// answer leaves is not denied by it.
    async fn sign_in_turn(
        self: &Arc<Self>,
        authority: &Arc<Authority>,
        asked: &[Asked<'_>],
        nonce: Option<&[u8]>,
        audience: Audience,
    ) -> Result<Signed, OcspError> {
        let _turn = self.turns.take(audience).await?;
        for _ in 0..TRIES {
            let statuses = self.statuses(authority, asked)?;
            let singles: Vec<_> =
                asked.iter().zip(&statuses).map(|(asked, status)| SingleStatus { id: asked.id, status: *status }).collect();
            let (der, caching) = self.sign_now(authority, &singles, nonce).await?;
            if self.statuses(authority, asked)? == statuses {
                return Ok(Signed { der, caching, statuses });
            }
        }
        Err(OcspError::Changing)
    }

    fn statuses(&self, authority: &Arc<Authority>, asked: &[Asked<'_>]) -> Result<Vec<Status>, OcspError> {
        // It may have been revoked since it was looked up.
        let now = self.issuer.authorities.of_any_organization(authority.id);
        let authority = now.as_ref().unwrap_or(authority);
        let of_each = asked.iter().map(|asked| match asked.serial {
            Some(serial) => Ok(status(&self.certificates, authority, &serial)?),
            None => Ok(Status::Unknown),
        });
        of_each.collect()
    }

    async fn sign_now(
        self: &Arc<Self>,
        authority: &Arc<Authority>,
        singles: &[SingleStatus<'_>],
        nonce: Option<&[u8]>,
    ) -> Result<(Bytes, Caching), OcspError> {
        let signer = self.signer(authority).await?;
        let (now, schedule) = (self.now(), self.schedule());
        let after = |span: Span| from_seconds(now.as_second() + i64::try_from(span.as_seconds()).unwrap_or(i64::MAX / 2));
        // Nobody may rely on an answer longer than on who signed it.
        let next_update = after(schedule.validity).min(signer.certificate.not_after()).min(authority.not_after);
        let draft = ResponseDraft { responder: &signer.key.public, produced_at: now, this_update: now, next_update, singles, nonce };
        let tbs = draft.to_tbs().map_err(|_| OcspError::Encoding)?;
        // The token's signature was verified with the responder's public key before it comes back.
        let signature = match self.issuer.token.sign(&signer.key, signer.algorithm(), tbs.clone()).await {
            Err(error @ (TokenError::KeyMissing(_) | TokenError::KeyMismatch(_))) => {
                self.give_up(&signer);
                return Err(error.into());
            }
            signed => signed?,
        };
        let der = ResponseDraft::assemble(&tbs, signer.algorithm(), &signature, Some(signer.certificate.der()));
        // What is given away reads back as what was meant.
        let read = OcspResponse::from_der(&der).map_err(|_| OcspError::Encoding)?;
        if !read.statuses().map(|(id, status)| (id.der, status)).eq(singles.iter().map(|single| (single.id, single.status))) {
            return Err(OcspError::Encoding);
        }
        let mut etag = [0; 16];
        etag.iter_mut().zip(digest::digest(&digest::SHA256, &der).as_ref()).for_each(|(to, from)| *to = *from);
        let fresh_until = after(schedule.period).min(next_update);
        Ok((der.into(), Caching { produced_at: now, fresh_until, next_update, etag }))
    }

    /// Fresh; or with half of its life to go, and then made anew behind its asker's back.
    fn is_fresh_enough(&self, caching: &Caching, now: Timestamp) -> bool {
        let left = caching.next_update.as_second() - now.as_second();
        let life = caching.next_update.as_second() - caching.produced_at.as_second();
        // An answer from a time that has not come was made while the clock was wrong.
        now >= caching.produced_at && (now < caching.fresh_until || left >= life / 2)
    }
}

impl OcspAnswer {
    fn refused(refusal: Refusal) -> Self {
        Self { der: Bytes::copy_from_slice(&refusal.to_der()), said: Said::Refused(refusal), is_cached: false, caching: None }
    }

    fn cached(kept: &Kept) -> Self {
        Self { der: kept.der.clone(), said: Said::of(kept.status), is_cached: true, caching: Some(kept.caching) }
    }
}

impl Said {
    fn of(status: Status) -> Self {
        match status {
            Status::Good => Self::Good,
            Status::Revoked { .. } => Self::Revoked,
            Status::Unknown => Self::Unknown,
        }
    }

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::Several => "several",
            Self::Refused(refusal) => refusal.name(),
        }
    }
}

fn issuer(authority: &Authority) -> ocsp::Issuer<'_> {
    ocsp::Issuer { name: authority.subject.der(), key_bits: authority.key.public.bits() }
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the status of a certificate cannot be told");
    Refusal::InternalError
}

/// What is said to the asker where there is no answer.
fn refusal(error: &OcspError) -> Refusal {
    match error {
        OcspError::NotStanding(_) => Refusal::Unauthorized,
        OcspError::Busy | OcspError::TooSlow | OcspError::NotMadeYet | OcspError::Changing => Refusal::TryLater,
        OcspError::Token(_) | OcspError::Commit(_) | OcspError::Issue(_) => {
            tracing::warn!(%error, "an OCSP answer was not signed");
            Refusal::TryLater
        }
        OcspError::Record | OcspError::Encoding | OcspError::Inventory(_) | OcspError::Read(_) => internal(error),
    }
}
