//! The keeper: a small process between the daemon and the worker, so that the daemon need not start programs once it serves.
//!
//! ```text
//!   daemon ── starts, holds its standard input ──▶ keeper ── starts, passes the socket ──▶ worker
//! ```
//!
//! Guarantees: the keeper ends when its standard input does, which is when the daemon ends however it ends; the worker ends with the keeper.
//! Under systemd nothing here runs: `chancery-token@.service` and its socket do the same.
//!
//! Never does: load the module, read the PIN, or read what daemon and worker say to each other.

pub mod process;

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::lock;

/// The name of a worker's socket in the keeper's directory.
pub const SOCKET: &str = "worker.sock";
/// Between two starts of a keeper that ends.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the end of the daemon waits for the keeper's.
const FAREWELL: Duration = Duration::from_secs(6);

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("a directory for the token worker's socket cannot be made in {directory}")]
    Directory { directory: PathBuf, source: io::Error },
    #[error("{program} cannot be started")]
    Start { program: PathBuf, source: io::Error },
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// A keeper that runs, and is started again when it ends. Dropped, it ends with its worker.
pub struct Keeper {
    directory: PathBuf,
    shared: Arc<Shared>,
    /// Nobody watches it yet.
    first: Option<Child>,
    watching: Option<JoinHandle<()>>,
}

struct Shared {
    program: PathBuf,
    config: PathBuf,
    directory: PathBuf,
    /// The keeper's life hangs on this; None when it is to end.
    lifeline: Mutex<Lifeline>,
}

enum Lifeline {
    Held(Option<ChildStdin>),
    Cut,
}

impl Keeper {
    /// Starts `program`, the daemon's own binary, as the keeper of the worker that `config` describes. Its socket is in a new directory in
    /// `base`, which no other user may enter.
    pub fn start(program: &Path, config: &Path, base: &Path) -> Result<Self, KeeperError> {
        let directory = new_directory(base)?;
        let shared = Arc::new(Shared {
            program: program.to_owned(),
            config: config.to_owned(),
            directory: directory.clone(),
            lifeline: Mutex::new(Lifeline::Held(None)),
        });
        let failed = |source| KeeperError::Start { program: program.to_owned(), source };
        let first = shared.spawn().map_err(failed)?;
        Ok(Self { directory, shared, first: Some(first), watching: None })
    }

    /// Starts the thread that starts another keeper when this one ends. Apart from [`start`](Self::start), which a daemon with one thread
    /// calls before it closes its sandbox: a thread that began before would stay outside. `lost` is told when none can be started any more.
    pub fn watch(&mut self, lost: Arc<Notify>) -> Result<(), KeeperError> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let watched = self.shared.clone();
        let failed = |source| KeeperError::Start { program: self.shared.program.clone(), source };
        let thread = std::thread::Builder::new().name("token-keeper".to_owned());
        self.watching = Some(thread.spawn(move || watched.watch(first, &lost)).map_err(failed)?);
        Ok(())
    }

    /// Where its worker listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *lock(&self.shared.lifeline) = Lifeline::Cut;
        let deadline = Instant::now() + FAREWELL;
        if let Some(watching) = self.watching.take() {
            while !watching.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            if watching.is_finished() && watching.join().is_err() {
                tracing::error!("the thread that watches the token's keeper has panicked");
            }
        }
        process::clear(&self.directory);
    }
}

impl Shared {
    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.arg("token-keeper").arg("--config").arg(&self.config).arg("--socket").arg(self.directory.join(SOCKET));
        // A group of its own: a Ctrl-C is for the daemon, which still needs the token while it stops.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        match &mut *lock(&self.lifeline) {
            Lifeline::Held(held) => *held = child.stdin.take(),
            Lifeline::Cut => drop(child.stdin.take()),
        }
        Ok(child)
    }

    fn watch(&self, mut child: Child, lost: &Notify) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let ended = child.wait();
            if matches!(*lock(&self.lifeline), Lifeline::Cut) {
                return;
            }
            let status = ended.ok();
            tracing::error!(
                code = status.and_then(|status| status.code()),
                signal = status.and_then(|status| status.signal()),
                "the token's keeper has ended; it is started again"
            );
            pause = if begun.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            std::thread::sleep(pause);
            child = match self.spawn() {
                Ok(child) => child,
                Err(error) => {
                    // A sandbox that forbids starting programs forbids it for good.
                    tracing::error!(%error, "the token's keeper cannot be started again");
                    lost.notify_one();
                    return;
                }
            };
        }
    }
}

/// A new directory for the owner alone, of a name nobody could have waited for.
fn new_directory(base: &Path) -> Result<PathBuf, KeeperError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeeperError::NoRandomness)?;
    let directory = base.join(format!("chancery-{}", hex::encode(random)));
    match std::fs::DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => Ok(directory),
        Err(source) => Err(KeeperError::Directory { directory: base.to_owned(), source }),
    }
}
