//! Which threads are in the module, and until when they may be: what the watchdog looks at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::token::lock;

/// How long the module may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Any call that is not named below, making a key pair on a curve among them.
    pub call: Duration,
    /// Making an RSA key pair: with 4096 bits a smart card takes minutes.
    pub generate: Duration,
    /// Loading the module, finding the token and logging in: the most that a worker gives it ([`super::patience`]).
    pub initialise: Duration,
}

/// The calls of one engine.
#[derive(Clone)]
pub struct Calls {
    pub timeouts: Timeouts,
    begun: Instant,
    threads: Arc<Mutex<Vec<Arc<Slot>>>>,
}

/// One thread's place.
#[derive(Clone)]
pub struct Thread {
    begun: Instant,
    slot: Arc<Slot>,
}

/// While it lives, the thread is in the module.
pub struct Running<'a> {
    thread: &'a Thread,
    limit: Duration,
}

/// Milliseconds since the start: until when the call may take, 0 for no call; and how long it may take.
#[derive(Default)]
struct Slot {
    until: AtomicU64,
    limit: AtomicU64,
}

impl Default for Timeouts {
    fn default() -> Self {
        // A call that hangs is known by its time, and the service is to be back within five seconds after the fault.
        Self { call: Duration::from_secs(3), generate: Duration::from_secs(300), initialise: Duration::from_secs(30) }
    }
}

impl Calls {
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, begun: Instant::now(), threads: Arc::default() }
    }

    /// A place for the calling thread.
    pub fn thread(&self) -> Thread {
        let slot = Arc::new(Slot::default());
        let mut threads = lock(&self.threads);
        threads.retain(|slot| Arc::strong_count(slot) > 1);
        threads.push(slot.clone());
        Thread { begun: self.begun, slot }
    }

    /// The time a call was given that has taken longer.
    pub fn overdue(&self) -> Option<Duration> {
        let now = milliseconds(self.begun.elapsed());
        let threads = lock(&self.threads);
        let late = threads.iter().find(|slot| matches!(slot.until.load(Ordering::Relaxed), until @ 1.. if until < now))?;
        Some(Duration::from_millis(late.limit.load(Ordering::Relaxed)))
    }
}

impl Thread {
    /// The thread enters the module.
    pub fn enter(&self, limit: Duration) -> Running<'_> {
        let running = Running { thread: self, limit };
        running.renew();
        running
    }
}

impl Running<'_> {
    /// Another call begins.
    pub fn renew(&self) {
        self.thread.slot.limit.store(milliseconds(self.limit), Ordering::Relaxed);
        self.thread.slot.until.store(milliseconds(self.thread.begun.elapsed() + self.limit).max(1), Ordering::Relaxed);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.thread.slot.until.store(0, Ordering::Relaxed);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_runs_can_be_overdue() {
        let calls = Calls::new(Timeouts::default());
        let thread = calls.thread();
        assert_eq!(calls.overdue(), None);
        let running = thread.enter(Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(calls.overdue(), Some(Duration::from_millis(1)));
        drop(running);
        assert_eq!(calls.overdue(), None);
        let _running = thread.enter(Duration::from_secs(3_600));
        assert_eq!(calls.overdue(), None);
    }
}
