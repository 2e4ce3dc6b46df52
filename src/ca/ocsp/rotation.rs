//! Making responders, and what becomes of them: a new one in time, the old key destroyed when its last answer has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::keys::{ResponderKey, ResponderState};
use super::turns::Audience;
use super::{OcspError, OcspResponder, ResponderKeys};
use crate::access::Caller;
use crate::audit::{self, Action, Field};
use crate::base::clock::{from_seconds, rfc3339};
use crate::base::id::{CaId, CertId};
use crate::ca::issue::Intention;
use crate::ca::prepare::{Prepared, ResponderContent};
use crate::ca::{Authority, IssueError};
use crate::inventory::{self, Certificates, KeyOrigin, StoredCertificate};
use crate::policy::BACKDATE;
use crate::storage::{Change, Class};
use crate::token::KeyRef;
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::certificate::Certificate;

/// What stands for a role in the inventory and the audit trail; no role can be called so.
pub const ROLE: &str = "[ocsp]";
/// How long nothing is tried after a failure: each try leaves its records in the journal, and strangers ask for it.
const PAUSE: Duration = Duration::from_secs(20);
/// The most answers that are made ahead in one round.
const MOST_AHEAD: usize = 5_000;

/// Who answers for an authority.
#[derive(Debug)]
pub struct Signer {
    pub ca: CaId,
    pub key: KeyRef,
    pub certificate: Certificate,
    /// When the certificate was issued, which is a little after it begins.
    made_at: Timestamp,
}

/// One making per authority at a time, and when the last one failed.
#[derive(Default)]
pub struct Makings(Mutex<HashMap<CaId, Arc<tokio::sync::Mutex<Option<Instant>>>>>);

impl Signer {
    /// Those whose keys are active. One whose certificate is gone or cannot be read signs nothing: that is no reason for all others not to start.
    /// The next round of [`OcspResponder::maintain`] destroys its key.
    pub fn load(keys: &ResponderKeys, certificates: &Certificates) -> Result<HashMap<CaId, Arc<Self>>, OcspError> {
        let mut signers = HashMap::new();
        for key in keys.recorded(None)? {
            let ResponderState::Active { certificate } = key.state else { continue };
            match Self::of(&key, certificates, certificate)? {
                Some(signer) => drop(signers.insert(key.ca, Arc::new(signer))),
                None => {
                    tracing::error!(ca = %key.ca, key = %key.id, %certificate, "the certificate of an OCSP responder is missing; another one is made");
                }
            }
        }
        Ok(signers)
    }

    fn of(key: &ResponderKey, certificates: &Certificates, certificate: CertId) -> Result<Option<Self>, OcspError> {
        let Some(stored) = certificates.of_any_organization(certificate)? else { return Ok(None) };
        let Ok(certificate) = Certificate::from_der(&stored.der) else { return Ok(None) };
        let Ok(public) = certificate.public_key() else { return Ok(None) };
        let ResponderKey { ca, id, token, state: _ } = key.clone();
        Ok(Some(Self { ca, key: KeyRef { token, id, public }, certificate, made_at: stored.created_at }))
    }

    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.key.public.key_type().default_algorithm()
    }
}

impl Makings {
    fn of(&self, ca: CaId) -> Arc<tokio::sync::Mutex<Option<Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(ca).or_default().clone()
    }
}

impl OcspResponder {
    /// Who answers for the authority now; made when there is nobody.
    pub(super) async fn signer(self: &Arc<Self>, authority: &Arc<Authority>) -> Result<Arc<Signer>, OcspError> {
        match self.active(authority.id) {
            Some(signer) => Ok(signer),
            None => self.make_once(authority.clone(), None).await,
        }
    }

    fn active(&self, ca: CaId) -> Option<Arc<Signer>> {
        let signers = self.signers.read().unwrap_or_else(PoisonError::into_inner);
        signers.get(&ca).filter(|signer| self.now() < signer.certificate.not_after()).cloned()
    }

    /// A signer whose key the token does not have: another is made for the next answer.
    pub(super) fn give_up(&self, signer: &Arc<Signer>) {
        let mut signers = self.signers.write().unwrap_or_else(PoisonError::into_inner);
        if signers.get(&signer.ca).is_some_and(|known| Arc::ptr_eq(known, signer)) {
            tracing::error!(ca = %signer.ca, key = %signer.key.id, "the token does not have the key of an OCSP responder; another one is made");
            signers.remove(&signer.ca);
        }
    }

    /// Makes a signer, unless another than `before` is there by the time it is its turn. To its end even when the asker goes away: a key in
    /// the token must not be left without its record.
    async fn make_once(self: &Arc<Self>, authority: Arc<Authority>, before: Option<Arc<Signer>>) -> Result<Arc<Signer>, OcspError> {
        // Before anything is waited for: an authority that has ended gets no responder.
        authority.may_tell(self.now())?;
        let responder = self.clone();
        let making = async move {
            let turn = responder.makings.of(authority.id);
            let mut failed = turn.lock().await;
            if let Some(signer) = responder.active(authority.id)
                && before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &signer))
            {
                return Ok(signer);
            }
            if failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
                return Err(OcspError::NotMadeYet);
            }
            let made = responder.make(&authority).await;
            *failed = made.is_err().then(Instant::now);
            made
        };
        tokio::spawn(making).await.unwrap_or(Err(OcspError::NotMadeYet))
    }

    async fn make(&self, authority: &Arc<Authority>) -> Result<Arc<Signer>, OcspError> {
        authority.may_tell(self.now())?;
        let key_type = key_type(authority.key.public.key_type());
        let (row, key) = self.keys.make(authority.id, authority.key.token.as_ref(), key_type).await?;
        match self.certify(authority, &row, &key).await {
            Ok(signer) => {
                let signer = Arc::new(signer);
                let not_after = rfc3339(signer.certificate.not_after());
                tracing::info!(ca = %authority.id, key = %key.id, not_after, "an OCSP responder was issued");
                self.signers.write().unwrap_or_else(PoisonError::into_inner).insert(authority.id, signer.clone());
                Ok(signer)
            }
            // It may be in the journal all the same; the next start knows.
            Err(OcspError::Commit(error)) if error.is_in_doubt() => Err(OcspError::Commit(error)),
            Err(error) => {
                self.keys.destroy(row).await;
                Err(error)
            }
        }
    }

    /// The certificate, the one way every certificate takes: intention, signature, verification, and one change that makes it known together
    /// with its key.
    async fn certify(&self, authority: &Arc<Authority>, row: &ResponderKey, key: &KeyRef) -> Result<Signer, OcspError> {
        let (now, caller) = (self.now(), Caller::system());
        let seconds = i64::try_from(self.schedule().responder_validity.as_seconds()).unwrap_or(i64::MAX / 2);
        let common_name = common_name(&authority.common_name);
        let content = ResponderContent {
            authority,
            public_key: &key.public,
            common_name: &common_name,
            not_before: from_seconds(now.as_second() - BACKDATE.as_seconds() as i64).max(authority.not_before),
            not_after: from_seconds(now.as_second() + seconds).min(authority.not_after),
        };
        let serial = self.issuer.serials.next().map_err(IssueError::Serial)?;
        let prepared = Prepared::responder(content, serial).map_err(IssueError::Prepare)?;
        let intention = Intention {
            organization: authority.organization,
            ca: authority.id,
            common_name: &common_name,
            role: ROLE,
            now,
            caller: &caller,
            details: &[],
            class: Class::Essential,
        };
        let certificate = self.issuer.sign(prepared, &authority.key, intention).await?;
        let stored = StoredCertificate {
            id: CertId::new(),
            organization: authority.organization,
            project: None,
            ca: authority.id,
            role: ROLE.to_owned(),
            request: None,
            key_origin: KeyOrigin::Authority,
            common_name,
            serial: *certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            created_at: now,
            der: certificate.der().to_vec(),
        };
        let entry = caller
            .origin()
            .entry(Action::CertificateIssue, now)
            .of(authority.organization)
            .object(stored.id)
            .detail(Field::SerialNumber, stored.serial)
            .detail(Field::CommonName, &stored.common_name)
            .detail(Field::CaId, authority.id)
            .detail(Field::Role, ROLE)
            .detail(Field::KeyId, key.id);
        // A revoked authority has a responder too: RFC 6960, 2.7, lets it say so of all that it has issued.
        let change = inventory::add(Change::new(Class::Essential), &stored)?;
        let change = self.keys.activate(change, row, stored.id, self.last_answer(authority.id, now))?;
        match self.issuer.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(Signer { ca: authority.id, key: key.clone(), certificate, made_at: now }),
            Err(error) => Err(OcspError::Commit(error)),
        }
    }

    /// When the last answer of the signer there is now will have ended.
    fn last_answer(&self, ca: CaId, now: Timestamp) -> Timestamp {
        let after = from_seconds(now.as_second() + i64::try_from(self.schedule().validity.as_seconds()).unwrap_or(i64::MAX / 2));
        self.active(ca).map_or(now, |signer| after.min(signer.certificate.not_after()))
    }

    /// The appliance's own work, every few seconds: new responders for old ones, keys that nobody needs destroyed, and answers that were asked
    /// for signed again before they are asked for the next time. `ahead` is how many seconds until the next round.
    pub async fn maintain(self: &Arc<Self>, ahead: i64) {
        if let Err(error) = self.rotate().await {
            tracing::error!(%error, "the OCSP responders cannot be looked after");
        }
        let now = self.now().as_second();
        self.cache.drop_ended(now);
        for kept in self.cache.due(now + ahead, MOST_AHEAD) {
            let Some(authority) = self.issuer.authorities.of_any_organization(kept.ca) else { continue };
            match self.renewed(&authority, kept.serial, &kept.id, Audience::Everybody).await {
                Ok(_) => {}
                // Of one authority: nobody signs for it any more.
                Err(error @ (OcspError::NotStanding(_) | OcspError::NotMadeYet | OcspError::Changing)) => {
                    tracing::debug!(ca = %kept.ca, %error, "an OCSP answer is not made ahead");
                }
                // Those that are still valid are given until the next round.
                Err(error) => {
                    tracing::warn!(ca = %kept.ca, %error, "OCSP answers are not made ahead");
                    break;
                }
            }
        }
    }

    async fn rotate(self: &Arc<Self>) -> Result<(), OcspError> {
        let now = self.now();
        for key in self.keys.recorded(None)? {
            match key.state {
                ResponderState::Intended => {}
                // A token that is away has it for longer.
                ResponderState::Retired { until } if until <= now && self.issuer.token.health().reachable => self.keys.destroy(key).await,
                ResponderState::Retired { .. } => {}
                ResponderState::Active { certificate } => self.look_after(key, certificate, now).await?,
            }
        }
        Ok(())
    }

    async fn look_after(self: &Arc<Self>, key: ResponderKey, certificate: CertId, now: Timestamp) -> Result<(), OcspError> {
        let authority = self.issuer.authorities.of_any_organization(key.ca).filter(|authority| now < authority.not_after);
        let signer = self.signers.read().unwrap_or_else(PoisonError::into_inner).get(&key.ca).cloned();
        match (authority, signer) {
            (Some(authority), Some(signer)) => {
                if self.is_due(&authority, &signer, now)?
                    && let Err(error) = self.make_once(authority, Some(signer)).await
                    && !matches!(error, OcspError::NotMadeYet)
                {
                    tracing::error!(ca = %key.ca, %error, "an OCSP responder that is due was not replaced");
                }
                Ok(())
            }
            (Some(_), None) => {
                // One whose key is missing is replaced by the next question. One without a certificate has signed what nobody can verify.
                if Signer::of(&key, &self.certificates, certificate)?.is_none() {
                    self.keys.destroy(key).await;
                }
                Ok(())
            }
            (None, _) => {
                self.signers.write().unwrap_or_else(PoisonError::into_inner).remove(&key.ca);
                // All that it has signed has ended with it.
                self.keys.destroy(key).await;
                Ok(())
            }
        }
    }

    /// Two thirds of its life are over, or it was revoked. One that ends with its authority is the last.
    fn is_due(&self, authority: &Authority, signer: &Signer, now: Timestamp) -> Result<bool, OcspError> {
        let certificate = &signer.certificate;
        if self.certificates.revocation(authority.id, certificate.serial())?.is_some() {
            return Ok(true);
        }
        let (made, ends) = (signer.made_at.as_second(), certificate.not_after().as_second());
        Ok(certificate.not_after() < authority.not_after && now.as_second() >= made + (ends - made) / 3 * 2)
    }
}

/// The type of a responder's key: as its authority's, so that who verifies the one verifies the other. RSA with 2048 bits, which is enough for
/// a month and makes answers small.
fn key_type(authority: KeyType) -> KeyType {
    match authority {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => KeyType::Rsa2048,
        KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => authority,
    }
}

/// The authority's name, cut to what fits into a common name (RFC 5280, A.1: 64 characters).
fn common_name(authority: &str) -> String {
    const SUFFIX: &str = " OCSP responder";
    let name: String = authority.chars().take(64 - SUFFIX.len()).collect();
    format!("{}{SUFFIX}", name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_responder_s_name_fits() {
        assert_eq!(common_name("Example CA"), "Example CA OCSP responder");
        assert_eq!(common_name(&"ä".repeat(64)).chars().count(), 64);
    }
}
