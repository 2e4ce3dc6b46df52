//! Where a deed comes from: who, and in which request.

use jiff::Timestamp;

use super::{Action, Actor, Entry, Outcome};
use crate::base::id::RequestId;

/// Who acts, and the request that made them. It begins the entries of all that is done.
#[derive(Clone, Debug)]
pub struct Origin {
    actor: Actor,
    request: Option<RequestId>,
}

impl Origin {
    /// Somebody's request.
    pub fn request(actor: Actor, request: RequestId) -> Self {
        Self { actor, request: Some(request) }
    }

    /// The daemon's own work.
    pub fn system() -> Self {
        Self { actor: Actor::System, request: None }
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// An entry of something that is done.
    pub fn entry(&self, action: Action, now: Timestamp) -> Entry {
        let entry = Entry::done(now, self.actor.clone(), action);
        match self.request {
            Some(request) => entry.request(request),
            None => entry,
        }
    }

    /// An entry of something that was refused, with the code of the problem.
    pub fn refused(&self, action: Action, now: Timestamp, code: &str) -> Entry {
        Entry { outcome: Outcome::Refused { code: code.to_owned() }, ..self.entry(action, now) }
    }
}
