//! Keys the appliance makes for others: returned once, kept nowhere.
//!
//! An RSA key costs a good part of a second of a core, thousands of times what the request for it costs. So only as many are made at once
//! as leave a core for everything else, a bounded number waits, and the next is turned away at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::x509::algorithm::KeyType;
use crate::x509::private_key::{self, GeneratedKey};

/// How many requests may wait for an RSA key: with two cores, about half a minute's work.
const WAITING: usize = 32;

/// What a client that was turned away is told to wait.
pub const RETRY_AFTER_SECONDS: u64 = 5;

/// Makes subject keys.
#[derive(Clone)]
pub struct SubjectKeys {
    /// Those that wait and those that are made.
    admitted: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
}

/// Why no key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectKeyError {
    /// Enough requests wait for keys; come back later.
    #[error("{WAITING} requests wait for RSA keys already")]
    Busy,
    /// The random source or the library failed.
    #[error("a key could not be made")]
    Failed,
}

impl Default for SubjectKeys {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::bounded(cores.saturating_sub(1).max(1), WAITING)
    }
}

impl SubjectKeys {
    fn bounded(at_once: usize, waiting: usize) -> Self {
        Self { admitted: Arc::new(Semaphore::new(at_once + waiting)), at_once: Arc::new(Semaphore::new(at_once)) }
    }

    /// A new key pair.
    pub async fn generate(&self, key_type: KeyType) -> Result<GeneratedKey, SubjectKeyError> {
        match key_type {
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => generate(key_type),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
                let _admitted = self.admitted.try_acquire().map_err(|_| SubjectKeyError::Busy)?;
                // Moved into the work, which goes on when the client has left: the core is in use until it ends.
                let place = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| SubjectKeyError::Failed)?;
                let work = tokio::task::spawn_blocking(move || {
                    let _place = place;
                    generate(key_type)
                });
                work.await.map_err(|_| SubjectKeyError::Failed)?
            }
        }
    }
}

fn generate(key_type: KeyType) -> Result<GeneratedKey, SubjectKeyError> {
    private_key::generate(key_type).map_err(|_| SubjectKeyError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn more_rsa_keys_than_may_wait_are_refused_and_curves_are_not() {
        let keys = SubjectKeys::bounded(1, 1);
        let held = Arc::clone(&keys.at_once).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                tokio::spawn({
                    let keys = keys.clone();
                    async move { keys.generate(KeyType::Rsa2048).await.is_ok() }
                })
            })
            .collect();
        while keys.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(keys.generate(KeyType::Rsa2048).await.err(), Some(SubjectKeyError::Busy));
        assert!(keys.generate(KeyType::P256).await.is_ok());
        drop(held);
        for task in waiting {
            assert!(task.await.unwrap());
        }
        assert!(keys.generate(KeyType::Rsa2048).await.is_ok());
    }
}
