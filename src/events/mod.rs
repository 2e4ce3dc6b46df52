//! What has happened, for programs that want to know: certificates issued, revoked or about to end, authorities, requests, CRLs.
//!
//! An event has no record of its own. The audit entry that commits with a deed is its outbox: the same change, the same place in the journal's
//! order, read back as an event. So an event cannot be lost, cannot tell of what did not happen, and has its deed's sequence as its id, which
//! rises and never changes.
//!
//! Guarantees: events come in the order in which the deeds became durable, each organisation's to itself. Only details on a list are told.
//!
//! Never does: write anything but how far webhooks are, or tell what was refused.

mod kind;
pub mod webhooks;

#[cfg(test)]
mod tests;

pub use kind::{Kind, Pattern, UnknownPattern};

use jiff::Timestamp;

use crate::api::events::{CloudEvent, SPEC_VERSION};
use crate::audit::{Entry, Field, Filter, Ledger, Listed, Outcome, Start};
use crate::base::clock::rfc3339;
use crate::base::id::OrgId;
use crate::storage::ReadError;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id: the place of its deed in the journal.
    pub sequence: u64,
    pub time: Timestamp,
    pub kind: Kind,
    pub organization: OrgId,
    /// The id of what it happened to.
    pub subject: Option<String>,
    pub data: Vec<(Field, String)>,
}

/// Some events, and how far was looked.
#[derive(Clone, Debug)]
pub struct Page {
    pub events: Vec<Event>,
    /// Where to go on looking; none when everything there is was looked at.
    pub next: Option<u64>,
}

/// Reads events; clones share the ledger.
#[derive(Clone, Debug)]
pub struct Events {
    ledger: Ledger,
}

impl Events {
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// The events of an organisation behind a sequence, oldest first, of the kinds a pattern means; of all kinds without one. It looks at a
    /// bounded part of the journal, so a page may be short and still have a next.
    pub fn page(&self, organization: OrgId, pattern: Option<Pattern>, after: u64, limit: usize) -> Result<Page, ReadError> {
        let filter = Filter { organization: Some(organization), refused: Some(false), ..Filter::default() };
        let mut events = Vec::new();
        let mut from = after;
        loop {
            let found = self.ledger.page(&filter, Start::After(from), limit)?;
            for listed in found.entries {
                from = listed.sequence;
                events.extend(Event::told_by(listed).filter(|event| pattern.is_none_or(|pattern| pattern.means(event.kind))));
                if events.len() == limit {
                    return Ok(Page { events, next: Some(from) });
                }
            }
            match found.next {
                None => return Ok(Page { events, next: None }),
                Some(Start::After(next) | Start::Before(next)) if !events.is_empty() => return Ok(Page { events, next: Some(next) }),
                // Entries that tell of no event are passed over, within what one page of the ledger looks at.
                Some(Start::After(next) | Start::Before(next)) if next == from || found_nothing_for_long(after, next) => {
                    return Ok(Page { events, next: Some(next) });
                }
                Some(Start::After(next) | Start::Before(next)) => from = next,
            }
        }
    }

    /// The sequence behind which there is nothing yet.
    pub fn latest(&self) -> u64 {
        self.ledger.storage().last_sequence()
    }
}

/// How many sequences are looked through for one page without finding anything.
const LOOKED_THROUGH: u64 = 20_000;

fn found_nothing_for_long(after: u64, now: u64) -> bool {
    now.saturating_sub(after) >= LOOKED_THROUGH
}

impl Event {
    /// In the form in which it is told outside.
    pub fn to_cloud(&self) -> CloudEvent {
        CloudEvent {
            specversion: SPEC_VERSION.to_owned(),
            id: self.sequence.to_string(),
            source: format!("/organizations/{}", self.organization),
            kind: self.kind.name().to_owned(),
            subject: self.subject.clone(),
            time: rfc3339(self.time),
            datacontenttype: "application/json".to_owned(),
            data: self.data.iter().map(|(field, value)| (field.name().to_owned(), value.clone())).collect(),
        }
    }

    /// What an audit entry tells of; none for a refusal, an intention, and what is nobody's affair outside.
    fn told_by(listed: Listed) -> Option<Self> {
        let Listed { sequence, entry, chain: _ } = listed;
        let Entry { time, request: _, organization, actor: _, action, object, outcome, details } = entry;
        let kind = Kind::of(action, &details).filter(|_| outcome == Outcome::Done)?;
        let data = details.into_iter().filter(|(field, _)| is_told(*field)).collect();
        Some(Self { sequence, time, kind, organization: organization?, subject: object, data })
    }
}

/// Whether a detail of the audit trail is for those who read events.
fn is_told(field: Field) -> bool {
    matches!(
        field,
        Field::CommonName
            | Field::SerialNumber
            | Field::CaId
            | Field::CertificateId
            | Field::Role
            | Field::Reason
            | Field::SubjectAltNames
            | Field::NotAfter
            | Field::CrlNumber
            | Field::NextUpdate
            | Field::Count
            | Field::Name
            | Field::Days
            | Field::Fault
            | Field::Crl
            | Field::BaseCrlNumber
            | Field::RenewedFrom
    )
}
