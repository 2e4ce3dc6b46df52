//! What the appliance holds, as those need it who take certificates in, watch them and take them out.

use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::ca::Authorities;
use crate::inventory::{Certificates, KeptKeys};
use crate::storage::Storage;

/// Authorities, certificates and keys, where they are stored and where that is told. Clones share it all.
#[derive(Clone)]
pub struct Holdings {
    pub authorities: Authorities,
    pub certificates: Certificates,
    pub kept: KeptKeys,
    pub storage: Storage,
    pub ledger: Ledger,
    pub clock: Clock,
}
