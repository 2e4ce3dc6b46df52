//! Lists of certificates by authority or expiry, in pages whose work is bounded.

use super::certificates::expiry_key;
use super::{Certificates, InventoryError, Revocation, StoredCertificate};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::id::{CaId, CertId};
use crate::base::page::{Cursor, Page};
use crate::storage::Table;

/// Which certificates a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub ca: Option<CaId>,
    /// Those that end within this time from now, soonest first. Those that have ended are not shown.
    pub expiring_within: Option<Span>,
    /// Whether revoked ones are shown as well.
    pub include_revoked: bool,
}

/// A certificate and whether it was revoked by itself.
#[derive(Clone, Debug)]
pub struct Listed {
    pub certificate: StoredCertificate,
    pub revocation: Option<Revocation>,
}

/// How many certificates are looked at for one page at most, however few of them fit the filter.
const MOST_LOOKED_AT: usize = 5_000;

impl Filter {
    /// What a cursor is bound to.
    pub fn mark(&self) -> String {
        format!("certificates {:?} {:?} {}", self.ca, self.expiring_within.map(Span::as_seconds), self.include_revoked)
    }
}

impl Certificates {
    /// A page of at most `limit`, oldest or soonest to expire first. `ca_revoked` says of an authority whether all under it is
    /// revoked. A page may be short of its limit and still have a successor.
    pub fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
        ca_revoked: impl Fn(CaId) -> bool,
    ) -> Result<Page<Listed>, InventoryError> {
        let mut page = Page { items: Vec::new(), next: None };
        let mut last_key: Option<Vec<u8>> = None;
        for (looked_at, place) in self.places(filter, after).enumerate() {
            let Place { key, id, ca } = place?;
            if page.items.len() == limit || looked_at == MOST_LOOKED_AT {
                page.next = last_key.map(|key| Cursor::after(&filter.mark(), &key));
                break;
            }
            last_key = Some(key);
            if filter.ca.is_some_and(|wanted| ca.is_some_and(|ca| ca != wanted)) {
                continue;
            }
            let certificate = self.get(id)?.ok_or(InventoryError::Record)?;
            let revocation = self.revocation(certificate.ca, &certificate.serial)?;
            if filter.include_revoked || (revocation.is_none() && !ca_revoked(certificate.ca)) {
                page.items.push(Listed { certificate, revocation });
            }
        }
        Ok(page)
    }

    /// The places of the index that fits the filter best, in its order, from behind the cursor.
    fn places(&self, filter: &Filter, after: Option<&Cursor>) -> Box<dyn Iterator<Item = Result<Place, InventoryError>> + '_> {
        let after = after.map(|cursor| cursor.key().to_vec());
        if let Some(span) = filter.expiring_within {
            let now = self.clock.now();
            let first = after.unwrap_or_else(|| expiry_key(now, CertId::from_bytes([0; 16])));
            let until = expiry_key(from_seconds(now.as_second() + span.as_seconds() as i64), CertId::from_bytes([0xff; 16]));
            let places = self.storage.scan(Table::CertificatesByExpiry, &[], Some(&first));
            return Box::new(
                places
                    .map(|item| place(item.map_err(InventoryError::from)?))
                    .take_while(move |place| place.as_ref().map_or(true, |place| place.key <= until)),
            );
        }
        let (table, prefix) = match &filter.ca {
            Some(ca) => (Table::CertificatesByCa, ca.as_bytes().as_slice()),
            None => (Table::Certificates, [].as_slice()),
        };
        let keys = self.storage.scan_keys(table, prefix, after.as_deref());
        Box::new(keys.map(|key| place((key.map_err(InventoryError::from)?, Vec::new()))))
    }
}

/// A key of an index, and the certificate it leads to.
struct Place {
    key: Vec<u8>,
    id: CertId,
    /// Known where the index says it.
    ca: Option<CaId>,
}

/// Every index ends its keys with the certificate's id.
fn place((key, value): (Vec<u8>, Vec<u8>)) -> Result<Place, InventoryError> {
    let id = key.last_chunk::<16>().copied().map(CertId::from_bytes).ok_or(InventoryError::Record)?;
    Ok(Place { key, id, ca: CaId::from_slice(&value) })
}
