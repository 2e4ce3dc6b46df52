//! Telling a store that was restored what it has forgotten.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use jiff::Timestamp;

use super::lines::{Line, each_line};
use super::{RevocationJournalError, log_key};
use crate::audit::{self, Action, Actor, Entry, Field, Ledger};
use crate::base::id::CaId;
use crate::inventory::{InventoryError, LogEntry, Revocation, revocation_key};
use crate::storage::{Change, Class, Table, counter};
use crate::x509::serial::Serial;

/// Lets CRL numbers go on above the highest that may have been used; whether they were below it.
pub async fn raise(ledger: &Ledger, ca: CaId, number: u64, now: Timestamp) -> Result<bool, InventoryError> {
    let key = [b"crl/".as_slice(), ca.as_bytes()].concat();
    let last = ledger.storage().get(Table::Counters, &key)?.and_then(|value| counter(&value)).unwrap_or(0);
    let behind = i64::try_from(number).unwrap_or(i64::MAX).saturating_sub(last);
    if behind <= 0 {
        return Ok(false);
    }
    let entry = Entry::done(now, Actor::System, Action::RevocationRestore).object(ca).detail(Field::CrlNumber, number);
    let change = Change::new(Class::Essential).add(Table::Counters, &key, behind);
    ledger.commit(audit::Change::new(change, entry)).await.map_err(InventoryError::Commit)?;
    Ok(true)
}

/// Applies what the store of these authorities lacks. How many certificates that were, and the last change of each that file and store have in
/// common.
pub async fn restore(
    path: &Path,
    file: &mut File,
    ledger: &Ledger,
    authorities: &HashSet<CaId>,
    now: Timestamp,
) -> Result<(usize, HashMap<CaId, u64>), RevocationJournalError> {
    let storage = ledger.storage();
    let mut states: HashMap<(CaId, Serial, bool), LogEntry> = HashMap::new();
    let mut common: HashMap<CaId, u64> = HashMap::new();
    let mut fault = None;
    each_line(path, file, |line| {
        let (ca, sequence, entry) = match line {
            Line::V1Log { ca, sequence, entry } => (CaId::from_bytes(ca), Some(sequence), entry),
            Line::V1Earlier { ca, entry } => (CaId::from_bytes(ca), None, entry),
            Line::V1Number { .. } | Line::V1Complete => return,
        };
        if !authorities.contains(&ca) {
            return;
        }
        match sequence.map(|sequence| (sequence, storage.get(Table::RevocationLog, &log_key(ca, sequence)))) {
            Some((sequence, Ok(Some(stored)))) if stored == entry => drop(common.insert(ca, sequence)),
            Some((_, Ok(_))) | None => {}
            Some((_, Err(error))) => fault = Some(InventoryError::from(error)),
        }
        match LogEntry::decode(entry) {
            Ok(entry) => drop(states.insert((ca, entry.serial, entry.is_of_authority), entry)),
            Err(error) => fault = Some(error),
        }
    })?;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let mut restored = 0;
    for ((ca, ..), entry) in states {
        restored += usize::from(apply(ledger, ca, &entry, now).await?);
    }
    Ok((restored, common))
}

/// Where the store has what an entry tells.
pub fn place(ca: CaId, entry: &LogEntry) -> (Table, Vec<u8>) {
    match entry.is_of_authority {
        true => (Table::AuthorityState, ca.as_bytes().to_vec()),
        false => (Table::Revocations, revocation_key(ca, &entry.serial)),
    }
}

/// Makes the store say what the file says of one certificate or authority; whether it said otherwise.
async fn apply(ledger: &Ledger, ca: CaId, entry: &LogEntry, now: Timestamp) -> Result<bool, InventoryError> {
    let (table, key) = place(ca, entry);
    let before = ledger.storage().get(table, &key)?;
    let stored = before.as_deref().map(Revocation::decode).transpose()?;
    let change = Change::new(Class::Essential).expect(table, &key, before.as_deref());
    let change = match (&entry.revocation, &stored) {
        (Some(revocation), None) => change.put(table, &key, &revocation.encode()?),
        (Some(revocation), Some(stored)) if stored.is_hold() && stored != revocation => change.put(table, &key, &revocation.encode()?),
        (None, Some(stored)) if stored.is_hold() => change.delete(table, &key),
        // What is revoked for good stays as it is.
        (Some(_), Some(_)) | (None, Some(_) | None) => return Ok(false),
    };
    let change = match entry.blocked_key {
        Some(hash) => change.put(Table::BlockedKeys, &hash, &[]),
        None => change,
    };
    let told = Entry::done(now, Actor::System, Action::RevocationRestore).object(ca).detail(Field::SerialNumber, entry.serial);
    let told = told.detail(Field::Reason, entry.revocation.as_ref().map_or("remove_from_crl", |revocation| revocation.reason.name()));
    ledger.commit(audit::Change::new(entry.logged(change, ca)?, told)).await.map_err(InventoryError::Commit)?;
    Ok(true)
}
