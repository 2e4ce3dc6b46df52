//! What the handlers work with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::metrics::Metrics;
use crate::access::Tokens;
use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::ca::{Authorities, Creator, CrlPublisher, Issuer, KeyFault, SubjectKeys};
use crate::inventory::{Certificates, TrustAnchors};
use crate::lifecycle::Revoker;
use crate::profiles::Roles;
use crate::storage::Storage;
use crate::token::Token;

/// The parts of the appliance, put together once by the daemon.
pub struct App {
    pub tokens: Tokens,
    pub roles: Roles,
    pub authorities: Authorities,
    pub creator: Creator,
    pub issuer: Issuer,
    pub subject_keys: SubjectKeys,
    pub certificates: Certificates,
    pub anchors: TrustAnchors,
    pub revoker: Revoker,
    pub crls: Arc<CrlPublisher>,
    pub ledger: Ledger,
    pub storage: Storage,
    pub token: Token,
    /// How many keys were found at the start not to be as the records say.
    pub key_faults: BTreeMap<KeyFault, usize>,
    pub clock: Clock,
    pub metrics: Metrics,
}
