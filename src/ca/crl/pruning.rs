//! Forgetting what no CRL to come and no comparison with the journal of revocations needs: the log of revocations does not grow for ever.

use crate::ca::Authority;
use crate::inventory::RevocationJournalError;
use crate::storage::{Change, Class, Table};

use super::{CrlError, CrlForm, CrlPublisher, names};

/// How many lines are forgotten in one change.
const AT_ONCE: usize = 1_000;

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Lines of the log in the store.
    pub lines: usize,
    /// Bytes of the journal of revocations.
    pub bytes: u64,
}

/// Why not everything was forgotten.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    #[error(transparent)]
    Crl(#[from] CrlError),
    #[error(transparent)]
    Journal(#[from] RevocationJournalError),
}

impl CrlPublisher {
    /// Forgets what is not needed any more, of all authorities. Nothing that is revoked is forgotten by it.
    pub async fn prune(&self) -> Result<Pruned, PruneError> {
        let mut pruned = Pruned::default();
        for authority in self.authorities.of_all_organizations() {
            let turn = self.turn(authority.id);
            let _no_crl_meanwhile = turn.lock().await;
            pruned.lines += self.prune_log(&authority).await?;
        }
        pruned.bytes = self.journal.compact(self.clock.now()).await?;
        Ok(pruned)
    }

    /// A delta CRL tells what came behind the change that its base has seen, and the journal compares its last line. Lines before both are not
    /// looked at again.
    async fn prune_log(&self, authority: &Authority) -> Result<usize, CrlError> {
        let Some(followed) = self.journal.followed(authority.id) else { return Ok(0) };
        let mut seen = followed.saturating_sub(1);
        for name in names(authority, CrlForm::Full) {
            // Without one of them nobody knows what it will be the base of.
            let Some(full) = self.named(name) else { return Ok(0) };
            seen = seen.min(full.seen);
        }
        let storage = &self.books.storage;
        let prefix = authority.id.as_bytes();
        let (mut lines, mut last) = (0, None::<Vec<u8>>);
        loop {
            let mut change = Change::new(Class::Normal);
            let mut found = 0;
            for key in storage.scan_keys(Table::RevocationLog, prefix, last.as_deref()).take(AT_ONCE) {
                let key = key?;
                let sequence = key.last_chunk::<8>().copied().map(u64::from_be_bytes).ok_or(CrlError::Record)?;
                if sequence > seen {
                    break;
                }
                change = change.delete(Table::RevocationLog, &key);
                found += 1;
                last = Some(key);
            }
            if found == 0 {
                return Ok(lines);
            }
            storage.commit(change).await?;
            lines += found;
        }
    }
}
