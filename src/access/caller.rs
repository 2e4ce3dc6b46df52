//! The caller of a request, and the audit entries that name it.

use jiff::Timestamp;

use super::Scope;
use crate::audit::{Action, Actor, Entry, Outcome};
use crate::base::id::{RequestId, TokenId};

/// Who asks. It is made by authentication or by the daemon for its own work, and handed down to whatever is done.
#[derive(Clone, Debug)]
pub struct Caller {
    actor: Actor,
    scopes: Vec<Scope>,
    request: Option<RequestId>,
}

impl Caller {
    /// The bearer of an API token.
    pub fn token(id: TokenId, name: &str, scopes: Vec<Scope>, request: RequestId) -> Self {
        Self { actor: Actor::Token { id, name: name.to_owned() }, scopes, request: Some(request) }
    }

    /// Somebody without a token; may do only what is public.
    pub fn anonymous(request: RequestId) -> Self {
        Self { actor: Actor::Anonymous, scopes: Vec::new(), request: Some(request) }
    }

    /// The daemon itself.
    pub fn system() -> Self {
        Self { actor: Actor::System, scopes: Scope::ALL.to_vec(), request: None }
    }

    /// Whether it holds the scope, by name or by a wider one.
    pub fn holds(&self, asked: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(asked))
    }

    /// An audit entry of something this caller did.
    pub fn entry(&self, action: Action, now: Timestamp) -> Entry {
        let entry = Entry::done(now, self.actor.clone(), action);
        match self.request {
            Some(request) => entry.request(request),
            None => entry,
        }
    }

    /// An audit entry of something this caller was refused, with the code of the problem.
    pub fn refused(&self, action: Action, now: Timestamp, code: &str) -> Entry {
        Entry { outcome: Outcome::Refused { code: code.to_owned() }, ..self.entry(action, now) }
    }
}
