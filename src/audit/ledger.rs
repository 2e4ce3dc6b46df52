//! Writing entries and paging through them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{Action, Actor, Entry, Field, Outcome, record};
use crate::base::id::{OrgId, TokenId};
use crate::journal::Chain;
use crate::storage::{self, Class, CommitError, Committed, ReadError, RecordFault, Storage};

/// How many entries in a second are noted that nobody waits for. A flood of refused requests must not fill the disk.
const NOTES_PER_SECOND: u32 = 50;
/// The same for callers that showed no valid credential: their noise must not cover what a known caller was refused.
const ANONYMOUS_NOTES_PER_SECOND: u32 = 10;
/// How many records a page looks at before it answers with what it found: a rare filter must not hold a thread for minutes.
const LOOKED_AT: usize = 20_000;

/// A change and its entry, which commit together.
#[derive(Clone, Debug)]
pub struct Change {
    change: storage::Change,
}

impl Change {
    /// Joins a change to the entry that tells of it.
    pub fn new(change: storage::Change, entry: Entry) -> Self {
        Self { change: change.note(record::encode(entry)) }
    }

    /// A change that is nothing but its entry: an intention, a refusal.
    pub fn entry_only(class: Class, entry: Entry) -> Self {
        Self::new(storage::Change::new(class), entry)
    }
}

/// The way to commit and the way to read entries; clones share the store.
#[derive(Clone, Debug)]
pub struct Ledger {
    storage: Storage,
    pace: Arc<Mutex<Paces>>,
}

#[derive(Debug, Default)]
struct Paces {
    known: Pace,
    anonymous: Pace,
}

/// How many entries were noted in the current second, and how many were not.
#[derive(Debug, Default)]
struct Pace {
    second: i64,
    noted: u32,
    suppressed: u64,
}

/// Which entries are wanted; an empty filter wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The affairs of this organisation alone.
    pub organization: Option<OrgId>,
    pub action: Option<Action>,
    pub token: Option<TokenId>,
    pub object: Option<String>,
    pub refused: Option<bool>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// Where a page begins and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Behind this sequence, oldest first.
    After(u64),
    /// Before this sequence, newest first; `u64::MAX` begins at the last.
    Before(u64),
}

/// An entry and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub sequence: u64,
    pub entry: Entry,
    /// The hash of the frame it stands in.
    pub chain: Chain,
}

/// One page of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Listed>,
    /// Where the next page begins; none when there is no more. A page may be short, even empty, and still have a next.
    pub next: Option<Start>,
}

impl Ledger {
    /// The ledger of a store.
    pub fn new(storage: Storage) -> Self {
        Self { storage, pace: Arc::default() }
    }

    /// The store it writes to.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Commits a change with its entry.
    pub async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        self.storage.commit(change.change).await
    }

    /// The same for a thread that may block.
    pub fn commit_blocking(&self, change: Change) -> Result<Committed, CommitError> {
        self.storage.commit_blocking(change.change)
    }

    /// Commits an entry alone.
    pub async fn note(&self, entry: Entry) -> Result<Committed, CommitError> {
        self.commit(Change::entry_only(Class::Essential, entry)).await
    }

    /// Commits an entry of something that was refused to a known caller, who waits for it: no number of them is too many, and
    /// none takes of the room that is kept for revocations.
    pub async fn note_refusal(&self, entry: Entry) -> Result<Committed, CommitError> {
        self.commit(Change::entry_only(Class::Normal, entry)).await
    }

    /// Commits an entry that nobody waits for. When too many come in one second, or the disk is nearly full, it is only counted, and the next
    /// entry carries the count: the last room on a disk is kept for revocations, and anybody can be refused as often as they like.
    pub fn note_soon(&self, mut entry: Entry) {
        let mut paces = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let (pace, most) = match entry.actor {
            Actor::Anonymous => (&mut paces.anonymous, ANONYMOUS_NOTES_PER_SECOND),
            Actor::Token { .. } | Actor::System | Actor::BreakGlass { .. } | Actor::AcmeAccount { .. } => {
                (&mut paces.known, NOTES_PER_SECOND)
            }
        };
        if pace.second != entry.time.as_second() {
            pace.second = entry.time.as_second();
            pace.noted = 0;
        }
        if pace.noted >= most || self.storage.health().is_low {
            pace.suppressed += 1;
            return;
        }
        pace.noted += 1;
        let suppressed = std::mem::take(&mut pace.suppressed);
        drop(paces);
        if suppressed > 0 {
            entry = entry.detail(Field::Suppressed, suppressed.to_string());
        }
        // A closing store takes nothing more, and a refusal is not worth waiting for then.
        let _ = self.storage.commit_later(Change::entry_only(Class::Normal, entry).change);
    }

    /// One page of the entries a filter wants.
    pub fn page(&self, filter: &Filter, start: Start, limit: usize) -> Result<Listing, ReadError> {
        match start {
            Start::After(after) => collect(self.storage.records(after), filter, limit, Start::After),
            Start::Before(before) => collect(self.storage.records_before(before), filter, limit, Start::Before),
        }
    }
}

fn collect(
    records: impl Iterator<Item = Result<storage::Record, ReadError>>,
    filter: &Filter,
    limit: usize,
    next: impl Fn(u64) -> Start,
) -> Result<Listing, ReadError> {
    let mut entries = Vec::new();
    for (looked_at, found) in (1..).zip(records) {
        let found = found?;
        let sequence = found.sequence;
        if !found.note.is_empty() {
            let entry = record::decode(&found.note).map_err(|_| ReadError::Record { sequence, fault: RecordFault::Form })?;
            if filter.wants(&entry) {
                entries.push(Listed { sequence, entry, chain: found.chain });
            }
        }
        if entries.len() >= limit || looked_at >= LOOKED_AT {
            return Ok(Listing { entries, next: Some(next(sequence)) });
        }
    }
    Ok(Listing { entries, next: None })
}

impl Filter {
    fn wants(&self, entry: &Entry) -> bool {
        let Self { organization, action, token, object, refused, since, until } = self;
        let actor = match &entry.actor {
            Actor::Token { id, .. } => Some(*id),
            Actor::Anonymous | Actor::System | Actor::BreakGlass { .. } | Actor::AcmeAccount { .. } => None,
        };
        organization.is_none_or(|organization| entry.organization == Some(organization))
            && action.is_none_or(|action| entry.action == action)
            && token.is_none_or(|token| actor == Some(token))
            && object.as_ref().is_none_or(|object| entry.object.as_ref() == Some(object))
            && refused.is_none_or(|refused| matches!(entry.outcome, Outcome::Refused { .. }) == refused)
            && since.is_none_or(|since| entry.time >= since)
            && until.is_none_or(|until| entry.time < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Options, Table};

    fn refusal(ledger: &Ledger, actor: Actor) {
        ledger.note_soon(Entry::refused(Timestamp::UNIX_EPOCH, actor, Action::RequestRefused, "unauthenticated"));
    }

    fn open(dir: &std::path::Path, low_water_bytes: u64) -> Ledger {
        Ledger::new(Storage::open(dir, Options { reserve_bytes: 0, low_water_bytes, ..Options::default() }).unwrap().0)
    }

    #[test]
    fn refusals_take_none_of_the_last_room() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path(), 1 << 60);
        let normal = storage::Change::new(Class::Normal).put(Table::Roles, b"r", b"");
        assert!(matches!(ledger.storage.commit_blocking(normal), Err(CommitError::Full)));
        refusal(&ledger, Actor::Anonymous);
        let last = storage::Change::new(Class::Essential);
        ledger.commit_blocking(Change::new(last, Entry::done(Timestamp::UNIX_EPOCH, Actor::System, Action::CaRevoke))).unwrap();
        let found = ledger.page(&Filter::default(), Start::After(0), 10).unwrap().entries;
        assert_eq!(found.iter().map(|listed| listed.entry.action).collect::<Vec<_>>(), [Action::CaRevoke]);
    }

    #[test]
    fn strangers_cannot_drown_what_a_known_caller_was_refused() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path(), 0);
        for _ in 0..1_000 {
            refusal(&ledger, Actor::Anonymous);
        }
        let known = Actor::Token { id: TokenId::new(), name: "known".to_owned() };
        refusal(&ledger, known.clone());
        ledger
            .commit_blocking(Change::entry_only(Class::Normal, Entry::done(Timestamp::UNIX_EPOCH, Actor::System, Action::DaemonStop)))
            .unwrap();
        let found = ledger.page(&Filter::default(), Start::After(0), 100).unwrap().entries;
        assert_eq!(found.len(), ANONYMOUS_NOTES_PER_SECOND as usize + 2);
        assert!(found.iter().any(|listed| listed.entry.actor == known));
    }
}
