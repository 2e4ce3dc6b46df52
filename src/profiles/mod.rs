//! Roles: named policies under one authority, stored, and compiled to [`crate::policy::Policy`].

mod read;
mod record;
mod roles;

pub use read::{RoleFields, RoleName, read_key_type};
pub use roles::{ProfileError, Role, Roles};
