//! From the start of the worker to the login, however often that has to be tried.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::token::engine::calls::Calls;
use crate::token::engine::patience::Patience;
use crate::token::engine::{Engine, EngineConfig, Reply};
use crate::token::error::TokenError;
use crate::token::key::KeyId;
use crate::token::lock;
use crate::token::request::Ask;
use crate::token::wire::State as TokenState;
use crate::token::wire::fault::{Fault, class_number};

/// Between two attempts at a token that is not there.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the end of the process waits for an attempt that is under way.
const FAREWELL: Duration = Duration::from_secs(2);

/// The engine, or why there is none yet.
pub struct Opening {
    state: Mutex<State>,
    /// Whether another attempt may begin; held while one is under way.
    may_attempt: Mutex<bool>,
}

enum State {
    Begun,
    Open(Engine),
    Failed(Fault),
}

impl Opening {
    /// Starts a thread that logs in, again and again unless the PIN was refused.
    pub fn begin(config: EngineConfig, calls: Calls, patience: Patience) -> std::io::Result<Arc<Self>> {
        let opening = Arc::new(Self { state: Mutex::new(State::Begun), may_attempt: Mutex::new(true) });
        let begun = opening.clone();
        std::thread::Builder::new().name("token-open".to_owned()).spawn(move || begun.attempt(&config, &calls, &patience))?;
        Ok(opening)
    }

    /// Passes a request on, or answers it with why not.
    pub fn submit(&self, ask: Ask, reply: Reply) {
        let engine = match &*lock(&self.state) {
            State::Open(engine) => Ok(engine.clone()),
            State::Begun => Err(TokenError::Unavailable(None)),
            State::Failed(fault) => Err(away(fault.clone().into())),
        };
        match engine {
            Ok(engine) => engine.submit(ask, reply),
            Err(error) => reply.refuse(error),
        }
    }

    /// Returns when more requests are wanted.
    pub fn await_demand(&self) {
        // Not the engine itself, whose last holder closes the sessions.
        let demand = match &*lock(&self.state) {
            State::Open(engine) => engine.demand(),
            State::Begun | State::Failed(_) => return,
        };
        demand.wait();
    }

    /// How the token is.
    pub fn token(&self) -> TokenState {
        match &*lock(&self.state) {
            State::Begun => TokenState::Opening,
            State::Failed(fault) => TokenState::Closed(fault.clone()),
            State::Open(engine) => {
                let health = engine.health();
                TokenState::Open {
                    reachable: health.reachable,
                    sessions: u16::try_from(health.sessions).unwrap_or(u16::MAX),
                    last_error: health.last_error_class.map(class_number),
                }
            }
        }
    }

    /// Has a token that is away looked for, when nobody else asks: its equals are asked as long as it is away.
    pub fn look(&self) {
        let engine = match &*lock(&self.state) {
            State::Open(engine) if !engine.health().reachable => engine.clone(),
            State::Open(_) | State::Begun | State::Failed(_) => return,
        };
        // What is found does not matter: asking is what brings the token back, and its state then says so.
        engine.submit(Ask::Find { id: KeyId::from_bytes([0; 16]) }, Reply { send: Box::new(drop), is_wanted: Box::new(|| true) });
    }

    /// Closes the sessions. An attempt that is under way is waited for: when the process ends, the module's destructors and those of the
    /// libraries it uses run, and a thread that is in the module meanwhile crashes (seen with SoftHSM 2.6.1 and OpenSSL 3.0).
    pub fn close(&self) {
        let deadline = Instant::now() + FAREWELL;
        loop {
            match self.may_attempt.try_lock() {
                Ok(mut may_attempt) => {
                    *may_attempt = false;
                    break;
                }
                // One that hangs in the module is left there.
                Err(_) if Instant::now() >= deadline => break,
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        let open = std::mem::replace(&mut *lock(&self.state), State::Failed(Fault::Unavailable(None)));
        drop(open);
    }

    fn attempt(&self, config: &EngineConfig, calls: &Calls, patience: &Patience) {
        loop {
            let may_attempt = lock(&self.may_attempt);
            if !*may_attempt {
                return;
            }
            let begun = Instant::now();
            let outcome = Engine::open(config.clone(), calls.clone());
            let (next, is_final) = match outcome {
                Ok(engine) => {
                    patience.came_through(begun.elapsed());
                    (State::Open(engine), true)
                }
                Err(error) => {
                    let is_final = matches!(error, TokenError::PinRefused);
                    let mut cause = std::error::Error::source(&error);
                    while let Some(inner) = cause.and_then(std::error::Error::source) {
                        cause = Some(inner);
                    }
                    tracing::error!(%error, cause = cause.map(tracing::field::display), "the token cannot be opened");
                    (State::Failed(error.into()), is_final)
                }
            };
            *lock(&self.state) = next;
            drop(may_attempt);
            if is_final {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Whatever keeps the token from being opened, for a request it is away; an administrator is needed for a PIN.
fn away(error: TokenError) -> TokenError {
    match error {
        TokenError::PinRefused | TokenError::NoPin | TokenError::Unavailable(_) => error,
        TokenError::Unsupported(Some(call)) | TokenError::Refused(call) => TokenError::Unavailable(Some(call)),
        _ => TokenError::Unavailable(None),
    }
}
