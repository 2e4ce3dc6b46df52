//! Who may do what: organisations, their projects, users and API tokens, the rights these hold, and the caller a request turns into.
//!
//! An organisation owns whatever there is besides it. Every caller belongs to one, and what another owns does not exist for that caller.
//! Nobody gives more rights than they have. A right is asked of [`Caller`] alone, whatever family of names it was given by.

mod caller;
mod directory;
mod error;
mod organizations;
mod projects;
mod record;
mod rights;
mod scope;
mod secret;
mod tokens;
mod users;

pub use caller::Caller;
pub use directory::{Directory, Holder};
pub use error::{AccessError, Kind};
pub use organizations::{Organization, OrganizationChange, OrganizationRequest, owned, released};
pub use projects::{Project, ProjectChange, ProjectRequest};
pub use record::reads;
pub use rights::{Grant, GrantFault, Rights};
pub use scope::{Permission, Scope, UnknownScope};
pub use secret::{Secret, without_secrets};
pub use tokens::{Credential, LONGEST_TOKEN_LIFE, Maker, NewToken, Token, TokenRequest};
pub use users::{User, UserChange, UserRequest, UserRole};

#[cfg(test)]
mod tests;
