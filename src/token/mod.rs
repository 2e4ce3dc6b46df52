//! The PKCS#11 token that holds every CA key, seen from the daemon: the vendor's module runs in a process of its own, the worker, and
//! [`Token`] asks it over a socket.
//!
//! ```text
//!   daemon                      keeper                       worker (the module, the PIN)
//!   Token ── requests ─────────────────────────────────────▶ process ▶ engine ▶ PKCS#11
//!     │                           │ holds the socket, starts, watches and replaces the worker
//!     └── starts ────────────────▶└─────────────────────────▶
//! ```
//!
//! Guarantees: a signature that is returned was verified here with the public key the caller named. A full queue is answered at once. A
//! module that crashes, hangs or lies ends the worker at most: another one takes its place, and what may be asked twice is asked again.
//!
//! Never does: load the module into this process, read the PIN, give out or take in a private key, or send the token anything but the
//! requests of [`request`].

mod client;
mod connection;
pub mod engine;
pub mod error;
pub mod error_class;
pub mod health;
pub mod keeper;
pub mod key;
pub mod process;
pub mod request;
pub mod softhsm;
pub mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

pub use error::{FailedCall, TokenError};
pub use error_class::ErrorClass;
pub use health::TokenHealth;
pub use key::{GeneratedKey, KeyAttributes, KeyId, KeyRef};
pub use request::{KeyProfile, StoredKey};

use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;
use client::Client;
use keeper::Keeper;
use request::{Answer, Ask};

/// A token that does not answer a short request within this time hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// RSA-4096 on a smart card takes minutes.
const WRITTEN_WITHIN: Duration = Duration::from_secs(300);

/// Where a token's worker is and how much may be asked of it at once.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// What the configuration calls the token.
    pub name: String,
    /// The worker's socket.
    pub socket: PathBuf,
    /// How many requests may be under way before the next is turned away.
    pub queue: usize,
}

/// A token. Clones share the connection to its worker.
#[derive(Clone)]
pub struct Token {
    owner: Arc<Owner>,
}

/// Ends the connection with the last token, and then the keeper, if it is ours.
struct Owner {
    client: Arc<Client>,
    _keeper: Option<Keeper>,
}

impl Token {
    /// Connects, and waits until the worker has logged in or says why not. A worker that comes later is found by itself, so an error here
    /// is for a start that should rather fail than serve without its token.
    pub fn open(config: TokenConfig, keeper: Option<Keeper>, patience: Duration) -> Result<Self, TokenError> {
        let owner = Owner { client: Client::start(config)?, _keeper: keeper };
        owner.client.await_open(patience)?;
        Ok(Self { owner: Arc::new(owner) })
    }

    /// Makes the key pair of a CA. Its attributes were read back; a token that did not keep one of them is refused.
    pub async fn generate(&self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        let ask = Ask::Generate { id, label: label.to_owned(), profile: KeyProfile::AuthoritySigning(key_type) };
        match self.owner.client.ask(ask, WRITTEN_WITHIN).await? {
            Answer::Generated(made) if made.public.key_type() == key_type => Ok(made),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// Signs, in X.509's form. What is returned verifies with the public key of `key`.
    pub async fn sign(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: impl Into<Bytes>) -> Result<Vec<u8>, TokenError> {
        let message = message.into();
        let answer = self.owner.client.ask(signing(key, algorithm, &message)?, ANSWER_WITHIN).await?;
        self.verified(key, algorithm, &message, answer)
    }

    /// As [`sign`](Self::sign), for a thread that may wait.
    pub fn sign_blocking(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: impl Into<Bytes>) -> Result<Vec<u8>, TokenError> {
        let message = message.into();
        let answer = self.owner.client.ask_blocking(signing(key, algorithm, &message)?, ANSWER_WITHIN)?;
        self.verified(key, algorithm, &message, answer)
    }

    /// `length` random bytes of the token, at most 4,096.
    pub async fn random(&self, length: u32) -> Result<Vec<u8>, TokenError> {
        match self.owner.client.ask(Ask::Random { length }, ANSWER_WITHIN).await? {
            Answer::Bytes(bytes) if u32::try_from(bytes.len()) == Ok(length) => Ok(bytes),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// The public key of the pair of that id, when the token holds its private half.
    pub async fn find(&self, id: KeyId) -> Result<Option<PublicKey>, TokenError> {
        match self.owner.client.ask(Ask::Find { id }, ANSWER_WITHIN).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// That the token holds exactly this pair: `KeyMissing` or `KeyMismatch` otherwise.
    pub async fn check(&self, key: &KeyRef) -> Result<(), TokenError> {
        done(self.owner.client.ask(Ask::Check { key: key.into() }, ANSWER_WITHIN).await?)
    }

    /// Destroys the pair of that id, when there is one. For what a failed creation left behind; a CA's key is gone after it.
    pub async fn destroy(&self, id: KeyId) -> Result<(), TokenError> {
        done(self.owner.client.ask(Ask::Destroy { id }, WRITTEN_WITHIN).await?)
    }

    /// Every private key of the token, whoever made it.
    pub async fn inventory(&self) -> Result<Vec<StoredKey>, TokenError> {
        match self.owner.client.ask(Ask::Inventory, WRITTEN_WITHIN).await? {
            Answer::Inventory(keys) => Ok(keys),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// How the token is. Looks, does not ask: [`random`](Self::random) asks.
    pub fn health(&self) -> TokenHealth {
        self.owner.client.health()
    }

    /// A wrong signature, even one that is never released, can give an RSA or ECDSA key away; and a worker is not believed.
    fn verified(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: &[u8], answer: Answer) -> Result<Vec<u8>, TokenError> {
        match answer {
            Answer::Bytes(signature) if key.public.verify(algorithm, message, &signature) => {
                self.owner.client.signed();
                Ok(signature)
            }
            Answer::Bytes(_) => {
                tracing::error!(key = %key.id, %algorithm, "the token gave a signature that does not verify");
                self.owner.client.failed();
                self.owner.client.tell(&Ask::Forget { id: key.id });
                Err(TokenError::BadSignature)
            }
            _ => Err(TokenError::NotAWorker),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.client.end();
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("health", &self.health()).finish_non_exhaustive()
    }
}

fn signing(key: &KeyRef, algorithm: SignatureAlgorithm, message: &Bytes) -> Result<Ask, TokenError> {
    if !key.public.key_type().signs_with(algorithm) {
        return Err(TokenError::Unsupported(None));
    }
    let input = request::input(algorithm, message);
    if request::is_input(algorithm, &input) { Ok(Ask::Sign { key: key.into(), algorithm, input }) } else { Err(TokenError::TooLong) }
}

fn done(answer: Answer) -> Result<(), TokenError> {
    if matches!(answer, Answer::Done) { Ok(()) } else { Err(TokenError::NotAWorker) }
}

/// A lock whose holder panicked guards nothing that could be half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
