//! Telling of certificates that are about to end, once for each of 30, 7 and 1 days.
//!
//! How far it was told is kept for each authority, in the same change as the entry that tells: after a crash it goes on behind the last one that
//! was told. A certificate whose whole life is shorter than the notice is left out, and so is a revoked one.

use jiff::{SignedDuration, Timestamp};

use super::holdings::Holdings;
use crate::access::Caller;
use crate::audit::{self, Action, Field};
use crate::base::clock::rfc3339;
use crate::base::id::CaId;
use crate::ca::OCSP_ROLE;
use crate::inventory::{EndingPlace, InventoryError, StoredCertificate};
use crate::storage::{Change, Class, Table};

/// How many days before the end it is told.
pub const NOTICE_DAYS: [u8; 3] = [30, 7, 1];
/// How many certificates are looked at before other work has its turn.
const AT_ONCE: usize = 500;
const HOURS_OF_A_DAY: i64 = 24;

/// Tells of certificates that are about to end.
#[derive(Clone)]
pub struct ExpiryNotices {
    holdings: Holdings,
}

impl ExpiryNotices {
    pub fn new(holdings: Holdings) -> Self {
        Self { holdings }
    }

    /// Tells of all that have come near enough since the last time, and says how many those were.
    pub async fn tell(&self) -> Result<usize, InventoryError> {
        let mut told = 0;
        let ours = self.holdings.authorities.of_all_organizations().into_iter().map(|authority| authority.id);
        for ca in ours.chain(self.holdings.certificates.elsewhere()?) {
            for days in NOTICE_DAYS {
                told += self.tell_of(ca, days).await?;
            }
        }
        Ok(told)
    }

    async fn tell_of(&self, ca: CaId, days: u8) -> Result<usize, InventoryError> {
        let now = self.holdings.clock.now();
        let notice = SignedDuration::from_hours(HOURS_OF_A_DAY * i64::from(days));
        let until = now.saturating_add(notice).unwrap_or(Timestamp::MAX);
        let key = [ca.as_bytes().as_slice(), &[days]].concat();
        let kept = self.holdings.storage.get(Table::ExpiryNotices, &key)?;
        let mut place = match kept.as_deref() {
            None => EndingPlace::before(now),
            Some(bytes) => EndingPlace::from_bytes(bytes).ok_or(InventoryError::Record)?,
        };
        let mut told = 0;
        loop {
            let found = self.holdings.certificates.ending(ca, &place, until, AT_ONCE)?;
            let Some(last) = found.last() else { return Ok(told) };
            let (last, is_all) = (EndingPlace::of(last), found.len() < AT_ONCE);
            for certificate in found {
                if self.is_worth_telling(&certificate, now, notice)? {
                    self.commit(&key, &certificate, days, now).await?;
                    told += 1;
                }
            }
            let change = Change::new(Class::Essential).put(Table::ExpiryNotices, &key, last.as_bytes());
            self.holdings.storage.commit(change).await.map_err(InventoryError::Commit)?;
            place = last;
            if is_all {
                return Ok(told);
            }
        }
    }

    fn is_worth_telling(&self, certificate: &StoredCertificate, now: Timestamp, notice: SignedDuration) -> Result<bool, InventoryError> {
        // Responders are replaced long before; nobody has to do anything.
        if certificate.role == OCSP_ROLE {
            return Ok(false);
        }
        let lives_longer = certificate.not_after.duration_since(certificate.not_before) > notice;
        Ok(lives_longer
            && certificate.not_after > now
            && self.holdings.certificates.revocation(certificate.ca, &certificate.serial)?.is_none())
    }

    async fn commit(&self, key: &[u8], certificate: &StoredCertificate, days: u8, now: Timestamp) -> Result<(), InventoryError> {
        let mut entry = Caller::system()
            .origin()
            .entry(Action::CertificateExpire, now)
            .of(certificate.organization)
            .object(certificate.id)
            .detail(Field::CommonName, &certificate.common_name)
            .detail(Field::SerialNumber, certificate.serial)
            .detail(Field::NotAfter, rfc3339(certificate.not_after))
            .detail(Field::Days, days);
        if let Some(ca) = certificate.authority() {
            entry = entry.detail(Field::CaId, ca);
        }
        let change = Change::new(Class::Essential).put(Table::ExpiryNotices, key, EndingPlace::of(certificate).as_bytes());
        self.holdings.ledger.commit(audit::Change::new(change, entry)).await.map_err(InventoryError::Commit)?;
        Ok(())
    }
}
