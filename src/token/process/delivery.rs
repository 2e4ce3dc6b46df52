//! Sending answers together while there is more to sign.
//!
//! Each answer that is sent wakes the daemon, whose threads take the processor from those that sign. While enough is queued, the answer to
//! one that has waited long already lies for up to [`LIES`], and goes out with those that come meanwhile. A thread of its own sends them: it
//! asks nothing of the module, so no answer waits for a call.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use crate::token::lock;

/// Who has waited for so long does not notice another [`LIES`].
pub const LONG: Duration = Duration::from_millis(4);
const LIES: Duration = Duration::from_millis(2);

/// The connections that answers lie in.
#[derive(Default)]
pub struct Delivery {
    lying: Mutex<Vec<Arc<Connection>>>,
    changed: Condvar,
}

impl Delivery {
    /// Starts the thread that sends what lies.
    pub fn start() -> io::Result<Arc<Self>> {
        let delivery = Arc::new(Self::default());
        let sending = delivery.clone();
        std::thread::Builder::new().name("answers".to_owned()).spawn(move || {
            loop {
                sending.send_next();
            }
        })?;
        Ok(delivery)
    }

    /// Notes that an answer lies in a connection.
    pub fn lies_in(&self, connection: &Arc<Connection>) {
        let mut lying = lock(&self.lying);
        let is_first = lying.is_empty();
        if !lying.iter().any(|known| Arc::ptr_eq(known, connection)) {
            lying.push(connection.clone());
        }
        drop(lying);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Waits until something lies, lets more come, and sends it all.
    fn send_next(&self) {
        drop(self.changed.wait_while(lock(&self.lying), |lying| lying.is_empty()).unwrap_or_else(PoisonError::into_inner));
        std::thread::sleep(LIES);
        for connection in std::mem::take(&mut *lock(&self.lying)) {
            connection.send(&[]);
        }
    }
}
