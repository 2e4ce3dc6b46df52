//! The audit log: a change commits with its entry or not at all, and what was refused leaves one too.
//!
//! Entries are the notes of changes, so they stand in the journal, in its order and under its hash chain; there is no second log that could disagree.
//! An entry is made of closed lists (who, what, how it ended, which details), so nothing secret gets in by accident; texts in it are bounded and
//! carry no control characters. Nothing here deletes or alters an entry.

mod entry;
mod ledger;
mod origin;
mod record;
mod verify;

#[cfg(test)]
mod tests;

pub use entry::{Action, Actor, Entry, Field, Outcome};
pub use ledger::{Change, Filter, Ledger, Listed, Listing, Start};
pub use origin::Origin;
pub use record::EntryFault;
pub use verify::{Report, VerifyError, verify, verify_with};
