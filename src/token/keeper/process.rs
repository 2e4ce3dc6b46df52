//! `chanceryd token-keeper`: holds the worker's socket, starts the worker, and starts another one when it has ended.
//!
//! Connections that come while there is no worker wait in the socket's queue for the next. The worker gets the socket as its standard input
//! and shows signs of life by sd_notify(3)'s protocol, so it is started the same way by systemd.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::token::engine::{patience, pin};
use crate::token::process::settings::{Settings, SettingsError};

/// A worker that lived for so long died of something new.
const YOUNG: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Together with the start of a worker less than the second in which the token is to be there again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long a worker may take to end in order.
const FAREWELL: Duration = Duration::from_secs(4);

/// Why the keeper ended.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("the worker's configuration cannot be used")]
    Settings(#[from] SettingsError),
    #[error("the worker's socket cannot be made")]
    Socket(#[source] io::Error),
    #[error("signals cannot be received")]
    Signals(#[source] Errno),
    #[error("the worker cannot be started")]
    Start(#[source] io::Error),
}

/// Why a wait ended.
enum Event {
    /// The worker has ended.
    Ended(ExitStatus),
    /// The worker has shown that it lives.
    Alive,
    /// A signal, or the end of standard input.
    Stop,
    /// The time is over.
    Late,
}

struct Keeper {
    program: PathBuf,
    config: PathBuf,
    watchdog: Duration,
    listener: UnixListener,
    notices: UnixDatagram,
    notices_path: PathBuf,
    signals: SignalFd,
}

/// Keeps a worker until SIGTERM, SIGINT or the end of standard input. Starts no thread.
pub fn run(program: &Path, config: &Path, socket: &Path) -> Result<(), KeepError> {
    let settings = Settings::read(config)?;
    let directory = socket.parent().unwrap_or(Path::new("/")).to_owned();
    let notices_path = directory.join("notify.sock");
    let listener = crate::token::process::bind(socket).map_err(KeepError::Socket)?;
    drop(std::fs::remove_file(&notices_path));
    let notices = UnixDatagram::bind(&notices_path).map_err(KeepError::Socket)?;
    notices.set_nonblocking(true).map_err(KeepError::Socket)?;
    let mut awaited = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        awaited.add(signal);
    }
    awaited.thread_block().map_err(KeepError::Signals)?;
    let signals = SignalFd::with_flags(&awaited, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map_err(KeepError::Signals)?;
    let keeper = Keeper {
        program: program.to_owned(),
        config: config.to_owned(),
        watchdog: settings.watchdog,
        listener,
        notices,
        notices_path,
        signals,
    };
    let outcome = keeper.keep();
    drop(keeper);
    clear(&directory);
    outcome
}

/// Removes what a keeper leaves in its directory, and that.
pub fn clear(directory: &Path) {
    // Whatever is gone already, or is not a keeper's, stays as it is.
    for name in [super::SOCKET, "notify.sock", pin::NOTES, patience::NOTE] {
        drop(std::fs::remove_file(directory.join(name)));
    }
    drop(std::fs::remove_dir(directory));
}

impl Keeper {
    fn keep(&self) -> Result<(), KeepError> {
        let mut pause = Duration::ZERO;
        loop {
            let begun = Instant::now();
            let mut worker = self.start().map_err(KeepError::Start)?;
            match self.attend(&mut worker)? {
                Event::Ended(status) => {
                    tracing::error!(code = status.code(), signal = status.signal(), "the token's worker has ended; it is replaced");
                }
                Event::Late | Event::Alive => {
                    tracing::error!(
                        seconds = self.watchdog.as_secs(),
                        "the token's worker shows no sign of life; it is ended and replaced"
                    );
                    // A worker that is stopped can be ended in no other way.
                    drop(worker.kill());
                    drop(worker.wait());
                }
                Event::Stop => {
                    self.end(&mut worker)?;
                    return Ok(());
                }
            }
            // At once the first time; slower while they die young.
            pause = if begun.elapsed() > YOUNG { Duration::ZERO } else { (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE) };
            if !pause.is_zero() && matches!(self.wait(None, Instant::now() + pause)?, Event::Stop) {
                return Ok(());
            }
        }
    }

    fn start(&self) -> io::Result<Child> {
        let listener: OwnedFd = self.listener.try_clone()?.into();
        let mut command = Command::new(&self.program);
        command.arg("token-worker").arg("--config").arg(&self.config).arg("--keeper").arg(std::process::id().to_string());
        command.env("NOTIFY_SOCKET", &self.notices_path).env("WATCHDOG_USEC", self.watchdog.as_micros().to_string());
        if let Some(directory) = self.notices_path.parent() {
            command.env(pin::DIRECTORY_VARIABLE, directory);
        }
        command.env_remove("WATCHDOG_PID").env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
        command.stdin(Stdio::from(listener)).stdout(Stdio::null());
        command.spawn()
    }

    /// Waits while the worker lives and shows it.
    fn attend(&self, worker: &mut Child) -> Result<Event, KeepError> {
        // It has to begin before it can show that it lives.
        let mut deadline = Instant::now() + self.watchdog * 2;
        loop {
            match self.wait(Some(worker), deadline)? {
                Event::Alive => deadline = Instant::now() + self.watchdog,
                event @ (Event::Ended(_) | Event::Stop | Event::Late) => return Ok(event),
            }
        }
    }

    /// Ends the worker: in order, and by force when that takes too long.
    fn end(&self, worker: &mut Child) -> Result<(), KeepError> {
        if let Ok(id) = i32::try_from(worker.id()) {
            // It may have ended by itself, and then this is over at once.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline {
            if !matches!(worker.try_wait(), Ok(None)) {
                return Ok(());
            }
            let mut fds = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout(deadline)) {
                Ok(_) | Err(Errno::EINTR) => while matches!(self.signals.read_signal(), Ok(Some(_))) {},
                Err(error) => return Err(KeepError::Signals(error)),
            }
        }
        drop(worker.kill());
        drop(worker.wait());
        Ok(())
    }

    /// Waits for something to happen.
    fn wait(&self, mut worker: Option<&mut Child>, deadline: Instant) -> Result<Event, KeepError> {
        let stdin = io::stdin();
        loop {
            if let Some(worker) = worker.as_deref_mut()
                && let Ok(Some(status)) = worker.try_wait()
            {
                return Ok(Event::Ended(status));
            }
            let mut fds = [
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.notices.as_fd(), PollFlags::POLLIN),
                PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            ];
            let ready = match poll(&mut fds, timeout(deadline)) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(KeepError::Signals(error)),
            };
            if ready == 0 && Instant::now() >= deadline {
                return Ok(Event::Late);
            }
            let [_, noticed, lifeline] = fds.map(|fd| fd.any().unwrap_or(false));
            // Nobody writes to it: whatever happens there is its end.
            if lifeline {
                return Ok(Event::Stop);
            }
            while let Ok(Some(signal)) = self.signals.read_signal() {
                if u32::try_from(Signal::SIGCHLD as i32) != Ok(signal.ssi_signo) {
                    return Ok(Event::Stop);
                }
            }
            if noticed && self.has_sign_of_life() {
                return Ok(Event::Alive);
            }
        }
    }

    fn has_sign_of_life(&self) -> bool {
        let mut found = false;
        let mut notice = [0; 512];
        while let Ok(length) = self.notices.recv(&mut notice) {
            let text = notice.get(..length).unwrap_or_default();
            found |= text.split(|byte| *byte == b'\n').any(|line| matches!(line, b"WATCHDOG=1" | b"READY=1"));
        }
        found
    }
}

fn timeout(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}
