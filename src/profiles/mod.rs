//! Roles: named policies under one authority, stored, and compiled to [`crate::policy::Policy`].

mod acme;
mod read;
mod record;
mod roles;

pub use acme::{AcmeOpening, ChallengeKind};
pub use read::{KeyKeeping, RoleName, RoleRules, read_key_type, read_rules};
pub use record::reads;
pub use roles::{ProfileError, Role, Roles};
