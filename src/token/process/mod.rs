//! `chanceryd token-worker`: the process that holds the vendor's module and the PIN, and does what the daemon asks.
//!
//! Guarantees: only the users it was told of are served. A call that does not return in its time ends the process at once; whoever started
//! it starts the next. When the token is away or refuses the PIN it stays up, says so, and looks again; a refused PIN is not tried twice.
//!
//! Never does: write a core file, gain privileges, or answer anything but the requests of [`super::request`].

mod connection;
mod listener;
mod opening;
pub mod settings;
mod watchdog;

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{Pid, getppid};

use super::engine::calls::{Calls, Timeouts};
use super::engine::patience::Patience;
use crate::base::secret::SecretString;
use crate::token::engine;
use crate::token::error::TokenError;
use connection::Clients;
pub use listener::bind;
use opening::Opening;
use settings::{Settings, SettingsError};

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the worker's configuration cannot be used")]
    Settings(#[from] SettingsError),
    #[error("there is no socket to listen on: none was passed, and `listen` names none")]
    NoSocket,
    #[error("the socket cannot be listened on")]
    Listen(#[source] std::io::Error),
    #[error("there is no user {0}")]
    NoUser(String),
    #[error("the process cannot be confined")]
    Confine(#[source] Errno),
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    #[error("whoever started the worker has ended")]
    Orphan,
    #[error("the token cannot be initialised")]
    Token(#[from] TokenError),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Serves until SIGTERM. `keeper` is the process that must have started this one, and whose end ends it. To be called before there is
/// another thread.
pub fn run(settings: Settings, keeper: Option<i32>) -> Result<(), ProcessError> {
    let stopping = confine(keeper)?;
    let listener = listener::take(settings.listen.as_deref())?;
    let peers = listener::Peers::of(settings.client_user.as_deref())?;
    let patience = Patience::new(settings.timeouts.initialise);
    let calls = Calls::new(Timeouts { initialise: patience.begin(), ..settings.timeouts });
    let opening = Opening::begin(settings.engine, calls.clone(), patience).map_err(ProcessError::Thread)?;
    let clients = Clients::new(opening.clone(), peers);
    watchdog::start(calls, clients.clone()).map_err(ProcessError::Thread)?;
    accept(listener, clients)?;
    match stopping.wait() {
        Ok(signal) => tracing::info!(%signal, "the token's worker ends"),
        Err(error) => tracing::error!(%error, "the token's worker cannot wait for signals"),
    }
    opening.close();
    Ok(())
}

/// Makes the token the settings name out of an empty slot, with the PIN of its file. The security officer's PIN is needed for this once and
/// never again, so nobody learns it.
pub fn initialise(settings: &Settings, keeper: Option<i32>) -> Result<(), ProcessError> {
    confine(keeper)?;
    let label = settings.engine.label.as_deref().ok_or(TokenError::BadLabel)?;
    let mut bytes = crate::base::secret::Zeroizing::new([0u8; 24]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| ProcessError::NoRandomness)?;
    let so_pin: SecretString = hex::encode(bytes.as_slice()).into();
    let user_pin = settings.engine.pin.read().map_err(|error| {
        tracing::error!(%error, "there is no PIN for the new token");
        TokenError::NoPin
    })?;
    Ok(engine::initialise(&settings.engine.module, label, &so_pin, &user_pin)?)
}

/// What a process that holds a PIN gives up. The signals that end it are blocked in every thread to come; who waits for them gets them.
pub fn confine(keeper: Option<i32>) -> Result<SigSet, ProcessError> {
    let mut stopping = SigSet::empty();
    stopping.add(Signal::SIGTERM);
    stopping.add(Signal::SIGINT);
    // The mask is inherited, and whoever started this may have had another.
    stopping.thread_swap_mask(SigmaskHow::SIG_SETMASK).map_err(ProcessError::Confine)?;
    prctl::set_dumpable(false).map_err(ProcessError::Confine)?;
    prctl::set_no_new_privs().map_err(ProcessError::Confine)?;
    if let Some(keeper) = keeper {
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(ProcessError::Confine)?;
        // It may have ended before that was asked for.
        if getppid() != Pid::from_raw(keeper) {
            return Err(ProcessError::Orphan);
        }
    }
    Ok(stopping)
}

fn accept(listener: UnixListener, clients: Arc<Clients>) -> Result<(), ProcessError> {
    let accepting = move || {
        for socket in listener.incoming() {
            match socket {
                Ok(socket) => clients.serve(socket),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    std::thread::sleep(std::time::Duration::from_millis(100));
                }
            }
        }
    };
    std::thread::Builder::new().name("accept".to_owned()).spawn(accepting).map_err(ProcessError::Thread)?;
    Ok(())
}
