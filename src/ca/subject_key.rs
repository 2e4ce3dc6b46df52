//! Keys the appliance makes for others: returned once, and kept nowhere unless the role says so.
//!
//! An RSA key costs a good part of a second of a core, thousands of times what the request for it costs. So only as many are made at once
//! as leave a core for everything else, and a bounded number waits, of which [`KeptKeys::places`] keeps account.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::access::Caller;
use crate::base::secret::SecretBytes;
use crate::inventory::{KeptKey, KeptKeyError, KeptKeys, KeyOwner};
use crate::profiles::KeyKeeping;
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;
use crate::x509::private_key::{self, GeneratedKey};

/// What a client that was turned away is told to wait.
pub const RETRY_AFTER_SECONDS: u64 = 5;

/// A key to be made.
#[derive(Clone, Copy, Debug)]
pub struct KeyOrder<'a> {
    pub owner: KeyOwner,
    pub key_type: KeyType,
    pub keeping: KeyKeeping,
    /// The token that is to keep it; the first when none.
    pub token: Option<&'a Arc<str>>,
    pub caller: &'a Caller,
}

/// A key that was made.
#[derive(Debug)]
pub struct SubjectKey {
    pub public: PublicKey,
    /// PKCS#8.
    pub private: SecretBytes,
    /// To be kept with what the key is for, or to be discarded.
    pub kept: Option<KeptKey>,
}

/// Makes subject keys.
#[derive(Clone)]
pub struct SubjectKeys {
    kept: KeptKeys,
    generator: Generator,
}

/// Makes them in this process.
#[derive(Clone)]
struct Generator {
    at_once: Arc<Semaphore>,
}

/// Why no key was made.
#[derive(Debug, thiserror::Error)]
pub enum SubjectKeyError {
    /// The random source or the library failed.
    #[error("a key could not be made")]
    Failed,
    #[error(transparent)]
    Kept(#[from] KeptKeyError),
}

impl SubjectKeys {
    pub fn new(kept: KeptKeys) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { kept, generator: Generator::bounded(cores.saturating_sub(1).max(1)) }
    }

    /// Makes a key. One that is to be an object of the token is made there; one that is sealed, or not kept, in this process.
    pub async fn make(&self, order: KeyOrder<'_>) -> Result<SubjectKey, SubjectKeyError> {
        let KeyOrder { owner, key_type, keeping, token, caller } = order;
        let is_wrapped = match keeping {
            KeyKeeping::None => None,
            // Tokens do not wrap Ed25519 keys, so they would not come out again.
            KeyKeeping::Token => Some(key_type == KeyType::Ed25519),
            KeyKeeping::Wrapped => Some(true),
        };
        if is_wrapped == Some(false) {
            let (kept, private) = self.kept.make(owner, key_type, token, caller).await?;
            return Ok(SubjectKey { public: kept.public.clone(), private, kept: Some(kept) });
        }
        let place = self.kept.places().take(key_type, caller.organization())?;
        let GeneratedKey { public, pkcs8 } = self.generator.generate(key_type).await?;
        drop(place);
        let private = SecretBytes::from(pkcs8);
        let kept = match is_wrapped {
            Some(_) => Some(self.kept.seal(owner, private.clone(), token).await?),
            None => None,
        };
        Ok(SubjectKey { public, private, kept })
    }
}

impl Generator {
    fn bounded(at_once: usize) -> Self {
        Self { at_once: Arc::new(Semaphore::new(at_once)) }
    }

    /// A new key pair.
    async fn generate(&self, key_type: KeyType) -> Result<GeneratedKey, SubjectKeyError> {
        match key_type {
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => generate(key_type),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
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
    async fn rsa_keys_wait_for_one_another_and_curves_do_not() {
        let keys = Generator::bounded(1);
        let held = Arc::clone(&keys.at_once).acquire_owned().await.unwrap();
        let waiting = tokio::spawn({
            let keys = keys.clone();
            async move { keys.generate(KeyType::Rsa2048).await.is_ok() }
        });
        assert!(keys.generate(KeyType::P256).await.is_ok());
        assert!(!waiting.is_finished());
        drop(held);
        assert!(waiting.await.unwrap());
    }
}
