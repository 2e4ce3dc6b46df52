//! Time as an argument. Domain code never asks the system; it is handed a [`Clock`], which tests can move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Where the current time comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's real-time clock.
    #[default]
    System,
    /// A clock that stands still until it is moved; seconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A manual clock at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_second())))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Manual(seconds) => from_seconds(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the system clock does not move.
    pub fn advance(&self, seconds: i64) {
        if let Self::Manual(current) = self {
            current.fetch_add(seconds, Ordering::SeqCst);
        }
    }
}

/// A timestamp from whole seconds since 1970, clamped to the years the civil calendar has.
pub fn from_seconds(seconds: i64) -> Timestamp {
    let clamped = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(clamped).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// RFC 3339 in UTC with whole seconds, as every response writes time.
pub fn rfc3339(time: Timestamp) -> String {
    from_seconds(time.as_second()).to_string()
}
