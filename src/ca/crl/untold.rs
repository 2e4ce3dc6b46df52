//! What was revoked or lifted and is on no CRL yet. It is noted in memory as it happens; a start finds it again, for the log of revocations and the CRLs
//! that were published say it too.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::{CrlError, CrlForm, CrlName, CrlPublisher, Plan, covering, lock, names};
use crate::base::id::CaId;
use crate::ca::Authority;
use crate::inventory::{CrlPart, LogEntry};

/// The CRLs of one authority that a revocation has made due.
#[derive(Debug, Default)]
pub struct Untold {
    since: Option<Instant>,
    pub parts: BTreeSet<CrlPart>,
    /// Whether they are made whatever the settings say.
    pub is_overdue: bool,
}

impl Untold {
    /// How long until it is time for them; none where the next regular ones do.
    pub fn time_left(&self, plan: &Plan) -> Option<Duration> {
        if self.is_overdue {
            return Some(Duration::ZERO);
        }
        let since = self.since?;
        // Half of the time is for those that come meanwhile, half for making it.
        plan.publish_within.map(|within| (within.as_std() / 2).saturating_sub(since.elapsed()))
    }
}

impl CrlPublisher {
    /// Takes up at the start what the daemon before did not come to publish. After a restore it is published whatever the settings say: the CRLs that
    /// are there may be those of a store that knew less.
    pub fn take_up_untold(&self, after_restore: bool) -> Result<(), CrlError> {
        let now = self.clock.now();
        for authority in self.authorities.of_all_organizations().iter().filter(|authority| now < authority.not_after) {
            let parts = self.untold(authority)?;
            if !parts.is_empty() {
                tracing::info!(ca = %authority.id, crls = parts.len(), "certificates were revoked or lifted that no CRL tells of yet");
                self.wait_for(authority.id, parts, after_restore);
            }
        }
        Ok(())
    }

    pub(super) fn wait_for(&self, ca: CaId, parts: impl IntoIterator<Item = CrlPart>, is_overdue: bool) {
        let mut waiting = lock(&self.waiting);
        let untold = waiting.entry(ca).or_default();
        untold.since.get_or_insert_with(Instant::now);
        untold.parts.extend(parts);
        untold.is_overdue |= is_overdue;
        drop(waiting);
        self.nudge.notify_one();
    }

    /// The CRLs that are older than a line of the log that concerns them. One that is missing is made in any case.
    fn untold(&self, authority: &Authority) -> Result<BTreeSet<CrlPart>, CrlError> {
        let seen = |name: CrlName| {
            let full = self.named(name)?;
            let delta = self.named(CrlName { form: CrlForm::Delta, ..name }).filter(|_| authority.crl.delta);
            Some((name.part, delta.map_or(full.seen, |delta| delta.seen.max(full.seen))))
        };
        let seen: HashMap<CrlPart, u64> = names(authority, CrlForm::Full).into_iter().filter_map(seen).collect();
        let mut untold = BTreeSet::new();
        let Some(lowest) = seen.values().min() else { return Ok(untold) };
        for line in LogEntry::since(&self.books.storage, authority.id, *lowest) {
            let (sequence, LogEntry { part, is_of_authority, .. }) = line?;
            let is_older = |part: &CrlPart| seen.get(part).is_some_and(|seen| *seen < sequence);
            if is_of_authority {
                untold.extend(seen.keys().copied().filter(is_older));
            } else {
                untold.extend(covering(part).filter(is_older));
            }
        }
        Ok(untold)
    }
}
