//! Bringing a store of an earlier version up to date. What is recorded is never rewritten: only indexes are.

use super::InventoryError;
use crate::storage::{Change, Class, Storage, Table};

/// How many places are moved in one change.
const AT_ONCE: usize = 2_000;

/// Moves the index of expiry, which was one over all authorities, to where each authority has its own. Each change moves a part of it whole, so
/// a start that is cut short goes on with the rest the next time; how many places were moved.
pub async fn bring_up_to_date(storage: &Storage) -> Result<usize, InventoryError> {
    let mut moved = 0;
    loop {
        let some = storage.scan(Table::CertificatesByExpiry, &[], None).take(AT_ONCE).collect::<Result<Vec<_>, _>>()?;
        if some.is_empty() {
            return Ok(moved);
        }
        moved += some.len();
        let change = some.iter().fold(Change::new(Class::Essential), |change, (place, ca)| {
            change.put(Table::CertificatesByCaExpiry, &[ca.as_slice(), place].concat(), &[]).delete(Table::CertificatesByExpiry, place)
        });
        storage.commit(change).await.map_err(InventoryError::Commit)?;
    }
}
