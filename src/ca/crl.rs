//! Publishing CRLs: the number is reserved before the token signs, the file is on disk before the record says so.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest;
use bytes::Bytes;
use jiff::Timestamp;

use super::record::CrlRecord;
use super::{Authorities, Authority};
use crate::access::Caller;
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds, rfc3339};
use crate::base::duration::Span;
use crate::base::id::CaId;
use crate::inventory::{Certificates, InventoryError, Revocation};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table, counter};
use crate::token::{Token, TokenError};
use crate::x509::crl::{Crl, CrlDraft, CrlEntry, CrlFault};
use crate::x509::pem::{self, Label};
use crate::x509::serial::Serial;
use crate::x509::signed;

/// When CRLs are made and how long they are good for.
#[derive(Clone, Copy, Debug)]
pub struct CrlSchedule {
    /// How often a new one is made.
    pub period: Span,
    /// From thisUpdate to nextUpdate.
    pub validity: Span,
}

/// A CRL that is durable and may be handed out.
#[derive(Debug)]
pub struct PublishedCrl {
    pub number: u64,
    pub this_update: Timestamp,
    pub next_update: Timestamp,
    pub entries: u64,
    pub der: Bytes,
    pub sha256: [u8; 32],
}

/// Why no CRL was published.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    #[error("no such authority")]
    NotFound,
    #[error("the authority has expired")]
    Expired,
    #[error("the CRL cannot be encoded or read back")]
    Encoding,
    #[error("the CRL is not what was meant to be signed: {0}")]
    NotAsMeant(&'static str),
    #[error("the CRL's record cannot be read")]
    Record,
    #[error("the CRL file cannot be written")]
    File(#[source] std::io::Error),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Publishes the CRLs of all authorities and hands out the current ones.
pub struct CrlPublisher {
    authorities: Authorities,
    certificates: Certificates,
    storage: Storage,
    ledger: Ledger,
    token: Token,
    clock: Clock,
    schedule: RwLock<CrlSchedule>,
    directory: PathBuf,
    current: RwLock<HashMap<CaId, Arc<PublishedCrl>>>,
    /// One publication per authority at a time, so that numbers and files follow each other.
    publishing: Mutex<HashMap<CaId, Arc<tokio::sync::Mutex<()>>>>,
}

impl CrlPublisher {
    /// Takes up the CRLs that were published before. A file that is missing or differs from its record is left out and will
    /// be made anew.
    pub fn load(
        authorities: Authorities,
        certificates: Certificates,
        ledger: Ledger,
        token: Token,
        clock: Clock,
        schedule: CrlSchedule,
        directory: PathBuf,
    ) -> Result<Self, CrlError> {
        let storage = ledger.storage().clone();
        std::fs::create_dir_all(&directory).map_err(CrlError::File)?;
        let mut current = HashMap::new();
        for authority in authorities.all() {
            if let Some(record) = read_record(&storage, authority.id)?
                && let Some(published) = read_file(&directory, authority.id, &record)
            {
                current.insert(authority.id, Arc::new(published));
            }
        }
        Ok(Self {
            authorities,
            storage,
            certificates,
            ledger,
            token,
            clock,
            schedule: RwLock::new(schedule),
            directory,
            current: RwLock::new(current),
            publishing: Mutex::default(),
        })
    }

    /// Makes the CRLs to come by another schedule.
    pub fn set_schedule(&self, schedule: CrlSchedule) {
        *self.schedule.write().unwrap_or_else(PoisonError::into_inner) = schedule;
    }

    fn schedule(&self) -> CrlSchedule {
        *self.schedule.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current CRL of an authority.
    pub fn current(&self, ca: CaId) -> Option<Arc<PublishedCrl>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(&ca).cloned()
    }

    /// Until when a copy may be used without asking again: the next regular publication.
    pub fn fresh_until(&self, published: &PublishedCrl) -> Timestamp {
        from_seconds(published.this_update.as_second() + self.schedule().period.as_seconds() as i64).min(published.next_update)
    }

    /// The authorities whose CRL is due: it is missing, a period old, close to its end, or from a time that has not come, because
    /// the clock was wrong then.
    pub fn due(&self) -> Vec<CaId> {
        let now = from_seconds(self.clock.now().as_second());
        let is_due = |authority: &Arc<Authority>| match self.current(authority.id) {
            None => true,
            Some(published) => now >= self.fresh_until(&published) || now < published.this_update,
        };
        self.authorities.all().iter().filter(|a| now < a.not_after && is_due(a)).map(|a| a.id).collect()
    }

    /// Makes, signs, checks and publishes a CRL now.
    pub async fn publish(&self, ca: CaId, caller: &Caller) -> Result<Arc<PublishedCrl>, CrlError> {
        let turn = self.turn(ca);
        let _one_at_a_time = turn.lock().await;
        let authority = self.authorities.get(ca).ok_or(CrlError::NotFound)?;
        self.publish_in_turn(&authority, caller).await
    }

    fn turn(&self, ca: CaId) -> Arc<tokio::sync::Mutex<()>> {
        self.publishing.lock().unwrap_or_else(PoisonError::into_inner).entry(ca).or_default().clone()
    }

    async fn publish_in_turn(&self, authority: &Authority, caller: &Caller) -> Result<Arc<PublishedCrl>, CrlError> {
        let ca = authority.id;
        let now = from_seconds(self.clock.now().as_second());
        if now >= authority.not_after {
            return Err(CrlError::Expired);
        }
        let number = self.reserve_number(ca, now, caller).await?;
        let previous = read_record(&self.storage, ca)?.map(|CrlRecord::V1 { this_update, .. }| from_seconds(this_update));
        let next_update = from_seconds(now.as_second() + self.schedule().validity.as_seconds() as i64);
        let draft = CrlDraft {
            issuer: authority.subject.der(),
            signature: authority.algorithm,
            this_update: now,
            next_update,
            number,
            authority_key_id: authority.certificate.subject_key_id().unwrap_or_default(),
        };
        // A CRL made while the clock was ahead says nothing about who has expired by now.
        let entries = tokio::task::block_in_place(|| self.entries(authority, previous.map_or(now, |previous| previous.min(now))))?;
        let count = entries.len() as u64;
        let tbs = draft.to_tbs(entries.into_iter()).map_err(|_| CrlError::Encoding)?;
        let signature = self.token.sign(&authority.key, authority.algorithm, tbs.clone()).await?;
        let der = signed::assemble(&tbs, authority.algorithm, &signature).map_err(|_| CrlError::Encoding)?;
        check(&der, number, count)?;
        let published = PublishedCrl { number, this_update: now, next_update, entries: count, sha256: sha256(&der), der: der.into() };
        self.write_file(ca, &published.der).await.map_err(CrlError::File)?;
        self.record(ca, &published, caller, now).await?;
        let published = Arc::new(published);
        self.current.write().unwrap_or_else(PoisonError::into_inner).insert(ca, published.clone());
        Ok(published)
    }

    /// Takes the next number for good: it is durable before anything is signed with it, so no number is ever used twice.
    async fn reserve_number(&self, ca: CaId, now: Timestamp, caller: &Caller) -> Result<u64, CrlError> {
        let key = number_key(ca);
        let last = self.storage.get(Table::Counters, &key)?.map_or(Some(0), |value| counter(&value));
        let last = last.and_then(|last| u64::try_from(last).ok()).ok_or(CrlError::Record)?;
        let entry = caller.origin().entry(Action::CrlIntend, now).object(ca).detail(Field::CrlNumber, last + 1);
        let change = Change::new(Class::Essential).add(Table::Counters, &key, 1);
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        Ok(last + 1)
    }

    /// What the CRL lists: every certificate revoked by itself, and when the authority itself is revoked, all it has issued.
    /// Those that ended before the previous CRL was made have been on one since (RFC 5280, 3.3) and are left out.
    fn entries(&self, authority: &Authority, previous: Timestamp) -> Result<Vec<CrlEntry>, CrlError> {
        let mut entries = Vec::new();
        let prefix = authority.id.as_bytes();
        for item in self.storage.scan(Table::Revocations, prefix, None) {
            let (key, value) = item?;
            let revocation = Revocation::decode(&value)?;
            if revocation.not_after > previous {
                entries.push(entry(&key[prefix.len()..], &revocation)?);
            }
        }
        if let Some(revocation) = authority.revocation() {
            self.all_issued(authority, revocation, previous, &mut entries)?;
        }
        Ok(entries)
    }

    fn all_issued(
        &self,
        authority: &Authority,
        revocation: &Revocation,
        previous: Timestamp,
        entries: &mut Vec<CrlEntry>,
    ) -> Result<(), CrlError> {
        let listed: std::collections::HashSet<Serial> = entries.iter().map(|entry| entry.serial).collect();
        self.certificates.each_of(authority.id, |certificate| {
            if certificate.not_after > previous && !listed.contains(&certificate.serial) {
                entries.push(CrlEntry {
                    serial: certificate.serial,
                    revoked_at: revocation.revoked_at.max(certificate.created_at),
                    reason: revocation.reason,
                    invalidity_date: None,
                });
            }
        })?;
        Ok(())
    }

    /// Writes the CRL's file, on a full disk with the room that is held for it.
    async fn write_file(&self, ca: CaId, der: &[u8]) -> std::io::Result<()> {
        match write_file(&self.directory, ca, der) {
            Err(error) if is_full(&error) && self.storage.release_reserve().await => write_file(&self.directory, ca, der),
            other => other,
        }
    }

    async fn record(&self, ca: CaId, published: &PublishedCrl, caller: &Caller, now: Timestamp) -> Result<(), CrlError> {
        let PublishedCrl { number, this_update, next_update, entries, der: _, sha256 } = published;
        let record = CrlRecord::V1 {
            number: *number,
            this_update: this_update.as_second(),
            next_update: next_update.as_second(),
            sha256: *sha256,
            entries: *entries,
        };
        let value = postcard::to_allocvec(&record).map_err(|_| CrlError::Record)?;
        let entry = caller
            .origin()
            .entry(Action::CrlPublish, now)
            .object(ca)
            .detail(Field::CrlNumber, number)
            .detail(Field::Count, entries)
            .detail(Field::NextUpdate, rfc3339(*next_update))
            .detail(Field::CrlSha256, hex::encode(sha256));
        let change = Change::new(Class::Essential).put(Table::CrlState, ca.as_bytes(), &value);
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        Ok(())
    }
}

impl PublishedCrl {
    /// The CRL as PEM.
    pub fn pem(&self) -> String {
        pem::encode(Label::Crl, &self.der)
    }
}

fn number_key(ca: CaId) -> Vec<u8> {
    [b"crl/".as_slice(), ca.as_bytes()].concat()
}

fn entry(serial: &[u8], revocation: &Revocation) -> Result<CrlEntry, CrlError> {
    Ok(CrlEntry {
        serial: Serial::from_der_content(serial).map_err(|_| CrlError::Record)?,
        revoked_at: revocation.revoked_at,
        reason: revocation.reason,
        // Nothing that was ever accepted may keep the whole CRL from being made.
        invalidity_date: revocation.invalidity_date.filter(|time| *time >= Timestamp::UNIX_EPOCH),
    })
}

/// A last look before it is published: it reads back, with the number and as many entries as were meant.
fn check(der: &[u8], number: u64, count: u64) -> Result<(), CrlError> {
    let crl = Crl::from_der(der).map_err(|_: CrlFault| CrlError::Encoding)?;
    if crl.number() != Some(number) {
        return Err(CrlError::NotAsMeant("its number"));
    }
    if crl.entries().count() as u64 != count {
        return Err(CrlError::NotAsMeant("the number of its entries"));
    }
    Ok(())
}

fn read_record(storage: &Storage, ca: CaId) -> Result<Option<CrlRecord>, CrlError> {
    let Some(bytes) = storage.get(Table::CrlState, ca.as_bytes())? else { return Ok(None) };
    postcard::from_bytes(&bytes).map(Some).map_err(|_| CrlError::Record)
}

fn read_file(directory: &Path, ca: CaId, record: &CrlRecord) -> Option<PublishedCrl> {
    let CrlRecord::V1 { number, this_update, next_update, sha256: recorded, entries } = record;
    let der = std::fs::read(path(directory, ca)).ok()?;
    (sha256(&der) == *recorded).then(|| PublishedCrl {
        number: *number,
        this_update: from_seconds(*this_update),
        next_update: from_seconds(*next_update),
        entries: *entries,
        der: der.into(),
        sha256: *recorded,
    })
}

/// Replaces the file so that a reader or a crash meets the old one or the new one and never a part.
fn write_file(directory: &Path, ca: CaId, der: &[u8]) -> std::io::Result<()> {
    let temporary = directory.join(format!("{ca}.new"));
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(der)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path(directory, ca))?;
    std::fs::File::open(directory)?.sync_all()
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

fn path(directory: &Path, ca: CaId) -> PathBuf {
    directory.join(format!("{ca}.crl"))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}
