//! Lists of certificates in pages whose work is bounded.
//!
//! Indexes are kept by authority: in the order of ids, and in the order of expiry. A list over several authorities merges their indexes, so it
//! reads what it shows and nothing of others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::certificates::expiry_key;
use super::{Certificates, InventoryError, Revocation, StoredCertificate};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::id::{CaId, CertId};
use crate::base::page::{Cursor, Page};
use crate::storage::{ReadError, Storage, Table};

/// Which certificates a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub ca: Option<CaId>,
    /// Those that end within this time from now, soonest first. Those that have ended are not shown.
    pub expiring_within: Option<Span>,
    /// Whether revoked ones are shown as well.
    pub include_revoked: bool,
}

/// A certificate and whether it was revoked, by itself unless it is said otherwise.
#[derive(Clone, Debug)]
pub struct Listed {
    pub certificate: StoredCertificate,
    pub revocation: Option<Revocation>,
}

/// How many certificates are looked at for one page at most, however few of them fit the filter.
const MOST_LOOKED_AT: usize = 2_000;

impl Filter {
    /// What a cursor is bound to.
    pub fn mark(&self) -> String {
        format!("certificates {:?} {:?} {}", self.ca, self.expiring_within.map(Span::as_seconds), self.include_revoked)
    }
}

impl Certificates {
    /// A page of at most `limit` of what these authorities issued, oldest or soonest to expire first. `mark` is what its cursor is bound to.
    /// A page may be short of its limit and still have a successor.
    pub fn list(
        &self,
        authorities: &[CaId],
        filter: &Filter,
        mark: &str,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Listed>, InventoryError> {
        let mut page = Page { items: Vec::new(), next: None };
        let mut last: Option<Vec<u8>> = None;
        let (table, from, until) = self.range(filter, after);
        let places = Merged::open(&self.storage, table, authorities, from.as_deref())?;
        for (looked_at, place) in places.enumerate() {
            let place = place?;
            if until.as_ref().is_some_and(|until| place > *until) {
                break;
            }
            if page.items.len() == limit || looked_at == MOST_LOOKED_AT {
                page.next = last.map(|place| Cursor::after(mark, &place));
                break;
            }
            // Every index ends its keys with the certificate's id.
            let id = place.last_chunk::<16>().copied().map(CertId::from_bytes).ok_or(InventoryError::Record)?;
            last = Some(place);
            // One that is deleted in this moment is no part of the list.
            let Some(certificate) = self.of_any_organization(id)? else { continue };
            let revocation = self.revocation(certificate.ca, &certificate.serial)?;
            if filter.include_revoked || revocation.is_none() {
                page.items.push(Listed { certificate, revocation });
            }
        }
        Ok(page)
    }

    /// The index that fits the filter, and between which of its places: from behind the first, up to the last.
    fn range(&self, filter: &Filter, after: Option<&Cursor>) -> (Table, Option<Vec<u8>>, Option<Vec<u8>>) {
        let after = after.map(|cursor| cursor.key().to_vec());
        let Some(span) = filter.expiring_within else { return (Table::CertificatesByCa, after, None) };
        let now = self.clock.now();
        let until = expiry_key(from_seconds(now.as_second() + span.as_seconds() as i64), CertId::from_bytes([0xff; 16]));
        let from = after.unwrap_or_else(|| expiry_key(now, CertId::from_bytes([0; 16])));
        (Table::CertificatesByCaExpiry, Some(from), Some(until))
    }
}

/// The places of several authorities in one index, as one list in order.
struct Merged {
    sources: Vec<Box<dyn Iterator<Item = Result<Vec<u8>, ReadError>> + Send>>,
    /// The next place of each source.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    failure: Option<ReadError>,
}

impl Merged {
    fn open(storage: &Storage, table: Table, authorities: &[CaId], after: Option<&[u8]>) -> Result<Self, ReadError> {
        let mut merged = Self { sources: Vec::with_capacity(authorities.len()), heads: BinaryHeap::new(), failure: None };
        for (at, ca) in authorities.iter().enumerate() {
            let prefix = ca.as_bytes();
            let after = after.map(|after| [prefix.as_slice(), after].concat());
            merged.sources.push(Box::new(storage.scan_keys(table, prefix, after.as_deref())));
            merged.advance(at)?;
        }
        Ok(merged)
    }

    /// Takes the next place of a source to the heads, without the authority it begins with.
    fn advance(&mut self, at: usize) -> Result<(), ReadError> {
        if let Some(key) = self.sources.get_mut(at).and_then(Iterator::next).transpose()? {
            self.heads.push(Reverse((key.get(16..).unwrap_or_default().to_vec(), at)));
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(failure) = self.failure.take() {
            self.heads.clear();
            return Some(Err(failure));
        }
        let Reverse((place, at)) = self.heads.pop()?;
        self.failure = self.advance(at).err();
        Some(Ok(place))
    }
}
