//! Requests under way to one worker, through every connection there is one after the other.
//!
//! ```text
//!            connected, and the worker knows how the token is
//!   Away ──────────────────────────────────────────────────────▶ Connected
//!    ▲                                                             │
//!    └──────────── the connection ends: reconnect at once ◀────────┘
//! ```
//!
//! What was under way when a connection ended and may be repeated is sent again on the next one, once; the rest is answered that the token
//! is away. So is everything else when no worker has come back for a while.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::connection::{Connection, NotConnected, Open, for_a_task};
use super::error::{FailedCall, TokenError};
use super::health::TokenHealth;
use super::lock;
use super::request::{Answer, Ask};
use super::wire::frame::{Frames, ReadError};
use super::wire::{self, FromWorker, State as TokenState};

/// How long requests wait for a worker that is being replaced.
const REPLACED_WITHIN: Duration = Duration::from_secs(2);
/// Who has waited this long is not asked for again: what they wait for is over before the answer comes.
const WORTH_REPEATING: Duration = Duration::from_secs(20);
/// Times one request is sent.
const SENDS: u8 = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

type Outcome = Result<Answer, TokenError>;

/// One worker, as the daemon sees it.
pub struct Client {
    name: String,
    socket: PathBuf,
    queue: usize,
    next_id: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    is_hung: AtomicBool,
    is_over: AtomicBool,
    signatures: AtomicU64,
    failures: AtomicU64,
    /// Where answers are read while there is a connection; a thread reads them where there is no such runtime, or none any more.
    runtime: Mutex<Option<Handle>>,
}

struct State {
    connection: Option<Arc<Connection>>,
    away_since: Instant,
    token: TokenState,
    is_other_version: bool,
    pending: HashMap<u64, Pending>,
}

/// A request without an answer.
struct Pending {
    frame: Vec<u8>,
    asked: Instant,
    sends: u8,
    may_be_repeated: bool,
    reply: Reply,
}

enum Reply {
    Task(oneshot::Sender<Outcome>),
    Nobody,
}

/// Takes a request back when its caller goes away.
struct Waiting<'a> {
    client: &'a Client,
    id: u64,
}

impl Client {
    /// Starts connecting.
    pub fn start(name: &str, socket: PathBuf, queue: usize) -> Result<Arc<Self>, TokenError> {
        let state = State {
            connection: None,
            away_since: Instant::now(),
            token: TokenState::Opening,
            is_other_version: false,
            pending: HashMap::new(),
        };
        let client = Arc::new(Self {
            name: name.to_owned(),
            socket,
            queue,
            next_id: AtomicU64::new(1),
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_hung: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            signatures: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            runtime: Mutex::new(Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)),
        });
        let reader = client.clone();
        std::thread::Builder::new().name(format!("token-{name}")).spawn(move || reader.keep_connected()).map_err(TokenError::NoThread)?;
        Ok(client)
    }

    /// Waits until the worker has logged in, or says why it could not.
    pub fn await_open(&self, patience: Duration) -> Result<(), TokenError> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.state);
        loop {
            if state.is_other_version {
                return Err(TokenError::NotAWorker);
            }
            match (&state.connection, &state.token) {
                (Some(_), TokenState::Open { .. }) => return Ok(()),
                (Some(_), TokenState::Closed(fault)) => return Err(fault.clone().into()),
                (Some(_), TokenState::Opening) | (None, _) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TokenError::Unavailable(Some(FailedCall::NoWorker)));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Asks from a task.
    pub async fn ask(&self, ask: Ask, within: Duration) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let waiting = self.submit(&ask, Reply::Task(reply))?;
        let outcome = tokio::time::timeout(within, answer).await;
        drop(waiting);
        self.counted(match outcome {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(TokenError::Unavailable(Some(FailedCall::NoWorker))),
            Err(_) => Err(self.given_up(&ask, within)),
        })
    }

    /// Sends what needs no answer.
    pub fn tell(&self, ask: &Ask) {
        // When the queue is full the worker is busy with other things than this; the next wrong signature says it again.
        if let Ok(waiting) = self.submit(ask, Reply::Nobody) {
            std::mem::forget(waiting);
        }
    }

    /// Counts a signature that was verified.
    pub fn signed(&self) {
        self.signatures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that failed.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn health(&self) -> TokenHealth {
        let state = lock(&self.state);
        let (reachable, sessions, last) = match (&state.connection, &state.token) {
            (Some(_), TokenState::Open { reachable, sessions, last_error }) => (*reachable, usize::from(*sessions), *last_error),
            (Some(_), TokenState::Opening | TokenState::Closed(_)) | (None, _) => (false, 0, None),
        };
        TokenHealth {
            reachable: reachable && !self.is_hung.load(Ordering::Relaxed),
            sessions,
            queue_depth: state.pending.len(),
            signatures: self.signatures.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_error_class: last.map(wire::fault::class_of),
        }
    }

    fn submit(&self, ask: &Ask, reply: Reply) -> Result<Waiting<'_>, TokenError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut frame = Vec::with_capacity(160);
        wire::write_request(&mut frame, id, ask).map_err(|_| TokenError::TooLong)?;
        let mut state = lock(&self.state);
        if state.pending.len() >= self.queue {
            self.failed();
            return Err(TokenError::BUSY);
        }
        let connection = state.connection.clone();
        if connection.is_none() && state.away_since.elapsed() > REPLACED_WITHIN {
            self.failed();
            return Err(why_away(state.is_other_version));
        }
        let sent = connection.as_ref().map(|_| frame.clone());
        let sends = u8::from(connection.is_some());
        let pending = Pending { frame, asked: Instant::now(), sends, may_be_repeated: ask.may_be_repeated(), reply };
        state.pending.insert(id, pending);
        drop(state);
        if let (Some(connection), Some(frame)) = (connection, sent) {
            connection.send(&frame);
        }
        Ok(Waiting { client: self, id })
    }

    fn counted(&self, outcome: Outcome) -> Outcome {
        if outcome.is_err() {
            self.failed();
        }
        outcome
    }

    /// What takes its turn behind the making of keys may wait for minutes, while the token does what else it is asked.
    fn given_up(&self, ask: &Ask, waited: Duration) -> TokenError {
        if !ask.may_wait_for_keys() {
            self.is_hung.store(true, Ordering::Relaxed);
        }
        TokenError::Unavailable(Some(FailedCall::Hung { seconds: waited.as_secs() }))
    }

    fn keep_connected(self: &Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        while !self.is_over.load(Ordering::Acquire) {
            if self.serve_once() {
                // At once: what the worker's end left behind waits for the next one.
                pause = FIRST_PAUSE;
            } else {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Connects, and serves until the connection ends. False when there was none.
    fn serve_once(self: &Arc<Self>) -> bool {
        let Open { connection, mut frames, writer } = match Connection::open(&self.socket) {
            Ok(open) => open,
            Err(error) => {
                let mut state = lock(&self.state);
                if matches!(error, NotConnected::NotAWorker) != state.is_other_version {
                    state.is_other_version = !state.is_other_version;
                    tracing::warn!(token = self.name, %error, "no connection to the token's worker");
                }
                drop(state);
                self.give_up_waiting();
                self.changed.notify_all();
                return false;
            }
        };
        let runtime = lock(&self.runtime).clone();
        if self.read(&connection, &mut frames, runtime.is_some())
            && let Some(runtime) = runtime
        {
            let reading = runtime.spawn(self.clone().read_as_a_task(connection.clone(), frames));
            if runtime.block_on(reading).is_err() {
                // The runtime has ended before the task; this token may be asked from another.
                *lock(&self.runtime) = None;
            }
        }
        connection.end();
        self.disconnected();
        if writer.join().is_err() {
            tracing::error!("the thread that writes to the token's worker has panicked");
        }
        true
    }

    /// Reads until the connection ends or, when that is possible, a task can go on with it; says whether it is that.
    fn read(&self, connection: &Arc<Connection>, frames: &mut Frames<UnixStream>, has_runtime: bool) -> bool {
        loop {
            match frames.read() {
                Ok(Some(content)) if self.take_in(connection, content) => {
                    if has_runtime && lock(&self.state).connection.is_some() {
                        return true;
                    }
                }
                Ok(_) => return false,
                // Only while the worker has not said yet how the token is.
                Err(error) if error.is_timeout() => self.give_up_waiting(),
                Err(error) => {
                    tracing::warn!(token = self.name, %error, "the connection to the token's worker failed");
                    return false;
                }
            }
        }
    }

    /// Goes on reading where the tasks are that wait for the answers, which then need no thread to be woken for each.
    async fn read_as_a_task(self: Arc<Self>, connection: Arc<Connection>, frames: Frames<UnixStream>) {
        let outcome = async {
            let mut frames = for_a_task(frames)?;
            while let Some(content) = frames.await_next().await? {
                if !self.take_in(&connection, content) {
                    break;
                }
            }
            Ok::<_, ReadError>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(token = self.name, %error, "the connection to the token's worker failed");
        }
    }

    /// Takes a message in; false when it is none.
    fn take_in(&self, connection: &Arc<Connection>, content: &[u8]) -> bool {
        match wire::read_from_worker(content) {
            Ok(FromWorker::Answer { id, outcome }) => {
                if self.is_hung.load(Ordering::Relaxed) {
                    self.is_hung.store(false, Ordering::Relaxed);
                }
                // Whoever asked may have gone.
                let pending = lock(&self.state).pending.remove(&id);
                if let Some(pending) = pending {
                    pending.reply.send(outcome);
                }
                true
            }
            Ok(FromWorker::State(token)) => {
                self.token_is(connection, token);
                true
            }
            Err(error) => {
                tracing::error!(token = self.name, %error, "the token's worker sends what is no message");
                false
            }
        }
    }

    /// Answers those that have waited long enough for a worker to come back.
    fn give_up_waiting(&self) {
        let mut state = lock(&self.state);
        if state.connection.is_some() || state.away_since.elapsed() <= REPLACED_WITHIN {
            return;
        }
        let given_up: Vec<_> = state.pending.drain().collect();
        let is_other_version = state.is_other_version;
        drop(state);
        for (_, pending) in given_up {
            pending.reply.send(Err(why_away(is_other_version)));
        }
    }

    fn token_is(&self, connection: &Arc<Connection>, token: TokenState) {
        let mut state = lock(&self.state);
        state.token = token;
        state.is_other_version = false;
        self.is_hung.store(false, Ordering::Relaxed);
        if state.connection.is_none() && !matches!(state.token, TokenState::Opening) {
            tracing::info!(token = self.name, "connected to the token's worker");
            connection.wait_for_ever();
            state.connection = Some(connection.clone());
            let mut frames = Vec::new();
            for pending in state.pending.values_mut() {
                pending.sends += 1;
                frames.extend_from_slice(&pending.frame);
            }
            drop(state);
            connection.send(&frames);
        }
        self.changed.notify_all();
    }

    fn disconnected(&self) {
        let mut state = lock(&self.state);
        if state.connection.take().is_some() {
            state.away_since = Instant::now();
        }
        state.token = TokenState::Opening;
        let is_over = self.is_over.load(Ordering::Acquire);
        let given_up = state.pending.extract_if(|_, pending| is_over || !pending.is_worth_repeating());
        let given_up: Vec<_> = given_up.collect();
        if !is_over {
            let repeated = state.pending.len();
            tracing::warn!(token = self.name, repeated, given_up = given_up.len(), "the token's worker is gone");
        }
        drop(state);
        for (_, pending) in given_up {
            pending.reply.send(Err(TokenError::Unavailable(Some(FailedCall::NoWorker))));
        }
    }

    /// Ends the connection and the thread that reads.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(connection) = &lock(&self.state).connection {
            connection.end();
        }
    }
}

fn why_away(is_other_version: bool) -> TokenError {
    if is_other_version { TokenError::NotAWorker } else { TokenError::Unavailable(Some(FailedCall::NoWorker)) }
}

impl Pending {
    fn is_worth_repeating(&self) -> bool {
        self.sends == 0 || (self.may_be_repeated && self.sends < SENDS && self.asked.elapsed() < WORTH_REPEATING)
    }
}

impl Reply {
    fn send(self, outcome: Outcome) {
        // Nobody listens any more: then nobody needs the answer either.
        match self {
            Self::Task(sender) => drop(sender.send(outcome)),
            Self::Nobody => {}
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.client.state);
        // Answered requests are there no more.
        if state.pending.remove(&self.id).is_none() {
            return;
        }
        let connection = state.connection.clone();
        drop(state);
        let mut frame = Vec::new();
        if let (Some(connection), Ok(())) = (connection, wire::write_cancel(&mut frame, self.id)) {
            connection.send(&frame);
        }
    }
}
