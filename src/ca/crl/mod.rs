//! The CRLs of every authority: which there are, when each is due, and handing out the current ones. How one is made stands in `make`.
//!
//! Guarantees: the number of a CRL is durable before the token is asked, is above those of all before, and is never used again. A CRL is on disk,
//! whole, and was held against the store before its record says that it is there; until then the one before it is handed out. None is ever in memory
//! as a whole, but for those of Ed25519, which signs no digest; they are refused beyond a length.
//!
//! Never does: decide who is revoked, or let anything about a CRL keep a revocation from being accepted.

mod check;
mod file;
mod listing;
mod make;
mod name;
mod pruning;
mod settings;
mod spool;
mod timing;
mod untold;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;

use file::Folder;
pub use file::{CrlBytes, PublishedCrl};
pub use name::{CrlForm, CrlName, part_named_by};
pub use pruning::{PruneError, Pruned};
pub use settings::{CrlSchedule, CrlSettings, Plan};
pub use timing::Due;
use timing::due_at;
use untold::Untold;

use super::record::{CrlRecord, CrlSettingsRecord};
use super::{Authorities, Authority, AuthorityError};
use crate::access::Caller;
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::CaId;
use crate::inventory::{Certificates, CrlPart, InventoryError, RevocationJournal};
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::token::request::LONGEST_MESSAGE;
use crate::token::{Token, TokenError};

/// Why no CRL was published.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    #[error("no such authority")]
    NotFound,
    #[error("the authority has expired")]
    Expired,
    #[error("the authority makes no delta CRLs")]
    NoDeltas,
    #[error("a full CRL has to be made first")]
    NoBase,
    #[error("its certificates name no URL that a divided CRL is found by")]
    NoUrl,
    /// Ed25519 signs no digest (RFC 8032, 5.1.6), and a token takes no longer message.
    #[error("a CRL that is signed with Ed25519 can have no more than {} MiB", LONGEST_MESSAGE >> 20)]
    TooLong,
    #[error("the CRL cannot be encoded or read back")]
    Encoding,
    #[error("the CRL is not what was meant to be signed: {0}")]
    NotAsMeant(&'static str),
    #[error("a record of a revocation or CRL cannot be read")]
    Record,
    #[error("the CRL file cannot be written or read")]
    File(#[source] std::io::Error),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How the CRLs are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrlHealth {
    /// How many were not what the store says when they were last made, so that an earlier one is still handed out.
    pub rejected: usize,
    /// How many are missing or have ended, of authorities that have not.
    pub ended: usize,
}

/// Publishes the CRLs of all authorities and hands out the current ones.
pub struct CrlPublisher {
    authorities: Authorities,
    books: Books,
    ledger: Ledger,
    token: Token,
    clock: Clock,
    journal: RevocationJournal,
    schedule: RwLock<CrlSchedule>,
    folder: Folder,
    /// The highest numbers of files that no record told of: a store that was set back has published them.
    left: HashMap<CaId, u64>,
    current: RwLock<BTreeMap<CrlName, Arc<PublishedCrl>>>,
    /// One publication per authority at a time, so that numbers and files follow each other.
    publishing: Mutex<HashMap<CaId, Arc<tokio::sync::Mutex<()>>>>,
    /// What was revoked or lifted where that has a CRL made soon.
    waiting: Mutex<HashMap<CaId, Untold>>,
    /// When a CRL that was due could not be made.
    failed: Mutex<HashMap<CaId, Instant>>,
    rejected: Mutex<BTreeSet<CrlName>>,
    /// Told when something may be due sooner than it was.
    nudge: Notify,
}

/// Where it is written who is revoked.
struct Books {
    storage: Storage,
    certificates: Certificates,
}

impl CrlPublisher {
    /// Takes up the CRLs that were published before. A file that is missing or differs from its record is left out and will
    /// be made anew.
    pub fn load(
        authorities: Authorities,
        ledger: Ledger,
        token: Token,
        clock: Clock,
        journal: RevocationJournal,
        schedule: CrlSchedule,
        directory: PathBuf,
    ) -> Result<Self, CrlError> {
        let storage = ledger.storage().clone();
        let certificates = Certificates::new(storage.clone(), ledger.clone(), clock.clone());
        let folder = Folder::open(directory).map_err(CrlError::File)?;
        let mut current = BTreeMap::new();
        for authority in authorities.of_all_organizations() {
            for name in names(&authority, CrlForm::Full).into_iter().chain(names(&authority, CrlForm::Delta)) {
                if let Some(record) = read_record(&storage, name)?
                    && let Some(published) = folder.find(name, &record)
                {
                    current.insert(name, Arc::new(published));
                }
            }
        }
        let left = folder.keep_only(current.values().map(Arc::as_ref)).map_err(CrlError::File)?;
        Ok(Self {
            authorities,
            books: Books { storage, certificates },
            ledger,
            token,
            clock,
            journal,
            schedule: RwLock::new(schedule),
            folder,
            left,
            current: RwLock::new(current),
            publishing: Mutex::default(),
            waiting: Mutex::default(),
            failed: Mutex::default(),
            rejected: Mutex::default(),
            nudge: Notify::new(),
        })
    }

    /// Makes the CRLs to come by another schedule, where their authorities ask for nothing else.
    pub fn set_schedule(&self, schedule: CrlSchedule) {
        *self.schedule.write().unwrap_or_else(PoisonError::into_inner) = schedule;
        self.nudge.notify_one();
    }

    /// The schedule of authorities that ask for nothing else.
    pub fn schedule(&self) -> CrlSchedule {
        *self.schedule.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current CRL of an authority: the full one of everything.
    pub fn current(&self, ca: CaId) -> Option<Arc<PublishedCrl>> {
        self.named(CrlName::whole(ca))
    }

    /// The current CRL of that name.
    pub fn named(&self, name: CrlName) -> Option<Arc<PublishedCrl>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// Whether the authority makes CRLs of that name.
    pub fn makes(&self, name: CrlName) -> bool {
        self.authorities.of_any_organization(name.ca).is_some_and(|authority| names(&authority, name.form).contains(&name))
    }

    /// The CRL that a file of `/crl/` is: by the id of its authority, or by the name of one of the default organisation, where that can be read in
    /// one way only.
    pub fn find(&self, stem: &str) -> Option<CrlName> {
        if let Ok(name) = stem.parse() {
            return Some(name);
        }
        let named = name::readings(stem).into_iter().filter_map(|(slug, part, form)| {
            let ca = self.authorities.of_slug(slug)?.id;
            Some(CrlName { ca, part, form }).filter(|name| self.makes(*name))
        });
        let mut named = named.fuse();
        named.next().filter(|_| named.next().is_none())
    }

    /// Until when a copy may be used without asking again: the next regular publication, or soon where a revocation has one made.
    pub fn fresh_until(&self, published: &PublishedCrl) -> Timestamp {
        let Some(authority) = self.authorities.of_any_organization(published.name.ca) else { return published.next_update };
        let plan = authority.crl.plan(self.schedule());
        let regular = due_at(&plan, published);
        match plan.publish_within {
            None => regular,
            Some(within) => regular.min(later(self.clock.now(), within.as_seconds())),
        }
    }

    /// Makes, signs, checks and publishes what is due and was not made by somebody else meanwhile.
    pub async fn publish_due(&self, due: &Due) -> Result<Vec<Arc<PublishedCrl>>, CrlError> {
        let turn = self.turn(due.ca);
        let _one_at_a_time = turn.lock().await;
        let is_due_still = |(part, number): &&(CrlPart, Option<u64>)| {
            let published = self.named(CrlName { ca: due.ca, part: *part, form: due.form });
            let is_unchanged = published.as_ref().map(|published| published.number) == *number;
            is_unchanged || due.revoked.contains(part) && published.is_some_and(|published| published.seen < due.sequence)
        };
        let parts: Vec<_> = due.parts.iter().filter(is_due_still).map(|(part, _)| *part).collect();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let outcome = self.publish_in_turn(due.ca, due.form, Some(&parts), &Caller::system()).await;
        match &outcome {
            Ok(_) => drop(lock(&self.failed).remove(&due.ca)),
            Err(_) => {
                lock(&self.failed).insert(due.ca, Instant::now());
                self.wait_for(due.ca, due.revoked.iter().copied(), due.is_overdue);
            }
        }
        outcome
    }

    /// Makes, signs, checks and publishes an authority's CRLs now; the one of everything is given back. That the caller may know of the
    /// authority is for the caller of this to see to.
    pub async fn publish(&self, ca: CaId, form: CrlForm, caller: &Caller) -> Result<Arc<PublishedCrl>, CrlError> {
        let turn = self.turn(ca);
        let _one_at_a_time = turn.lock().await;
        let published = self.publish_in_turn(ca, form, None, caller).await?;
        if form == CrlForm::Full && self.authorities.of_any_organization(ca).is_some_and(|authority| authority.crl.delta) {
            // The delta CRL that was there belongs to an earlier full one. Its time comes in any case.
            if let Err(error) = self.publish_in_turn(ca, CrlForm::Delta, None, caller).await {
                tracing::warn!(%ca, %error, "no delta CRL was published with a full one");
            }
        }
        published.into_iter().find(|published| published.name.part == CrlPart::Whole).ok_or(CrlError::NotFound)
    }

    fn turn(&self, ca: CaId) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.publishing).entry(ca).or_default().clone()
    }

    async fn publish_in_turn(
        &self,
        ca: CaId,
        form: CrlForm,
        parts: Option<&[CrlPart]>,
        caller: &Caller,
    ) -> Result<Vec<Arc<PublishedCrl>>, CrlError> {
        let authority = self.authorities.of_any_organization(ca).ok_or(CrlError::NotFound)?;
        if form == CrlForm::Delta && !authority.crl.delta {
            return Err(CrlError::NoDeltas);
        }
        let parts: Vec<_> = match parts {
            Some(parts) => parts.to_vec(),
            None => authority.crl.parts(),
        };
        match self.make(&authority, form, &parts, caller).await {
            // Too much has changed for a delta CRL, or the full one is missing: then both are made.
            Err(CrlError::NoBase) if form == CrlForm::Delta => {
                self.make(&authority, CrlForm::Full, &parts, caller).await?;
                self.make(&authority, form, &parts, caller).await
            }
            other => other,
        }
    }

    /// Changes how an authority's CRLs are made.
    pub async fn configure(&self, authority: &Authority, settings: CrlSettings, caller: &Caller) -> Result<(), CrlError> {
        if settings.shards > 0 && authority.crl_urls.is_empty() {
            return Err(CrlError::NoUrl);
        }
        let (table, key) = (Table::CrlSettings, authority.id.as_bytes());
        let before = self.books.storage.get(table, key)?;
        // What was decided by is what is there still.
        if before.as_deref().map_or(Some(CrlSettings::default()), CrlSettingsRecord::decode) != Some(authority.crl) {
            return Err(CrlError::Commit(CommitError::Conflict { table, key: key.to_vec() }));
        }
        let value = CrlSettingsRecord::encode(&settings).map_err(|_| CrlError::Record)?;
        let entry = caller
            .origin()
            .entry(Action::CaUpdate, self.clock.now())
            .of(authority.organization)
            .object(authority.id)
            .detail(Field::Settings, format!("{:?}", settings.shown(self.schedule())));
        let change = Change::new(Class::Normal).expect(table, key, before.as_deref()).put(table, key, &value);
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        self.authorities.reload(&self.books.storage)?;
        Ok(())
    }

    /// How the CRLs are together.
    pub fn health(&self) -> CrlHealth {
        let now = self.clock.now();
        let mut health = CrlHealth { rejected: lock(&self.rejected).len(), ended: 0 };
        for authority in self.authorities.of_all_organizations().iter().filter(|authority| now < authority.not_after) {
            let has_ended = |name: &CrlName| self.named(*name).is_none_or(|published| published.next_update <= now);
            health.ended += names(authority, CrlForm::Full).iter().filter(|name| has_ended(name)).count();
        }
        health
    }
}

/// The CRLs of that form an authority makes.
fn names(authority: &Authority, form: CrlForm) -> Vec<CrlName> {
    if form == CrlForm::Delta && !authority.crl.delta {
        return Vec::new();
    }
    authority.crl.parts().into_iter().map(|part| CrlName { ca: authority.id, part, form }).collect()
}

/// The CRLs that list a certificate.
fn covering(part: CrlPart) -> impl Iterator<Item = CrlPart> {
    [CrlPart::Whole, part].into_iter().take(if part == CrlPart::Whole { 1 } else { 2 })
}

/// Whether a full CRL was made before an authority above was revoked, which no log of this authority tells. One of the same second may have been.
fn needs_full_first(authority: &Authority, full: &PublishedCrl) -> bool {
    revoked_since(authority, full).is_some()
}

/// When an authority above was revoked, where that was no earlier than the CRL.
fn revoked_since(authority: &Authority, full: &PublishedCrl) -> Option<Timestamp> {
    let revocation = authority.revocation().filter(|_| authority.own_revocation.is_none())?;
    Some(revocation.revoked_at).filter(|at| *at >= full.this_update)
}

fn later(time: Timestamp, seconds: u64) -> Timestamp {
    from_seconds(time.as_second().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

fn read_record(storage: &Storage, name: CrlName) -> Result<Option<CrlRecord>, CrlError> {
    let Some(bytes) = storage.get(Table::CrlState, &name.key())? else { return Ok(None) };
    postcard::from_bytes(&bytes).map(Some).map_err(|_| CrlError::Record)
}

/// The highest number of all that an authority has ever published, in whatever form and part.
fn highest_number(storage: &Storage, ca: CaId) -> Result<Option<u64>, CrlError> {
    let mut highest = None;
    for item in storage.scan(Table::CrlState, ca.as_bytes(), None) {
        let record = postcard::from_bytes(&item?.1).map_err(|_| CrlError::Record)?;
        let (CrlRecord::V1 { number, .. } | CrlRecord::V2 { number, .. }) = record;
        highest = highest.max(Some(number));
    }
    Ok(highest)
}

/// A lock whose holder panicked guards nothing that could be half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
