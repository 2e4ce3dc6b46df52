//! The certificates the appliance has issued: written once, found by id, serial number, authority and expiry, with the labels
//! people put on them and whether they were revoked.

mod certificates;
mod list;
mod record;
mod revocation;

pub use certificates::{Certificates, InventoryError, Labels, StoredCertificate, add};
pub use list::{Filter, Listed};
pub use revocation::{Revocation, revocation_key};
