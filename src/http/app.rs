//! What the handlers work with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::Streams;
use super::idempotency::IdempotencyKeys;
use super::long_work::LongWork;
use super::metrics::Metrics;
use super::rate::Rates;
use crate::access::Directory;
use crate::acme_server::AcmeServer;
use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::ca::{Authorities, Creator, CrlPublisher, Issuer, KeyFault, OcspResponder, SubjectKeys};
use crate::events::Events;
use crate::events::webhooks::Webhooks;
use crate::inventory::{Certificates, Inquiry, KeptKeys, TrustAnchors};
use crate::lifecycle::{Deleter, ExpiryNotices, Importer, Renewer, Revoker};
use crate::profiles::Roles;
use crate::requests::Requests;
use crate::secrets::Secrets;
use crate::storage::Storage;
use crate::token::Token;

/// The parts of the appliance, put together once by the daemon.
pub struct App {
    pub access: Directory,
    pub roles: Arc<Roles>,
    /// None when the configuration does not open it.
    pub acme: Option<AcmeServer>,
    pub authorities: Authorities,
    pub creator: Creator,
    pub issuer: Issuer,
    pub subject_keys: SubjectKeys,
    pub kept_keys: KeptKeys,
    pub certificates: Certificates,
    pub anchors: TrustAnchors,
    pub inquiry: Inquiry,
    pub secrets: Secrets,
    pub revoker: Revoker,
    pub importer: Importer,
    pub renewer: Renewer,
    pub deleter: Deleter,
    pub requests: Requests,
    pub crls: Arc<CrlPublisher>,
    pub ocsp: Arc<OcspResponder>,
    pub expiry: ExpiryNotices,
    pub events: Events,
    pub streams: Streams,
    pub long_work: LongWork,
    pub webhooks: Webhooks,
    pub idempotency: IdempotencyKeys,
    pub ledger: Ledger,
    pub storage: Storage,
    pub token: Token,
    /// How many keys were found at the start not to be as the records say.
    pub key_faults: BTreeMap<KeyFault, usize>,
    pub clock: Clock,
    pub metrics: Metrics,
    pub rates: Rates,
}
