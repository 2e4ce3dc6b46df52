//! One at a time for each thing of many, by a fixed number of locks. Things that share a lock wait for one another and for nothing else.

use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 64;

/// The locks.
#[derive(Debug)]
pub struct Turns([Mutex<()>; LOCKS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Turns {
    /// Waits until nobody else has the turn of this thing, which a byte of its id or hash that is like chance stands for.
    pub async fn of(&self, byte: u8) -> MutexGuard<'_, ()> {
        let [first, ..] = &self.0;
        self.0.get(usize::from(byte) % LOCKS).unwrap_or(first).lock().await
    }
}
