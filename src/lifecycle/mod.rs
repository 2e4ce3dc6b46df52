//! The end of certificates and authorities: revocation, a small durable record first and everything derived from it later.

mod revoke;

pub use revoke::{RevokeError, Revoked, Revoker, Target};
