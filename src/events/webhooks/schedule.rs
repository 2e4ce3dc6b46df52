//! When an event that was not taken is tried again, and when it is given up. Pure.

use jiff::{SignedDuration, Timestamp};

use super::{Delivery, DeliveryState, Outcome, Progress, Retry};
use crate::events::Event;

const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// An event this old is given up when its receiver has taken nothing for as long.
const PATIENCE: SignedDuration = SignedDuration::from_hours(3 * 24);

/// The wait behind so many attempts: a second, then twice as long each time.
pub(super) fn wait_after(attempts: u32) -> SignedDuration {
    let doubled = attempts.saturating_sub(1).min(16);
    (FIRST_WAIT * (1_i32 << doubled)).min(LONGEST_WAIT)
}

/// Whether an event is passed over without another attempt. A daemon that was off for a week tries first.
pub(super) fn is_given_up(event: &Event, progress: &Progress, now: Timestamp) -> bool {
    let is_long_ago = |then: Timestamp| now.duration_since(then) >= PATIENCE;
    is_long_ago(event.time) && progress.failing_since.is_some_and(is_long_ago)
}

/// How a webhook is behind an attempt, and the delivery when that has ended it.
pub(super) fn after(event: &Event, mut progress: Progress, outcome: &Outcome, now: Timestamp) -> (Progress, Option<Delivery>) {
    let before = progress.retry.take().filter(|retry| retry.sequence == event.sequence);
    let (attempts, first_at) = before.as_ref().map_or((0, now), |retry| (retry.attempts, retry.first_at));
    let attempts = attempts.saturating_add(1);
    match &outcome.error {
        None => {
            progress.last_success_at = Some(now);
            progress.failing_since = None;
            let error = before.map(|retry| retry.error);
            let delivery =
                Delivery { error, ..ended(event, &progress, DeliveryState::Delivered, attempts, (first_at, now), outcome.status) };
            (past(event, progress), Some(delivery))
        }
        Some(error) => {
            progress.last_error = Some((now, error.clone()));
            progress.failing_since = progress.failing_since.or(Some(now));
            let next_at = now.saturating_add(wait_after(attempts)).unwrap_or(Timestamp::MAX);
            let (kind, error) = (event.kind.name().to_owned(), error.clone());
            progress.retry =
                Some(Retry { sequence: event.sequence, kind, attempts, first_at, last_at: now, next_at, status: outcome.status, error });
            (progress, None)
        }
    }
}

/// How a webhook is behind an event that is given up, and that delivery.
pub(super) fn given_up(event: &Event, mut progress: Progress, now: Timestamp) -> (Progress, Delivery) {
    let before = progress.retry.take().filter(|retry| retry.sequence == event.sequence);
    let delivery = match before {
        Some(retry) => Delivery {
            error: Some(retry.error),
            ..ended(event, &progress, DeliveryState::Failed, retry.attempts, (retry.first_at, retry.last_at), retry.status)
        },
        None => Delivery {
            error: Some("not tried: the receiver has taken nothing for three days".to_owned()),
            ..ended(event, &progress, DeliveryState::Failed, 0, (now, now), None)
        },
    };
    (past(event, progress), delivery)
}

fn ended(
    event: &Event,
    progress: &Progress,
    state: DeliveryState,
    attempts: u32,
    (first_at, last_at): (Timestamp, Timestamp),
    status: Option<u16>,
) -> Delivery {
    let kind = event.kind.name().to_owned();
    Delivery { number: progress.ended, sequence: event.sequence, kind, state, attempts, first_at, last_at, status, error: None }
}

fn past(event: &Event, progress: Progress) -> Progress {
    Progress { position: event.sequence, ended: progress.ended.saturating_add(1), retry: None, ..progress }
}
