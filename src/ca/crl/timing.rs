//! When CRLs are made: what is due, and how long nothing is.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{CrlForm, CrlName, CrlPublisher, Plan, PublishedCrl, Untold, covering, later, lock, names, needs_full_first, revoked_since};
use crate::base::clock::from_seconds;
use crate::base::id::CaId;
use crate::ca::Authority;
use crate::inventory::CrlPart;

/// CRLs to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub ca: CaId,
    pub(super) form: CrlForm,
    /// Which of them, and the number each had when that was found.
    pub(super) parts: Vec<(CrlPart, Option<u64>)>,
    /// Those that a revocation has made due.
    pub(super) revoked: BTreeSet<CrlPart>,
    /// Whether these are made whatever the settings say.
    pub(super) is_overdue: bool,
    /// The last change that was known of then.
    pub(super) sequence: u64,
}

/// Between two looks at what is due. A revocation may have a CRL made within a second.
const SHORTEST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(10);
/// A CRL that could not be made is tried again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

impl CrlPublisher {
    /// What is to be made now: what is missing, a period old, close to its end, or from a time that has not come, because
    /// the clock was wrong then; and what a revocation has made due, of a certificate or of an authority above.
    pub fn due(&self) -> Vec<Due> {
        let now = from_seconds(self.clock.now().as_second());
        let sequence = self.books.storage.last_sequence();
        let mut due = Vec::new();
        for authority in self.authorities.of_all_organizations() {
            if now >= authority.not_after || lock(&self.failed).get(&authority.id).is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
                continue;
            }
            let plan = authority.crl.plan(self.schedule());
            let mut parts = self.parts_due(&authority, CrlForm::Full, |full| {
                // One of a later second tells it for certain; where the clock was set back since, its regular successor does.
                let is_overtaken = revoked_since(&authority, full).is_some_and(|at| now > at);
                now >= due_at(&plan, full) || now < full.this_update || is_overtaken
            });
            let revoked = self.take_waiting(&authority, &plan);
            let is_overdue = revoked.is_overdue;
            let revoked = revoked.parts;
            let begin = |form, parts, revoked| self.due_of(&authority, form, parts, revoked).map(|due| Due { is_overdue, sequence, ..due });
            if plan.delta_period.is_none() || !self.can_have_deltas(&authority) {
                parts.extend(&revoked);
                due.extend(begin(CrlForm::Full, parts, revoked));
                continue;
            }
            let mut changed = self.parts_due(&authority, CrlForm::Delta, |delta| {
                let base = self.named(CrlName { form: CrlForm::Full, ..delta.name }).map(|full| full.number);
                now >= due_at(&plan, delta) || now < delta.this_update || delta.base != base
            });
            changed.extend(&revoked);
            // A new full CRL has a delta CRL of its own, so that what clients put together is never older than it.
            changed.extend(parts.iter().copied());
            due.extend(begin(CrlForm::Full, parts, BTreeSet::new()));
            due.extend(begin(CrlForm::Delta, changed, revoked));
        }
        due
    }

    fn due_of(&self, authority: &Authority, form: CrlForm, parts: BTreeSet<CrlPart>, revoked: BTreeSet<CrlPart>) -> Option<Due> {
        let ca = authority.id;
        let number = |part| self.named(CrlName { ca, part, form }).map(|published| published.number);
        let parts: Vec<_> = parts.into_iter().map(|part| (part, number(part))).collect();
        (!parts.is_empty()).then_some(Due { ca, form, parts, revoked, is_overdue: false, sequence: 0 })
    }

    fn parts_due(&self, authority: &Authority, form: CrlForm, is_due: impl Fn(&PublishedCrl) -> bool) -> BTreeSet<CrlPart> {
        let names = names(authority, form).into_iter();
        names.filter(|name| self.named(*name).is_none_or(|published| is_due(&published))).map(|name| name.part).collect()
    }

    /// A delta CRL tells what was revoked one by one; that an authority above was revoked is told by a full one first.
    fn can_have_deltas(&self, authority: &Authority) -> bool {
        self.current(authority.id).is_none_or(|full| !needs_full_first(authority, &full))
    }

    fn take_waiting(&self, authority: &Authority, plan: &Plan) -> Untold {
        let mut waiting = lock(&self.waiting);
        match (waiting.get(&authority.id).and_then(|untold| untold.time_left(plan)), plan.publish_within) {
            (Some(Duration::ZERO), _) => waiting.remove(&authority.id).unwrap_or_default(),
            (_, Some(_)) => Untold::default(),
            (_, None) => {
                waiting.remove(&authority.id);
                Untold::default()
            }
        }
    }

    /// Notes that a certificate was revoked or a hold lifted. Nothing here can fail or take long.
    pub fn status_changed(&self, ca: CaId, part: CrlPart) {
        self.wait_for(ca, covering(part), false);
    }

    /// Waits until a CRL may be due: its time has come, or something has happened.
    pub async fn rest(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.until_due()) => {}
            () = self.nudge.notified() => {}
            () = self.authorities.changed() => {}
        }
    }

    /// How long until the next may be due: never so short that nothing else is done, nor so long that a clock that was set is not noticed.
    fn until_due(&self) -> Duration {
        let now = self.clock.now();
        let until = |time: Timestamp| Duration::try_from(time.duration_since(now)).unwrap_or(Duration::ZERO);
        let mut next = LONGEST_REST;
        for authority in self.authorities.of_all_organizations().iter().filter(|authority| now < authority.not_after) {
            let plan = authority.crl.plan(self.schedule());
            if let Some(failed) = lock(&self.failed).get(&authority.id).map(Instant::elapsed).filter(|ago| *ago < AGAIN_AFTER) {
                next = next.min(AGAIN_AFTER - failed);
                continue;
            }
            if let Some(left) = lock(&self.waiting).get(&authority.id).and_then(|untold| untold.time_left(&plan)) {
                next = next.min(left);
            }
            let mut due = names(authority, CrlForm::Full);
            if self.can_have_deltas(authority) {
                due.extend(names(authority, CrlForm::Delta));
            }
            if let Some(at) = self.current(authority.id).and_then(|full| revoked_since(authority, &full)) {
                next = next.min(until(later(at, 1)));
            }
            for name in due {
                next = next.min(self.named(name).map_or(Duration::ZERO, |published| until(due_at(&plan, &published))));
            }
        }
        next.max(SHORTEST_REST)
    }
}

/// When the successor of a CRL is to be made.
pub(super) fn due_at(plan: &Plan, published: &PublishedCrl) -> Timestamp {
    let begun = published.this_update;
    match (published.name.form, plan.delta_period) {
        (CrlForm::Full, _) => {
            let before_end = from_seconds(published.next_update.as_second().saturating_sub(plan.overlap.as_seconds() as i64));
            later(begun, plan.period.as_seconds()).min(before_end)
        }
        (CrlForm::Delta, Some(period)) => later(begun, period.as_seconds()),
        (CrlForm::Delta, None) => published.next_update,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::duration::Span;

    #[test]
    fn a_successor_comes_in_its_period_and_in_time_before_the_end() {
        let published = |form, base| PublishedCrl {
            name: CrlName { ca: CaId::from_bytes([1; 16]), part: CrlPart::Whole, form },
            number: 7,
            base,
            this_update: from_seconds(1_000),
            next_update: from_seconds(2_000),
            entries: 0,
            length: 0,
            sha256: [0; 32],
            seen: 0,
            path: std::path::PathBuf::new(),
            reading: std::sync::Mutex::default(),
        };
        let plan = |period, overlap| Plan {
            period: Span::seconds(period),
            validity: Span::seconds(1_000),
            overlap: Span::seconds(overlap),
            delta_period: Some(Span::seconds(60)),
            publish_within: None,
        };
        let full = published(CrlForm::Full, None);
        assert_eq!(due_at(&plan(300, 100), &full), from_seconds(1_300), "its period");
        // The period was made longer since: what is there must not end without a successor.
        assert_eq!(due_at(&plan(5_000, 100), &full), from_seconds(1_900), "so long before its end");
        assert_eq!(due_at(&plan(300, 100), &published(CrlForm::Delta, Some(3))), from_seconds(1_060));
    }
}
