//! The PKCS#11 token that holds every CA key; the only user of cryptoki.
//!
//! A bounded queue leads to a small pool of threads that own one session each, because a session is not to be shared and more threads
//! than cores make a token slower. A second queue leads to the one thread that makes and destroys keys, so that a long key generation
//! holds up no signature.
//!
//! Guarantees: a signature that is returned was verified with the public key the caller named. A full queue is answered at once. A token
//! that lost its sessions, its login or its directory is taken up again without a restart, once and not by every thread. A PIN that was
//! refused is never tried again.
//!
//! Never does: give out, copy or take in a private key; send the token anything but the requests below; show a PIN.

pub mod engine;
pub mod error;
pub mod error_class;
pub mod health;
pub mod key;
pub mod softhsm;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

pub use error::{CallError, TokenError};
pub use error_class::ErrorClass;
pub use health::TokenHealth;
pub use engine::initialise::initialise;
pub use key::{GeneratedKey, KeyAttributes, KeyId, KeyRef};

use crate::base::secret::SecretString;
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;
use engine::link::Link;
use engine::module::{Module, Selection};
use engine::worker::{Job, RETRY_AFTER_SECONDS, Reply, Ticket, Worker};

/// A token that does not answer a short request within this time hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// RSA-4096 on a smart card takes minutes.
const WRITTEN_WITHIN: Duration = Duration::from_secs(300);
/// How many keys may wait to be made or destroyed.
const WRITES: usize = 16;
/// As many requests may wait as a token of 1,000 signatures a second does in one.
const DEFAULT_QUEUE: usize = 1_024;
/// How long the end of the process waits for calls that run.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the token is and how it is used.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// The PKCS#11 module, a shared library.
    pub module: PathBuf,
    /// The token's label. One of label and serial number has to say which token is meant unless there is only one.
    pub label: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// How many sessions sign; 0 for as many as there are cores. Between 2 and 8.
    pub sessions: usize,
    /// How many requests may wait before the next is turned away; 0 for 1,024.
    pub queue: usize,
}

/// A token that is logged in to. Clones share it; with the last one the sessions are closed.
#[derive(Clone)]
pub struct Token {
    pool: Arc<Pool>,
}

struct Pool {
    link: Arc<Link>,
    sessions: usize,
    queue: Option<Sender<Ticket>>,
    writes: Option<Sender<Ticket>>,
    threads: Vec<JoinHandle<()>>,
}

impl Token {
    /// Finds the token, logs in and starts the threads. Blocks while the module works. After a failure other than `PinRefused` it may be
    /// called again: the module then looks for its tokens anew.
    pub fn open(config: TokenConfig, pin: SecretString) -> Result<Self, TokenError> {
        let TokenConfig { module, label, serial, sessions, queue } = config;
        let module = Module::load(&module)?;
        let link = Arc::new(Link::connect(module, Selection { label, serial }, pin)?);
        let sessions = match sessions {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            wanted => wanted,
        };
        Pool::start(link, sessions.clamp(2, 8), if queue == 0 { DEFAULT_QUEUE } else { queue })
            .map(|pool| Self { pool: Arc::new(pool) })
            .map_err(TokenError::NoThread)
    }

    /// Makes the key pair of a CA. Its attributes were read back; a token that did not keep one of them is refused.
    pub async fn generate(&self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        let label = label.to_owned();
        self.write(|reply| Job::Generate { id, label, key_type, reply }).await
    }

    /// Signs, in X.509's form. What is returned verifies with the public key of `key`.
    pub async fn sign(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: impl Into<Bytes>) -> Result<Vec<u8>, TokenError> {
        let (key, message) = (key.clone(), message.into());
        self.ask(|reply| Job::Sign { key, algorithm, message, reply }).await
    }

    /// As [`sign`](Self::sign), for a thread that may wait. Not to be called from a task.
    pub fn sign_blocking(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: impl Into<Bytes>) -> Result<Vec<u8>, TokenError> {
        let (reply, answer) = bounded(1);
        let job = Job::Sign { key: key.clone(), algorithm, message: message.into(), reply: Reply::Thread(reply) };
        submit(&self.pool.queue, job)?;
        match answer.recv_timeout(ANSWER_WITHIN) {
            Ok(outcome) => outcome,
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Err(self.hung(ANSWER_WITHIN)),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => Err(TokenError::Unavailable(None)),
        }
    }

    /// `length` random bytes of the token.
    pub async fn random(&self, length: u32) -> Result<Vec<u8>, TokenError> {
        self.ask(|reply| Job::Random { length, reply }).await
    }

    /// The public key of the pair of that id, when the token holds its private half.
    pub async fn find(&self, id: KeyId) -> Result<Option<PublicKey>, TokenError> {
        self.ask(|reply| Job::Find { id, reply }).await
    }

    /// That the token holds exactly this pair: `KeyMissing` or `KeyMismatch` otherwise.
    pub async fn check(&self, key: &KeyRef) -> Result<(), TokenError> {
        let key = key.clone();
        self.ask(|reply| Job::Check { key, reply }).await
    }

    /// Destroys the pair of that id, when there is one. For what a failed creation left behind; a CA's key is gone after it.
    pub async fn destroy(&self, id: KeyId) -> Result<(), TokenError> {
        self.write(|reply| Job::Destroy { id, reply }).await
    }

    /// How the token is. Looks, does not ask: [`random`](Self::random) asks.
    pub fn health(&self) -> TokenHealth {
        let waiting = [&self.pool.queue, &self.pool.writes].into_iter().flatten().map(Sender::len).sum();
        self.pool.link.counters.health(waiting)
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, TokenError> {
        let (reply, answer) = oneshot::channel();
        submit(&self.pool.queue, job(Reply::Task(reply)))?;
        self.answer(answer, ANSWER_WITHIN).await
    }

    async fn write<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, TokenError> {
        let (reply, answer) = oneshot::channel();
        submit(&self.pool.writes, job(Reply::Task(reply)))?;
        self.answer(answer, WRITTEN_WITHIN).await
    }

    /// A worker that is gone cannot answer, one that hangs in the module never will.
    async fn answer<T>(&self, answer: oneshot::Receiver<Result<T, TokenError>>, within: Duration) -> Result<T, TokenError> {
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(TokenError::Unavailable(None)),
            Err(_) => Err(self.hung(within)),
        }
    }

    fn hung(&self, waited: Duration) -> TokenError {
        self.pool.link.counters.set_reachable(false);
        self.pool.link.counters.failed();
        TokenError::Unavailable(Some(CallError::Hung { seconds: waited.as_secs() }))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Pool {
    fn start(link: Arc<Link>, sessions: usize, waiting: usize) -> std::io::Result<Self> {
        let (queue, requests) = bounded(waiting);
        let (writes, writing) = bounded(WRITES);
        let mut pool = Self { link, sessions, queue: Some(queue), writes: Some(writes), threads: Vec::new() };
        for number in 0..sessions {
            pool.spawn(format!("token-{number}"), false, requests.clone())?;
        }
        pool.spawn("token-write".to_owned(), true, writing)?;
        Ok(pool)
    }

    fn spawn(&mut self, name: String, writable: bool, queue: Receiver<Ticket>) -> std::io::Result<()> {
        let worker = Worker::new(Arc::clone(&self.link), writable);
        self.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run(&queue))?);
        Ok(())
    }
}

impl Drop for Pool {
    /// Waits for the threads: the module's own destructors run at the end of the process and do not expect calls then.
    fn drop(&mut self) {
        (self.queue, self.writes) = (None, None);
        let deadline = Instant::now() + FAREWELL;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
            // One that hangs in the module is left there.
            if thread.is_finished() && thread.join().is_err() {
                tracing::error!("a thread of the token has panicked");
            }
        }
    }
}

/// Puts a request in the queue, or says at once that it is full.
fn submit(queue: &Option<Sender<Ticket>>, job: Job) -> Result<(), TokenError> {
    let Some(queue) = queue else { return Err(TokenError::Unavailable(None)) };
    match queue.try_send(Ticket { queued: Instant::now(), job }) {
        Ok(()) => Ok(()),
        Err(TrySendError::Full(_)) => Err(TokenError::Busy { retry_after_seconds: RETRY_AFTER_SECONDS }),
        Err(TrySendError::Disconnected(_)) => Err(TokenError::Unavailable(None)),
    }
}
