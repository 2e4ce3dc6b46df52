//! How long a change waits for others, so that one frame and one `fdatasync` carry them all.
//!
//! A frame costs about 150 µs of processor time whatever it holds, and its `fdatasync` stops the committer twice. Where requests come one
//! after the other nobody would come, and nobody waits. Where many are at work at once each takes long anyway, because they share what they
//! work with: then a change waits for a tenth of what such a request was seen to take, and no longer than until all that are at work wait.
//! So the wait follows the load by itself, and who asks alone, or of a token that is slow, does not notice it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A change waits for this part of what a request takes.
const PART: u64 = 10;
/// What is shorter is not worth a timer.
const LEAST: u64 = 400;
const MOST: u64 = 2_000;
/// Averages of changes are kept in such parts of one, so that little is lost by rounding.
const WHOLE: u64 = 256;
/// Frames that carried less than one change and a half on average had no company to wait for.
const ALONE: u64 = WHOLE * 3 / 2;
/// Averages follow the last so many.
const LAST: u64 = 16;

/// What was seen of requests and frames.
#[derive(Debug, Default)]
pub(super) struct Company {
    at_work: AtomicUsize,
    /// By a request, in microseconds.
    taken: AtomicU64,
    /// Changes of a frame, in parts.
    together: AtomicU64,
}

impl Company {
    /// A request begins that will commit.
    pub fn begins(&self) {
        self.at_work.fetch_add(1, Ordering::Relaxed);
    }

    /// It is over and took so long.
    pub fn ends(&self, took: Duration) {
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        follow(&self.taken, u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(1_000_000));
    }

    /// A frame held so many changes.
    pub fn together(&self, changes: usize) {
        follow(&self.together, changes as u64 * WHOLE);
    }

    /// Whether as many changes wait as there can be.
    pub fn is_complete(&self, waiting: usize) -> bool {
        waiting >= self.at_work.load(Ordering::Relaxed)
    }

    /// How long the first change of the next frame may wait.
    pub fn patience(&self) -> Duration {
        let wait = self.taken.load(Ordering::Relaxed) / PART;
        if wait < LEAST || self.together.load(Ordering::Relaxed) < ALONE {
            return Duration::ZERO;
        }
        Duration::from_micros(wait.min(MOST))
    }
}

/// Several may do this at once, and one of them may be forgotten.
fn follow(average: &AtomicU64, seen: u64) {
    let before = average.load(Ordering::Relaxed);
    average.store((before * (LAST - 1) + seen) / LAST, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(requests: impl IntoIterator<Item = (u64, usize)>) -> Duration {
        let company = Company::default();
        for (milliseconds, changes) in requests {
            company.begins();
            company.ends(Duration::from_millis(milliseconds));
            company.together(changes);
        }
        company.patience()
    }

    #[test]
    fn who_is_alone_or_quick_does_not_wait() {
        assert_eq!(after([]), Duration::ZERO);
        assert_eq!(after([(1, 8); 100]), Duration::ZERO);
        // A slow token, and one client.
        assert_eq!(after([(30, 1); 100]), Duration::ZERO);
    }

    #[test]
    fn the_wait_is_a_tenth_of_a_request_and_ends_when_the_others_have_gone() {
        let wait = after([(11, 6); 100]);
        assert!((1_000..=1_100).contains(&wait.as_micros()), "{wait:?}");
        assert_eq!(after([(10_000, 50); 100]), Duration::from_millis(2));
        assert_eq!(after([[(11, 6); 100], [(11, 1); 100]].concat()), Duration::ZERO);
    }

    #[test]
    fn nobody_waits_when_everybody_does() {
        let company = Company::default();
        assert!(company.is_complete(1));
        (0..3).for_each(|_| company.begins());
        assert!(!company.is_complete(2));
        company.ends(Duration::ZERO);
        assert!(company.is_complete(2));
    }
}
