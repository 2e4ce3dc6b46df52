//! How many requests wait to be decided about: counted for each organisation, and no more than are allowed.
//!
//! The count is in memory and begins with what the store has. Room is taken before anything is made and given back when nothing was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::register::status_key;
use super::{RequestError, Status};
use crate::base::id::{CsrId, OrgId};
use crate::storage::{Storage, Table};

/// The counts; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    most: Arc<AtomicUsize>,
    counts: Arc<Mutex<HashMap<OrgId, usize>>>,
}

/// Room for one more, given back when it is dropped.
#[derive(Debug)]
#[must_use = "room is given back when it is dropped"]
pub(super) struct Room {
    /// None once it is taken.
    pending: Option<Pending>,
    organization: OrgId,
}

impl Default for Pending {
    fn default() -> Self {
        Self { most: Arc::new(AtomicUsize::new(usize::MAX)), counts: Arc::default() }
    }
}

impl Pending {
    pub fn allow(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Room for one more request of the organisation, when there is any.
    pub fn room(&self, storage: &Storage, organization: OrgId) -> Result<Room, RequestError> {
        let most = self.most.load(Ordering::Relaxed);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = match counts.get_mut(&organization) {
            Some(count) => count,
            // The first since the start.
            None => counts.entry(organization).or_insert(stored(storage, organization)?),
        };
        if *count >= most {
            return Err(RequestError::TooManyPending(*count));
        }
        *count += 1;
        Ok(Room { pending: Some(self.clone()), organization })
    }

    /// That a request is not what it was: if that was pending, there is room again.
    pub fn left(&self, organization: OrgId, before: Status) {
        if before != Status::Pending {
            return;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a count the store is still to be counted, and it has this one no more.
        if let Some(count) = counts.get_mut(&organization) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Room {
    /// The request is there.
    pub fn take(mut self) {
        self.pending = None;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(pending) = &self.pending {
            pending.left(self.organization, Status::Pending);
        }
    }
}

fn stored(storage: &Storage, organization: OrgId) -> Result<usize, RequestError> {
    let prefix = status_key(organization, Status::Pending, CsrId::from_bytes([0; 16]));
    let prefix = prefix.get(..17).unwrap_or(&prefix);
    storage.scan_keys(Table::RequestsByStatus, prefix, None).try_fold(0, |count, key| key.map(|_| count + 1).map_err(RequestError::Read))
}
