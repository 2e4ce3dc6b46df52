//! What an authority's CRLs list, read from the store one by one: all that is revoked, or what has changed since.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Books, CrlError};
use crate::ca::Authority;
use crate::inventory::{CrlPart, LogEntry, Revocation, StoredCertificate, revocation_key};
use crate::storage::Table;
use crate::x509::crl::CrlEntry;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// A certificate that is on a CRL.
#[derive(Clone, Debug)]
pub struct Listed {
    pub entry: CrlEntry,
    pub part: CrlPart,
    /// Its end; after it one more full CRL lists it (RFC 5280, 3.3).
    pub not_after: Timestamp,
}

/// With more changes than these since the last full CRL a delta CRL is no help to anybody.
pub const MOST_CHANGES: usize = 100_000;

impl Books {
    /// Everything that is revoked by itself, and when the authority itself is revoked, all it has issued. Always in the same order.
    pub fn listed<'a>(&'a self, authority: &'a Authority) -> impl Iterator<Item = Result<Listed, CrlError>> + 'a {
        let prefix = authority.id.as_bytes();
        let own = self.storage.scan(Table::Revocations, prefix, None).map(move |item| {
            let (key, value) = item?;
            let serial = Serial::from_der_content(key.get(prefix.len()..).unwrap_or_default()).map_err(|_| CrlError::Record)?;
            Ok(listed(serial, &Revocation::decode(&value)?))
        });
        let from_above = authority.revocation().map(|revocation| {
            let keys = self.storage.scan_keys(Table::CertificatesByCa, prefix, None);
            keys.filter_map(move |key| self.of_revoked_authority(authority, revocation, key).transpose())
        });
        own.chain(from_above.into_iter().flatten())
    }

    fn of_revoked_authority(
        &self,
        authority: &Authority,
        revocation: &Revocation,
        key: Result<Vec<u8>, crate::storage::ReadError>,
    ) -> Result<Option<Listed>, CrlError> {
        let id = key?.last_chunk::<16>().copied().map(crate::base::id::CertId::from_bytes).ok_or(CrlError::Record)?;
        // One that is deleted in this moment is listed by the record that its deletion has left.
        let Some(stored) = self.certificates.of_any_organization(id)? else { return Ok(None) };
        let StoredCertificate { serial, not_after, created_at, .. } = stored;
        // What was revoked by itself is listed with its own reason.
        if self.storage.contains(Table::Revocations, &revocation_key(authority.id, &serial))? {
            return Ok(None);
        }
        let entry =
            CrlEntry { serial, revoked_at: revocation.revoked_at.max(created_at), reason: revocation.reason, invalidity_date: None };
        Ok(Some(Listed { entry, part: CrlPart::of(&self.storage, id)?, not_after }))
    }

    /// What has changed behind a change of the store, as it is now: revoked, or not any more. None when that is too much, or the authority
    /// itself was revoked since: then there has to be a full CRL first.
    pub fn changed(&self, authority: &Authority, since: u64) -> Result<Option<Vec<Listed>>, CrlError> {
        let mut seen = HashSet::new();
        let mut changes = Vec::new();
        for item in LogEntry::since(&self.storage, authority.id, since) {
            let (_, LogEntry { serial, part, at, revocation: _, is_of_authority, blocked_key: _ }) = item?;
            if is_of_authority || changes.len() == MOST_CHANGES {
                return Ok(None);
            }
            if seen.insert(serial) {
                changes.push(self.as_it_is(authority, serial, part, at)?);
            }
        }
        Ok(Some(changes))
    }

    fn as_it_is(&self, authority: &Authority, serial: Serial, part: CrlPart, changed_at: Timestamp) -> Result<Listed, CrlError> {
        let own = self.storage.get(Table::Revocations, &revocation_key(authority.id, &serial))?;
        if let Some(own) = own {
            return Ok(listed(serial, &Revocation::decode(&own)?));
        }
        let (revoked_at, reason) = match authority.revocation() {
            Some(revocation) => (revocation.revoked_at, revocation.reason),
            // RFC 5280, 5.3.1: so also when the full CRL had no time to list it.
            None => (changed_at, RevocationReason::RemoveFromCrl),
        };
        Ok(Listed { entry: CrlEntry { serial, revoked_at, reason, invalidity_date: None }, part, not_after: Timestamp::MAX })
    }

    /// The serial numbers of what was revoked or lifted behind a change of the store.
    pub fn changed_since(&self, authority: &Authority, since: u64) -> Result<HashSet<Serial>, CrlError> {
        LogEntry::since(&self.storage, authority.id, since).map(|item| Ok(item?.1.serial)).collect()
    }
}

fn listed(serial: Serial, revocation: &Revocation) -> Listed {
    let entry = CrlEntry {
        serial,
        revoked_at: revocation.revoked_at,
        reason: revocation.reason,
        // Nothing that was ever accepted may keep the whole CRL from being made.
        invalidity_date: revocation.invalidity_date.filter(|time| *time >= Timestamp::UNIX_EPOCH),
    };
    Listed { entry, part: revocation.part, not_after: revocation.not_after }
}
