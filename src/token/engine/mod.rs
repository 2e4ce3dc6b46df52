//! What calls into the PKCS#11 module; the only user of cryptoki. It runs in the worker's process, never in the daemon's.
//!
//! A bounded queue leads to a small pool of threads that own one session each, because a session is not to be shared and more threads
//! than cores make a token slower. A second queue leads to the one thread that makes and destroys keys, so that a long key generation
//! holds up no signature.
//!
//! Guarantees: a full queue is answered at once. A token that lost its sessions, its login or its directory is taken up again without a
//! restart, once and not by every thread. A PIN that was refused is never tried again.
//!
//! Never does: give out the private key of an authority, or that of a subject in another way than [`wrapping`] has; show or keep a PIN;
//! vouch for a signature, which is for the one who asked to verify, because this side may be the vendor's by now.

pub mod calls;
mod decryption;
mod demand;
mod error;
mod error_table;
pub mod examination;
mod generation;
mod initialise;
pub mod limits;
mod link;
mod mechanism;
mod module;
mod objects;
pub mod patience;
pub mod pin;
pub mod rate;
mod sealing;
mod signing;
mod worker;
mod wrapping;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

pub use demand::Demand;
pub use initialise::initialise;
pub use worker::Reply;

use super::error::{FailedCall, TokenError};
use super::health::TokenHealth;
use super::request::{Answer, Ask};
use calls::Calls;
use limits::{LimitConfig, Limits};
use link::Link;
use module::{Module, Selection};
use pin::PinFile;
use worker::{Part, Ticket, Worker};

/// How many keys may wait to be made, exported or destroyed.
const WRITES: usize = 64;
/// As many requests may wait as a token of 1,000 signatures a second does in one.
pub const DEFAULT_QUEUE: usize = 1_024;
/// How many sessions there may be. One that computes on this machine has enough of them with its cores; one in the network, which takes 5 ms
/// for a signature however many are under way, makes 200 a second for each.
pub const SESSIONS: RangeInclusive<usize> = 2..=64;
/// The session that keeps the login, and that of the thread that makes keys.
const OTHER_SESSIONS: usize = 2;
/// How long the end of the process waits for calls that run.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the token is and how it is used.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The PKCS#11 module, a shared library.
    pub module: PathBuf,
    /// The token's label. One of label and serial number has to say which token is meant unless there is only one.
    pub label: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    pub pin: PinFile,
    /// How many sessions sign, of [`SESSIONS`]; 0 for as many as there are cores, 2 to 8.
    pub sessions: usize,
    /// How many requests may wait before the next is turned away; 0 for 1,024.
    pub queue: usize,
    pub limits: Vec<LimitConfig>,
}

/// A token that is logged in to. Clones share it; with the last one the sessions are closed.
#[derive(Clone)]
pub struct Engine {
    pool: Arc<Pool>,
}

struct Pool {
    link: Arc<Link>,
    calls: Calls,
    sessions: usize,
    queue: Option<Sender<Ticket>>,
    writes: Option<Sender<Ticket>>,
    demand: Arc<Demand>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Finds the token, logs in and starts the threads. Blocks while the module works. After a failure other than `PinRefused` it may be
    /// called again: the module then looks for its tokens anew.
    pub fn open(config: EngineConfig, calls: Calls) -> Result<Self, TokenError> {
        let EngineConfig { module, label, serial, pin, sessions, queue, limits } = config;
        let opening = calls.thread();
        let _running = opening.enter(calls.timeouts.initialise);
        let module = Module::load(&module)?;
        let link = Arc::new(Link::connect(module, Selection { label, serial }, pin, Limits::new(limits))?);
        let sessions = match sessions {
            0 => std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8),
            wanted => wanted.clamp(*SESSIONS.start(), *SESSIONS.end()),
        };
        let sessions = fitting(sessions, link.most_sessions());
        Pool::start(link, calls.clone(), sessions, if queue == 0 { DEFAULT_QUEUE } else { queue })
            .map(|pool| Self { pool: Arc::new(pool) })
            .map_err(TokenError::NoThread)
    }

    /// Puts a request in the queue, or answers at once that it is full.
    pub fn submit(&self, ask: Ask, reply: Reply) {
        let (queue, demand) = match ask.writes() {
            true => (&self.pool.writes, None),
            false => (&self.pool.queue, Some(&self.pool.demand)),
        };
        let Some(queue) = queue else { return reply.refuse(TokenError::Unavailable(None)) };
        if let Some(demand) = demand {
            demand.comes();
        }
        let sent = queue.try_send(Ticket { queued: Instant::now(), ask, reply });
        if let (Err(_), Some(demand)) = (&sent, demand) {
            demand.goes();
        }
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(ticket)) => ticket.reply.refuse(TokenError::BUSY),
            Err(TrySendError::Disconnected(ticket)) => ticket.reply.refuse(TokenError::Unavailable(None)),
        }
    }

    /// Whether more requests are wanted. Who reads them asks before reading more.
    pub fn demand(&self) -> Arc<Demand> {
        self.pool.demand.clone()
    }

    /// Asks and waits for as long as it takes.
    pub fn ask(&self, ask: Ask) -> Result<Answer, TokenError> {
        let (send, answer) = bounded(1);
        self.submit(ask, Reply { send: Box::new(move |outcome| drop(send.try_send(outcome))), is_wanted: Box::new(|| true) });
        answer.recv().unwrap_or(Err(TokenError::Unavailable(Some(FailedCall::NoWorker))))
    }

    /// How the token is. Looks, does not ask.
    pub fn health(&self) -> TokenHealth {
        let waiting = [&self.pool.queue, &self.pool.writes].into_iter().flatten().map(Sender::len).sum();
        self.pool.link.counters.health(waiting)
    }
}

/// No more than the token says it gives: a thread without a session would refuse what another does a moment later.
fn fitting(wanted: usize, most: Option<usize>) -> usize {
    match most {
        Some(most) if most < wanted + OTHER_SESSIONS => {
            let sessions = most.saturating_sub(OTHER_SESSIONS).max(1);
            tracing::warn!(wanted, sessions, most, "the token gives fewer sessions than are to sign");
            sessions
        }
        Some(_) | None => wanted,
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Pool {
    fn start(link: Arc<Link>, calls: Calls, sessions: usize, waiting: usize) -> std::io::Result<Self> {
        let (queue, requests) = bounded(waiting);
        let (writes, writing) = bounded(WRITES);
        let demand = Arc::new(Demand::new(sessions));
        let mut pool = Self { link, calls, sessions, queue: Some(queue), writes: Some(writes.clone()), demand, threads: Vec::new() };
        for number in 0..sessions {
            pool.spawn(format!("token-{number}"), Part::Reads { writes: writes.clone() }, requests.clone())?;
        }
        // Last: it ends when those that may leave something to it have.
        pool.spawn("token-write".to_owned(), Part::Writes, writing)?;
        Ok(pool)
    }

    fn spawn(&mut self, name: String, part: Part, queue: Receiver<Ticket>) -> std::io::Result<()> {
        let (worker, demand) = (Worker::new(Arc::clone(&self.link), self.calls.clone(), part), self.demand.clone());
        self.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run(&queue, &demand))?);
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

#[cfg(test)]
mod tests;
