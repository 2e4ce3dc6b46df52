//! Why something about access was not done.

use std::fmt;

use crate::base::id::TokenId;
use crate::storage::{CommitError, ReadError};

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Organization,
    Project,
    User,
    Token,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("no such {0}")]
    NotFound(Kind),
    #[error("a {0} of this name exists")]
    NameTaken(Kind),
    /// A name in the request that leads to nothing.
    #[error("there is no such {0} in that organization")]
    Unknown(Kind),
    #[error("nobody can give more rights than they have")]
    Escalation,
    #[error("only the system right renames an organization")]
    NeedsSystem,
    #[error("the organization owns more than projects, users and tokens")]
    InUse,
    #[error("the default organization stays")]
    IsDefault,
    /// The token that has it, where the caller may know.
    #[error("that key stands for another token")]
    KeyTaken(Option<TokenId>),
    #[error("too many tokens in a row were each made with the one before")]
    TooManyGenerations,
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("a record of an organization, a project, a user or a token cannot be read")]
    Record,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Kind {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Project => "project",
            Self::User => "user",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
