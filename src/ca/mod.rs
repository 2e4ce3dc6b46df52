//! Authorities and everything that is signed in their name: the one path to every signature.
//!
//! [`Issuer::issue`] is where all protocols end. What is signed is a [`prepare::Prepared`], which only this module can make;
//! an intention is durable before the token is asked, and the result is durable before anybody sees it.

mod authority;
mod create;
mod crl;
mod issue;
mod issued;
mod ocsp;
mod placement;
mod prepare;
mod reconciliation;
mod record;
mod registry;
mod request;
mod serial_source;
mod subject_key;

pub use authority::{Authority, Kind, NotStanding};
pub use create::{CreateError, Creator};
pub use crl::{
    CrlBytes, CrlError, CrlForm, CrlHealth, CrlName, CrlPublisher, CrlSchedule, CrlSettings, PruneError, Pruned, PublishedCrl,
    part_named_by,
};
pub use issue::{IssueError, Issued, Issuer, Order};
pub use ocsp::{Caching, OCSP_ROLE, OcspAnswer, OcspError, OcspResponder, OcspSchedule, OcspSetting, ResponderKey, ResponderKeys, Said};
pub use placement::{Place, PlaceFault};
pub use prepare::PrepareError;
pub use reconciliation::{KeyFault, reconcile};
pub use record::reads;
pub use registry::{Authorities, AuthorityError};
pub use request::{AuthorityRequest, PublicUrls, RefusedAuthority};
pub use serial_source::{NoRandomness, SerialSource};
pub use subject_key::{KeyOrder, RETRY_AFTER_SECONDS, SubjectKey, SubjectKeyError, SubjectKeys};
