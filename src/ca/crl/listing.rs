//! What an authority's CRLs list, read from the store one by one: all that is revoked, or what has changed since.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{Books, CrlError};
use crate::base::id::CaId;
use crate::ca::Authority;
use crate::inventory::{CrlPart, LogEntry, Revocation, StoredCertificate, revocation_key};
use crate::storage::{Storage, Table};
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

/// A certificate that was revoked or lifted, as it is now.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The last change of the store that concerned it.
    pub sequence: u64,
    pub listed: Listed,
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

    /// What has changed behind a change of the store, as it is now: revoked, or not any more; in the order of the last changes. None when that is too
    /// much, or the authority itself was revoked since: then there has to be a full CRL first.
    pub fn changed(&self, authority: &Authority, since: u64) -> Result<Option<Vec<Changed>>, CrlError> {
        let Some(newest) = newest(&self.storage, authority.id, since)? else { return Ok(None) };
        let as_it_is = |(sequence, LogEntry { serial, part, at, .. }): (u64, LogEntry)| {
            Ok(Changed { sequence, listed: self.as_it_is(authority, serial, part, at)? })
        };
        newest.into_iter().map(as_it_is).collect::<Result<_, CrlError>>().map(Some)
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

/// The last line of each certificate behind a change, in their order. None when those are too many, or one tells of the authority itself.
fn newest(storage: &Storage, ca: CaId, since: u64) -> Result<Option<Vec<(u64, LogEntry)>>, CrlError> {
    let mut newest = HashMap::new();
    for line in LogEntry::since(storage, ca, since) {
        let (sequence, entry) = line?;
        if entry.is_of_authority || newest.len() == MOST_CHANGES && !newest.contains_key(&entry.serial) {
            return Ok(None);
        }
        newest.insert(entry.serial, (sequence, entry));
    }
    let mut newest: Vec<_> = newest.into_values().collect();
    newest.sort_by_key(|(sequence, _)| *sequence);
    Ok(Some(newest))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_seconds;
    use crate::storage::{Change, Class, Options};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_walk_over_the_log_serves_delta_crls_of_different_bases() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, _) = Storage::open(dir.path(), Options::default()).unwrap();
        let ca = CaId::new();
        let mut sequences = Vec::new();
        for (serial, part) in [(1, CrlPart::Shard(1)), (2, CrlPart::Shard(2)), (1, CrlPart::Shard(1)), (3, CrlPart::Whole)] {
            let serial = Serial::from_random([serial; 16]);
            let entry = LogEntry { serial, part, at: from_seconds(1), revocation: None, is_of_authority: false, blocked_key: None };
            storage.commit(entry.logged(Change::new(Class::Essential), ca).unwrap()).await.unwrap();
            sequences.push(storage.last_sequence());
        }
        let [_, second, third, fourth] = sequences.as_slice() else { panic!("four changes") };
        let found = |since| newest(&storage, ca, since).unwrap().unwrap().into_iter().map(|(at, entry)| (at, entry.serial));
        let serial = |number: u8| Serial::from_random([number; 16]);
        // The first certificate is told by every base before its last change, and stands where that does.
        assert!(found(0).eq([(*second, serial(2)), (*third, serial(1)), (*fourth, serial(3))]));
        assert!(found(*second).eq([(*third, serial(1)), (*fourth, serial(3))]));
        assert_eq!(found(*fourth).count(), 0);
        let own = LogEntry {
            serial: serial(9),
            part: CrlPart::Whole,
            at: from_seconds(1),
            revocation: None,
            is_of_authority: true,
            blocked_key: None,
        };
        storage.commit(own.logged(Change::new(Class::Essential), ca).unwrap()).await.unwrap();
        assert!(newest(&storage, ca, 0).unwrap().is_none(), "a full one has to tell that");
    }
}
