//! The ACME server of RFC 8555: accounts, orders, authorizations, and certificates by the one path to every certificate.
//!
//! ```text
//! bytes ─▶ Signed (read) ─▶ verified by the account's key ─▶ url ─▶ account stands ─▶ credential stands ─▶ nonce used up ─▶ AccountRequest
//! ```
//! Every operation takes an [`AccountRequest`], a [`KeyRequest`] or an [`EitherRequest`], which only that way makes.
//!
//! Guarantees: what was acknowledged is durable with its audit entry, and the nonce of a request that changed something is used up in the same
//! change. One order makes one certificate. An authorization serves the account, the name and the kind of name it is of, and no other.
//!
//! Never does: issue by a way of its own, or believe a name because a CSR has it.

mod account;
mod accounts;
mod administration;
mod authorization;
mod challenges;
mod credential;
mod error;
mod finalize;
mod hosts;
mod identifier;
mod incident;
mod jws;
mod key_change;
mod limits;
mod new_order;
mod nonce;
mod order;
mod orders;
mod profile;
mod record;
mod renewal_info;
mod request;
mod revocation;
mod server;
mod sweep;
mod unfinished;
mod urls;
pub mod validation;

pub use account::Account;
pub use accounts::Registered;
pub use authorization::{Authorization, AuthorizationState, AuthorizationStatus, Challenge, ChallengeState};
pub use credential::{Credential, CredentialRequest, Credentials};
pub use error::{
    AcmeError, BindingFault, ContactFault, DatesFault, ErrorType, FinalizeFault, IdentifierFault, KeyChangeFault, Limited, NameFault,
    OrderFault, ProfileFault, ReplacesFault, StoredFault, Thing,
};
pub use finalize::check_names;
pub use identifier::{alt_name, read as read_identifier, shown, shown_base};
pub use incident::{Affected, Incident};
pub use jws::{Algorithm, Jwk, JwkFault, JwsFault, Payload, Signed};
pub use limits::{Allowance, Allowances};
pub use order::{Order, OrderState, OrderStatus};
pub use orders::{OrderPage, ShownOrder};
pub use record::reads;
pub use renewal_info::Renewal;
pub use request::{AccountRequest, Arrival, EitherRequest, KeyRequest};
pub use server::{AcmeServer, Parts, Settings, source};
pub use urls::{Base, read_challenge_id};

use crate::base::id::{AcmeAccountId, AcmeOrderId};

/// By which account and order a certificate came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateSource {
    pub account: AcmeAccountId,
    pub order: AcmeOrderId,
}
