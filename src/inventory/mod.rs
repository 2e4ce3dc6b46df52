//! The certificates the appliance has issued: written once, found by id, serial number, authority and expiry, with the labels
//! people put on them and whether they were revoked; and their private keys, where those are kept. And whom else to believe: trust anchors, and the validation of any certificate.

mod anchors;
mod asking;
mod certificates;
mod ending;
mod foreign_crls;
mod foreign_ocsp;
mod imported;
mod inquiry;
mod kept_keys;
mod list;
mod migration;
mod outside;
mod record;
mod removed;
mod revocation;
mod revocation_journal;
mod validation;

pub use anchors::{AnchorError, TrustAnchor, TrustAnchors};
pub use certificates::{Certificates, InventoryError, KeyOrigin, Labels, Lineage, StoredCertificate, add, add_renewal};
pub use ending::EndingPlace;
pub use foreign_crls::{CrlDoubt, Listing, listing, signers};
pub use foreign_ocsp::{OcspDoubt, Stated};
pub use imported::add_imported;
pub use inquiry::{Evidence, Inquired, Inquiry};
pub use kept_keys::{KeptKey, KeptKeyError, KeptKeys, KeyOwner, KeyPlace, RecordedKey, Released};
pub use list::{Filter, Listed};
pub use migration::bring_up_to_date;
pub use record::reads;
pub use removed::Removed;
pub use revocation::{CrlPart, LogEntry, Revocation, revocation_key};
pub use revocation_journal::{Merged, RevocationJournal, RevocationJournalError};
pub use validation::{Anchor, OwnAuthority, Question, UnknownInPath, Verdict, validate};

#[cfg(test)]
mod tests;
