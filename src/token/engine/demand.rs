//! Whether the threads that sign need more to do.
//!
//! A thread that reads requests is woken by each of them, and takes the processor from a thread that signs. While enough is in the queue,
//! what comes can as well lie in the socket and be read in one piece (docs/performance.md has what that is worth).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::token::lock;

/// Some requests are for others than those who sign, or take one back; they do not lie in the socket for longer.
const AT_MOST: Duration = Duration::from_millis(2);
/// For each session: the next one, and one while more is read.
const AT_HAND: usize = 2;

/// Where those who read wait for those who sign.
pub struct Demand {
    enough: usize,
    queued: AtomicUsize,
    /// How many readers wait.
    readers: AtomicUsize,
    waiting: Mutex<()>,
    changed: Condvar,
}

impl Demand {
    pub fn new(sessions: usize) -> Self {
        Self {
            enough: sessions * AT_HAND,
            queued: AtomicUsize::new(0),
            readers: AtomicUsize::new(0),
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// A request is about to be put in the queue.
    pub fn comes(&self) {
        self.queued.fetch_add(1, Ordering::SeqCst);
    }

    /// One was taken from the queue, or had no place in it.
    pub fn goes(&self) {
        let left = self.queued.fetch_sub(1, Ordering::SeqCst) - 1;
        if left < self.enough && self.readers.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.waiting));
            self.changed.notify_all();
        }
    }

    /// Returns when the queue holds less than enough, or after a moment.
    pub fn wait(&self) {
        if self.is_there() {
            return;
        }
        let waiting = lock(&self.waiting);
        self.readers.fetch_add(1, Ordering::SeqCst);
        // Who takes one after this line sees that somebody waits.
        if !self.is_there() {
            drop(self.changed.wait_timeout(waiting, AT_MOST).unwrap_or_else(PoisonError::into_inner));
        }
        self.readers.fetch_sub(1, Ordering::SeqCst);
    }

    fn is_there(&self) -> bool {
        self.queued.load(Ordering::SeqCst) < self.enough
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_reads_waits_for_a_moment_at_most_and_only_while_there_is_enough() {
        let demand = Arc::new(Demand::new(2));
        (0..3).for_each(|_| demand.comes());
        assert!(demand.is_there());
        demand.comes();
        assert!(!demand.is_there());
        let begun = Instant::now();
        demand.wait();
        assert!(begun.elapsed() >= AT_MOST);
        // It is told as well; how soon is the system's business.
        let waiting = demand.clone();
        let reader = std::thread::spawn(move || (0..50).for_each(|_| waiting.wait()));
        demand.goes();
        reader.join().unwrap();
        assert!(demand.is_there());
    }
}
