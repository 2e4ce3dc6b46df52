//! Where a deed comes from: who, and in which request.

use jiff::Timestamp;

use super::{Action, Actor, Entry, Field, Outcome};
use crate::base::id::{OrgId, RequestId};

/// Who acts, and the request that made them. It begins the entries of all that is done.
#[derive(Clone, Debug)]
pub struct Origin {
    actor: Actor,
    request: Option<RequestId>,
    organization: Option<OrgId>,
    /// What every entry tells besides: where the request came from.
    details: Vec<(Field, String)>,
}

impl Origin {
    /// Somebody's request.
    pub fn request(actor: Actor, request: RequestId) -> Self {
        Self { actor, request: Some(request), organization: None, details: Vec::new() }
    }

    /// What is done on somebody's behalf outside of any request.
    pub fn of(actor: Actor) -> Self {
        Self { actor, request: None, organization: None, details: Vec::new() }
    }

    /// The same, when it has turned out who acts.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// The daemon's own work.
    pub fn system() -> Self {
        Self { actor: Actor::System, request: None, organization: None, details: Vec::new() }
    }

    /// On behalf of that organisation.
    #[must_use]
    pub fn within(mut self, organization: OrgId) -> Self {
        self.organization = Some(organization);
        self
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// With one more detail that every entry shall tell.
    #[must_use]
    pub fn with(mut self, field: Field, value: impl ToString) -> Self {
        self.details.push((field, value.to_string()));
        self
    }

    /// An entry of something that is done.
    pub fn entry(&self, action: Action, now: Timestamp) -> Entry {
        let entry =
            Entry { details: self.details.clone(), organization: self.organization, ..Entry::done(now, self.actor.clone(), action) };
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
