//! What the token has done so far and how it is.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::error_class::ErrorClass;

/// The state of the token at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenHealth {
    /// Whether the token answered when it was last asked.
    pub reachable: bool,
    /// Sessions that workers hold open now.
    pub sessions: usize,
    /// Requests that wait for a session.
    pub queue_depth: usize,
    /// Signatures made and verified since the start.
    pub signatures: u64,
    /// Requests that failed, or were dropped because they waited too long.
    pub failures: u64,
    /// The class of the last call that failed, if any did.
    pub last_error_class: Option<ErrorClass>,
}

impl TokenHealth {
    /// Of two equal tokens one is enough.
    pub fn or_equal(self, other: Self) -> Self {
        Self { reachable: self.reachable || other.reachable, ..self.and_another(other) }
    }

    /// Of two tokens with different keys both are needed.
    pub fn and_another(self, other: Self) -> Self {
        Self {
            reachable: self.reachable && other.reachable,
            sessions: self.sessions + other.sessions,
            queue_depth: self.queue_depth + other.queue_depth,
            signatures: self.signatures + other.signatures,
            failures: self.failures + other.failures,
            last_error_class: self.last_error_class.max(other.last_error_class),
        }
    }
}

/// Counts without a lock; each is right by itself, together they are a snapshot only roughly.
#[derive(Default)]
pub struct Counters {
    reachable: AtomicBool,
    sessions: AtomicUsize,
    signatures: AtomicU64,
    failures: AtomicU64,
    /// 0 for none, else one more than the place in `ErrorClass::ALL`.
    last_class: AtomicUsize,
}

impl Counters {
    pub fn set_reachable(&self, reachable: bool) {
        // Read first: written by every signature, the line would travel between the cores.
        if self.reachable.load(Ordering::Relaxed) != reachable {
            self.reachable.store(reachable, Ordering::Relaxed);
        }
    }

    pub fn session_opened(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub fn session_closed(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn has_sessions(&self) -> bool {
        self.sessions.load(Ordering::Relaxed) > 0
    }

    pub fn signed(&self) {
        self.signatures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn call_failed(&self, class: ErrorClass) {
        let place = ErrorClass::ALL.iter().position(|c| *c == class).map_or(0, |at| at + 1);
        self.last_class.store(place, Ordering::Relaxed);
    }

    pub fn health(&self, queue_depth: usize) -> TokenHealth {
        TokenHealth {
            reachable: self.reachable.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            queue_depth,
            signatures: self.signatures.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_error_class: self.last_class.load(Ordering::Relaxed).checked_sub(1).and_then(|at| ErrorClass::ALL.get(at)).copied(),
        }
    }
}
