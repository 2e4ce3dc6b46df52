//! Where a new authority would stand: below its parent, under its name, at its token. Every fault of that is found at once, and what stands is a
//! [`Placement`], which only this module makes.

use std::sync::Arc;

use jiff::Timestamp;

use super::create::{CreateError, Creator};
use super::{Authority, NotStanding};
use crate::access::Caller;
use crate::base::clock::from_seconds;
use crate::base::id::CaId;
use crate::base::tenant;
use crate::storage::Table;
use crate::token::Token;
use crate::x509::name::DistinguishedName;

/// What of a request decides where its authority stands. What could not be read is None and is held against nothing.
#[derive(Clone, Debug)]
pub struct Place {
    pub parent: Option<CaId>,
    pub name: Option<String>,
    pub subject: Option<DistinguishedName>,
    pub path_length: Option<u8>,
    pub validity_days: Option<u32>,
    /// Whether the days were asked for; those that were not are cut to what the parent has left.
    pub validity_is_asked: bool,
    /// None for the first that is configured.
    pub token: Option<String>,
    /// How many parts its CRL is divided into.
    pub shards: u16,
    /// The URLs its CRLs are to be found by; None for those of the appliance.
    pub crl_urls: Option<Vec<String>>,
}

/// A place that is free.
pub(super) struct Placement {
    pub parent: Option<Arc<Authority>>,
    pub token: Token,
}

/// Why a place cannot be taken, each with what its caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum PlaceFault {
    #[error("there is no such authority")]
    NoParent,
    #[error("nothing can be signed: {0}")]
    ParentNotStanding(NotStanding),
    #[error("the authority {0} above it has the same subject")]
    SubjectOfAncestor(String),
    #[error("the parent's path length allows no authority below it")]
    PathLengthExhausted,
    #[error("the parent's path length allows at most {0} below this authority")]
    PathLengthTooLong(u8),
    #[error("it would outlive its parent, which ends {0}")]
    OutlivesParent(Timestamp),
    #[error("no token of that name is configured")]
    NoToken,
    #[error("an authority of this name exists")]
    NameTaken,
    #[error("its certificates would name no URL that a divided CRL is found by")]
    NoCrlUrl,
}

impl Place {
    /// When what lasts so many days from now on ends: with its parent at the latest, unless it was asked for.
    pub(super) fn end(&self, days: u32, parent: Option<&Authority>, now: Timestamp) -> Timestamp {
        let wanted = from_seconds(now.as_second() + i64::from(days) * 86_400);
        match parent {
            Some(parent) if !self.validity_is_asked => wanted.min(parent.not_after),
            Some(_) | None => wanted,
        }
    }
}

impl Creator {
    /// What stands against a place, for a request that is refused already.
    pub fn faults_of(&self, place: &Place, caller: &Caller) -> Result<Vec<PlaceFault>, CreateError> {
        match self.place(place, caller, self.now()) {
            Ok(_) => Ok(Vec::new()),
            Err(CreateError::Misplaced(faults)) => Ok(faults),
            Err(error) => Err(error),
        }
    }

    /// Finds the place, or every reason why there is none. Without a parent that is known nothing is held against it.
    pub(super) fn place(&self, place: &Place, caller: &Caller, now: Timestamp) -> Result<Placement, CreateError> {
        let mut faults = Vec::new();
        let parent = place.parent.and_then(|id| {
            let found = self.authorities.get(caller.organization(), id);
            if found.is_none() {
                faults.push(PlaceFault::NoParent);
            }
            found
        });
        if let Some(parent) = &parent {
            judge_parent(parent, place, now, &mut faults);
        }
        let end = place.validity_days.map(|days| place.end(days, parent.as_deref(), now));
        if let Some(parent) = parent.as_ref().filter(|parent| end.is_some_and(|end| end > parent.not_after)) {
            faults.push(PlaceFault::OutlivesParent(parent.not_after));
        }
        let token = match &place.token {
            Some(name) => self.issuer.token.named(name),
            None => Some(self.issuer.token.clone()),
        };
        if token.is_none() {
            faults.push(PlaceFault::NoToken);
        }
        let names = tenant::key(caller.organization(), place.name.as_deref().unwrap_or_default());
        if place.name.is_some() && self.issuer.storage.contains(Table::AuthorityNames, &names)? {
            faults.push(PlaceFault::NameTaken);
        }
        let has_url = place.crl_urls.as_ref().map_or(self.urls.base.is_some(), |urls| !urls.is_empty());
        if place.shards > 0 && !has_url {
            faults.push(PlaceFault::NoCrlUrl);
        }
        match token {
            Some(token) if faults.is_empty() => Ok(Placement { parent, token }),
            Some(_) | None => Err(CreateError::Misplaced(faults)),
        }
    }
}

fn judge_parent(parent: &Authority, place: &Place, now: Timestamp, faults: &mut Vec<PlaceFault>) {
    if let Err(error) = parent.standing(now) {
        faults.push(PlaceFault::ParentNotStanding(error));
    }
    // RFC 5280, 3.2 and 6.1: a certificate whose issuer has its own subject counts as self-issued, is left out of path
    // lengths, and leads clients that look for issuers by name in circles.
    let is_own = |above: &&Authority| place.subject.as_ref().is_some_and(|subject| above.subject.der() == subject.der());
    if let Some(above) = parent.and_above().find(is_own) {
        faults.push(PlaceFault::SubjectOfAncestor(above.name.clone()));
    }
    // RFC 5280, 4.2.1.9: every authority on the way down uses up one of the length of each above it.
    let left = parent.and_above().enumerate().filter_map(|(below, above)| {
        let length = above.path_length?;
        Some(usize::from(length).checked_sub(below + 1))
    });
    // None is less than any number: one that is exhausted outweighs the others.
    match (left.min(), place.path_length) {
        (Some(None), _) => faults.push(PlaceFault::PathLengthExhausted),
        (Some(Some(left)), Some(asked)) if usize::from(asked) > left => {
            faults.push(PlaceFault::PathLengthTooLong(u8::try_from(left).unwrap_or(u8::MAX)));
        }
        (Some(Some(_)) | None, _) => {}
    }
}
