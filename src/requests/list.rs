//! Lists of requests, all or those of one status, in pages.

use super::register::{organization_key, status_key};
use super::{RequestError, Requests, SigningRequest, Status};
use crate::base::id::{CsrId, OrgId};
use crate::base::page::{Cursor, Page};
use crate::storage::Table;

/// Which requests a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub status: Option<Status>,
}

impl Filter {
    /// What a cursor is bound to, beside the organisation.
    pub fn mark(&self) -> String {
        format!("requests {:?}", self.status)
    }
}

impl Requests {
    /// A page of at most `limit` of an organisation's, oldest first. `mark` is what cursors are bound to.
    pub fn list(
        &self,
        organization: OrgId,
        filter: Filter,
        (mark, after): (&str, Option<&Cursor>),
        limit: usize,
    ) -> Result<Page<SigningRequest>, RequestError> {
        let mut page = Page { items: Vec::new(), next: None };
        let mut last: Option<CsrId> = None;
        for id in self.ids(organization, filter, after) {
            let id = id?;
            if page.items.len() == limit {
                page.next = last.map(|last| Cursor::after(mark, last.as_bytes()));
                break;
            }
            last = Some(id);
            // One that was deleted or went on in this moment is no part of the list.
            let found = self.get(organization, id)?.filter(|request| filter.status.is_none_or(|status| request.state.status() == status));
            page.items.extend(found);
        }
        Ok(page)
    }

    fn ids(
        &self,
        organization: OrgId,
        filter: Filter,
        after: Option<&Cursor>,
    ) -> impl Iterator<Item = Result<CsrId, RequestError>> + use<> {
        let after = after.and_then(|cursor| CsrId::from_slice(cursor.key()));
        let (table, prefix, after) = match filter.status {
            Some(status) => {
                let prefix = [organization.as_bytes().as_slice(), &[status.number()]].concat();
                (Table::RequestsByStatus, prefix, after.map(|id| status_key(organization, status, id)))
            }
            None => (Table::RequestsByOrganization, organization.as_bytes().to_vec(), after.map(|id| organization_key(organization, id))),
        };
        let keys = self.storage.scan_keys(table, &prefix, after.as_deref());
        keys.map(|key| {
            let unreadable = RequestError::Record(CsrId::from_bytes([0; 16]));
            key?.last_chunk::<16>().copied().map(CsrId::from_bytes).ok_or(unreadable)
        })
    }
}
