//! The certificates the appliance has issued: written once, found by id, serial number, authority and expiry, with the labels
//! people put on them and whether they were revoked. And whom else to believe: trust anchors, and the validation of any certificate.

mod anchors;
mod certificates;
mod list;
mod record;
mod revocation;
mod validation;

pub use anchors::{AnchorError, TrustAnchor, TrustAnchors};
pub use certificates::{Certificates, InventoryError, Labels, StoredCertificate, add};
pub use list::{Filter, Listed};
pub use revocation::{Revocation, revocation_key};
pub use validation::{Anchor, OwnAuthority, Question, Verdict, validate};
