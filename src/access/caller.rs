//! The caller of a request.

use std::fmt;

use super::{Scope, Token};
use crate::audit::{Actor, Field, Origin};
use crate::base::id::RequestId;

/// Who asks. It is made by authentication or by the daemon for its own work, and handed down to whatever is done.
#[derive(Clone, Debug)]
pub struct Caller {
    origin: Origin,
    scopes: Vec<Scope>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.actor().fmt(f)
    }
}

impl Caller {
    /// The bearer of an API token, or the holder of the key that stands for one.
    pub fn token(token: &Token, request: RequestId) -> Self {
        let actor = Actor::Token { id: token.id, name: token.name.clone() };
        Self { origin: Origin::request(actor, request), scopes: token.scopes.clone() }
    }

    /// Somebody without a token; may do only what is public.
    pub fn anonymous(request: RequestId) -> Self {
        Self { origin: Origin::request(Actor::Anonymous, request), scopes: Vec::new() }
    }

    /// A process of this machine that came through the break-glass socket: every right, and no secret was shown for it.
    pub fn break_glass(user: u32, process: i32, request: RequestId) -> Self {
        Self { origin: Origin::request(Actor::BreakGlass { user, process }, request), scopes: Scope::ALL.to_vec() }
    }

    /// The daemon itself.
    pub fn system() -> Self {
        Self { origin: Origin::system(), scopes: Scope::ALL.to_vec() }
    }

    /// The same, with something that all audit entries of its deeds shall tell.
    #[must_use]
    pub fn seen_as(mut self, field: Field, value: impl ToString) -> Self {
        self.origin = self.origin.with(field, value);
        self
    }

    /// Whether it holds the scope, by name or by a wider one.
    pub fn holds(&self, asked: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(asked))
    }

    /// What the audit entries of its deeds begin with.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}
