//! Certificate signing requests that a person decides about, and not a role.
//!
//! ```text
//!            ┌─ approve ─▶ approved ── sign ──▶ signed
//!  pending ──┤
//!            └─ reject ──▶ rejected
//! ```
//!
//! A request comes from outside or is made here, and then its private key is in the token and stays there. What was asked for never
//! changes: an approval is bound to its hash, and what is signed is held against that hash and judged by the policy once more. Each step
//! commits with its audit entry, on condition that the state is still the one that was read, so that one request makes one certificate
//! however many ask for it at once. Nobody approves what they asked for unless the organisation allows it.
//!
//! Never does: sign by itself. A certificate comes from [`crate::ca::Issuer::issue`], in whose change the request becomes signed.

mod generate;
mod judgement;
mod key_request;
mod list;
mod party;
mod pending;
mod record;
mod register;
mod signing;
mod state;

pub use judgement::judge;
pub use key_request::{KeyRequest, SUBJECT_FIELDS};
pub use list::Filter;
pub use party::Party;
pub use record::reads;
pub use register::{RequestError, Requests, SigningRequest};
pub use signing::{Terms, read_name};
pub use state::{Approval, Rejection, Signing, State, Status, TransitionError};

#[cfg(test)]
mod tests;
