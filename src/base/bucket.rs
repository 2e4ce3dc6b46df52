//! A token bucket, kept as the one time at which it is full again (the generic cell rate algorithm, ITU-T I.371): nothing has to fill
//! it, and one that is full is as good as none.

use std::time::{Duration, Instant};

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// What is left of a budget.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes so much out, or tells how long it takes until that is in.
    pub fn take(&mut self, rate: Rate, cost: u32, now: Instant) -> Result<(), Duration> {
        self.take_at(Duration::from_secs(1) / rate.per_second.max(1), rate.burst, cost, now)
    }

    /// The same where one comes back after each such time.
    pub fn take_at(&mut self, each: Duration, burst: u32, cost: u32, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now).checked_add(each.saturating_mul(cost)).unwrap_or(self.full_at);
        // It holds what fills in that time.
        let wait = full_at.saturating_duration_since(now).saturating_sub(each.saturating_mul(burst));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Puts so much back in.
    pub fn give_back(&mut self, rate: Rate, cost: u32, now: Instant) {
        let each = Duration::from_secs(1) / rate.per_second.max(1);
        self.full_at = self.full_at.checked_sub(each.saturating_mul(cost)).unwrap_or(now);
    }
}
