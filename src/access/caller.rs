//! The caller of a request.

use std::fmt;

use super::Scope;
use crate::audit::{Actor, Origin};
use crate::base::id::{RequestId, TokenId};

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
    /// The bearer of an API token.
    pub fn token(id: TokenId, name: &str, scopes: Vec<Scope>, request: RequestId) -> Self {
        Self { origin: Origin::request(Actor::Token { id, name: name.to_owned() }, request), scopes }
    }

    /// Somebody without a token; may do only what is public.
    pub fn anonymous(request: RequestId) -> Self {
        Self { origin: Origin::request(Actor::Anonymous, request), scopes: Vec::new() }
    }

    /// The daemon itself.
    pub fn system() -> Self {
        Self { origin: Origin::system(), scopes: Scope::ALL.to_vec() }
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
