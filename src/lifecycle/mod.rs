//! What becomes of certificates beside being issued: those from elsewhere are imported. And the end of certificates and authorities, and what
//! takes their place: that it is near; revocation, a small durable record first and everything derived from it later; renewal by the rules of
//! today; and deletion, for good.

mod delete;
mod expiry;
mod holdings;
mod import;
mod renew;
mod revoke;

pub use delete::{DeleteError, Deleter};
pub use expiry::{ExpiryNotices, NOTICE_DAYS};
pub use holdings::Holdings;
pub use import::{ImportError, ImportOrder, ImportWarning, Imported, Importer, NotTheIssuer};
pub use renew::{RenewError, Renewal, Renewed, Renewer};
pub use revoke::{RevokeError, Revoked, Revoker, Target};
