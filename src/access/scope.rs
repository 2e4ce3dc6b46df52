//! Scopes a token holds and permissions an endpoint asks for: `pki:admin` holds `pki:issue`, which holds `pki:read`.

use std::fmt;
use std::str::FromStr;

/// A right that a token holds. The order is the order of inclusion: a greater scope holds all lesser ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    PkiRead,
    PkiIssue,
    PkiAdmin,
}

/// What an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anybody, without a token.
    Public,
    /// A caller that holds this scope or one that includes it.
    Scope(Scope),
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known scopes are pki:admin, pki:issue and pki:read")]
pub struct UnknownScope;

impl Scope {
    /// Every scope, narrowest first.
    pub const ALL: [Self; 3] = [Self::PkiRead, Self::PkiIssue, Self::PkiAdmin];

    /// Its name on the wire and on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::PkiRead => "pki:read",
            Self::PkiIssue => "pki:issue",
            Self::PkiAdmin => "pki:admin",
        }
    }

    /// Whether who holds `self` may do what asks for `asked`.
    pub fn includes(self, asked: Self) -> bool {
        self >= asked
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}
