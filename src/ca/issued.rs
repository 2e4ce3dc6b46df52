//! The list of an organisation's certificates, where one counts as revoked with its authority too.

use std::collections::HashMap;

use super::Authorities;
use crate::base::id::{CaId, OrgId};
use crate::base::page::{Cursor, Page};
use crate::inventory::{Certificates, Filter, InventoryError, Listed, Revocation};

impl Authorities {
    /// A page of what authorities of the organisation have issued, and of what comes from elsewhere, each with the revocation that counts for it:
    /// its own or that of its authority. `mark` is what its cursor is bound to.
    pub fn list_issued(
        &self,
        inventory: &Certificates,
        organization: OrgId,
        filter: &Filter,
        mark: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Listed>, InventoryError> {
        let mut issuers = match filter.ca {
            Some(ca) => self.get(organization, ca).into_iter().collect(),
            None => self.all(organization),
        };
        // What a revoked authority has issued is revoked with it, so there is nothing to look for.
        issuers.retain(|authority| filter.include_revoked || authority.revocation().is_none());
        let elsewhere = filter.ca.is_none().then(|| CaId::elsewhere(organization));
        let ids: Vec<_> = issuers.iter().map(|authority| authority.id).chain(elsewhere).collect();
        let revoked: HashMap<CaId, &Revocation> =
            issuers.iter().filter_map(|authority| Some((authority.id, authority.revocation()?))).collect();
        let mut page = inventory.list(&ids, filter, mark, after, limit)?;
        for listed in page.items.iter_mut().filter(|listed| listed.revocation.is_none()) {
            listed.revocation = revoked.get(&listed.certificate.ca).copied().cloned();
        }
        Ok(page)
    }
}
