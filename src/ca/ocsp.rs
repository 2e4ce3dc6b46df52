//! The OCSP responders of the authorities (RFC 6960, 5019, 9654): each has a key of its own in the authority's token, named by a certificate
//! of the authority's that is good for this and nothing else.
//!
//! ```text
//!             the first question            two thirds of the certificate's life        its last answer has ended
//!   no key ─────────────────────▶ active ─────────────────────────────────────▶ retired ──────────────────────────▶ destroyed
//!     ▲                             │ (another key is active by then)
//!     └── a start destroys a key ───┘
//!         whose making was cut short
//! ```
//!
//! Guarantees: what is said of a certificate is what the store says when the answer leaves, also when the answer was signed long before: an
//! answer of the cache that says anything else is not given, and neither is one that was overtaken while the token signed it. Every signature was
//! verified before it is released. Strangers make the token sign no more than a part of what it can do at once, what is of use to one of them alone in a
//! part of that, and fill no more memory than there is for answers.
//!
//! Never does: answer for a certificate by anything but the store, issue a responder for an authority that has expired, or keep an answer
//! beyond its end. A revoked authority has one: that is who tells of all that it has issued.

mod cache;
mod keys;
mod record;
mod responder;
mod rotation;
mod status;
mod turns;

pub use keys::{ResponderKey, ResponderKeys};
pub(super) use record::SettingRecord;
pub use record::{OcspSetting, reads};
pub use responder::{Caching, OcspAnswer, OcspResponder, OcspSchedule, Said};
pub use rotation::ROLE as OCSP_ROLE;

use crate::inventory::InventoryError;
use crate::storage::{CommitError, ReadError};
use crate::token::TokenError;

/// Why there is no responder or no answer.
#[derive(Debug, thiserror::Error)]
pub enum OcspError {
    /// Nobody may answer for this authority any more.
    #[error(transparent)]
    NotStanding(#[from] super::NotStanding),
    #[error("the token has enough to sign already")]
    Busy,
    #[error("the token did not answer in time")]
    TooSlow,
    #[error("the responder was not made; it is tried again later")]
    NotMadeYet,
    #[error("what was asked about was revoked or lifted while the answer was signed, again and again")]
    Changing,
    #[error("the record of a responder cannot be read or written")]
    Record,
    #[error("the response cannot be encoded")]
    Encoding,
    #[error(transparent)]
    Issue(#[from] super::IssueError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}
