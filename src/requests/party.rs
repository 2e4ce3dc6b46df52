//! Who asked, and who decided.

use std::fmt;

use crate::access::{Caller, Maker};
use crate::audit::Actor;
use crate::base::id::{TokenId, UserId};

/// Somebody who takes part, as far as the appliance knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// The holder of an API token, and the user whose it is.
    Token { id: TokenId, name: String, user: Option<UserId> },
    /// A user of this machine, through the break-glass socket.
    BreakGlass { user: u32 },
    /// The daemon by itself.
    System,
    /// Nobody knows.
    Unknown,
}

impl Party {
    /// The caller of a request.
    pub fn of(caller: &Caller) -> Self {
        match caller.origin().actor() {
            Actor::Token { id, name } => Self::Token { id: *id, name: name.clone(), user: caller.user() },
            Actor::BreakGlass { user, process: _ } => Self::BreakGlass { user: *user },
            Actor::System => Self::System,
            // An account makes no such requests.
            Actor::Anonymous | Actor::AcmeAccount { .. } => Self::Unknown,
        }
    }

    /// Whether both may be the same. Names do not count, for they are no identity; and who is not known may be anybody.
    pub fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => true,
            // One user may have several tokens.
            (Self::Token { id, user, .. }, Self::Token { id: other, user: of_other, .. }) => {
                id == other || (user.is_some() && user == of_other)
            }
            (Self::BreakGlass { user }, Self::BreakGlass { user: other }) => user == other,
            (Self::System, Self::System) => true,
            (Self::Token { .. } | Self::BreakGlass { .. } | Self::System, _) => false,
        }
    }
}

impl Party {
    /// Whether one who came by these tokens came by this party's: whoever makes a token has seen its secret, whosesoever user's it is.
    pub fn has_made(&self, makers: &[Maker]) -> bool {
        match self {
            Self::Token { id, user, name: _ } => makers.iter().any(|maker| maker.token == *id || (user.is_some() && maker.user == *user)),
            Self::BreakGlass { .. } | Self::System | Self::Unknown => false,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { id, name, user: _ } => write!(f, "{id} ({name})"),
            Self::BreakGlass { user } => write!(f, "break-glass (uid {user})"),
            Self::System => f.write_str("system"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
