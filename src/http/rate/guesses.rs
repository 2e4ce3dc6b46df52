//! How often a source has shown a wrong secret, and how long it has to wait before it is told again that one was wrong.
//!
//! It counts by source and never by token: nobody can lock a token's owner out by showing wrong secrets. That a right secret is taken
//! whatever its source has done before is the caller's to see to, who looks for the token first.

use std::time::{Duration, Instant};

/// When it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Wrong secrets in a row that cost nothing: people mistype, and programs are set up wrong.
    pub free: u32,
    /// A wait is twice as long as the one before, from a second up to this.
    pub longest: Duration,
}

/// The wrong secrets of one source.
#[derive(Clone, Copy, Debug)]
pub struct Guesses {
    wrong: u32,
    waits_until: Instant,
}

/// What becomes of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered as what it is.
    Wrong,
    /// The source has to wait.
    Wait {
        left: Duration,
        /// So many were wrong, and it begins to wait with this one.
        begins_after: Option<u32>,
    },
}

impl Guesses {
    pub fn none(now: Instant) -> Self {
        Self { wrong: 0, waits_until: now }
    }

    /// Counts a wrong secret. Those shown while the source waits change nothing: a program that does not listen is not
    /// punished for ever.
    pub fn wrong(&mut self, patience: Patience, now: Instant) -> Verdict {
        let left = self.waits_until.saturating_duration_since(now);
        if !left.is_zero() {
            return Verdict::Wait { left, begins_after: None };
        }
        // Who did nothing wrong for twice the longest wait begins anew.
        if now.saturating_duration_since(self.waits_until) >= patience.longest.saturating_mul(2) {
            self.wrong = 0;
        }
        self.wrong = self.wrong.saturating_add(1);
        let Some(beyond) = self.wrong.checked_sub(patience.free.saturating_add(1)) else {
            // The time from which it is forgotten.
            self.waits_until = now;
            return Verdict::Wrong;
        };
        let left = Duration::from_secs(1).saturating_mul(1_u32.checked_shl(beyond).unwrap_or(u32::MAX)).min(patience.longest);
        self.waits_until = now.checked_add(left).unwrap_or(now);
        Verdict::Wait { left, begins_after: Some(self.wrong) }
    }
}
