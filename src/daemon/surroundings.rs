//! What the service manager hands to a process at its start: sockets that are bound already, where to report, how often to be
//! looked after. It is taken before anything else, and what is not taken is closed.

use std::io;
use std::net::TcpListener;
use std::os::fd::RawFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use listenfd::ListenFd;
use nix::unistd::close;

use super::environment::Environment;
use super::supervisor::Supervisor;

/// Descriptors from here on are neither standard input, output nor error.
const FIRST: RawFd = 3;

/// Why they could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum SurroundingsError {
    #[error("the process cannot see which descriptors it inherited")]
    Descriptors(#[source] io::Error),
    #[error("the service manager passed the socket {name}, which is no TCP listener")]
    NotTcp { name: String, source: io::Error },
    #[error("the service manager passed the socket break-glass, which is no listener of the unix family")]
    NotUnix(#[source] io::Error),
    #[error(
        "the service manager passed the socket {0}, and nothing here is called that; give FileDescriptorName=api, public, admin or break-glass"
    )]
    Unknown(String),
    #[error("the service manager cannot be reached at NOTIFY_SOCKET")]
    Supervisor(#[source] io::Error),
}

/// What was handed over.
#[derive(Debug)]
pub struct Surroundings {
    pub sockets: Sockets,
    pub supervisor: Supervisor,
    environment: Environment,
}

/// Listeners that the service manager bound, by their names.
#[derive(Debug, Default)]
pub struct Sockets {
    pub api: Option<TcpListener>,
    pub public: Option<TcpListener>,
    pub admin: Option<TcpListener>,
    pub break_glass: Option<UnixListener>,
}

impl Surroundings {
    /// Call it first, while there is one thread. Descriptors that nobody is known to have passed on purpose are closed.
    pub fn take() -> Result<Self, SurroundingsError> {
        let environment = Environment::remember();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut passed = ListenFd::from_env();
        close_others(passed.len()).map_err(SurroundingsError::Descriptors)?;
        let sockets = Sockets::take(&mut passed, &names)?;
        let watchdog = watchdog();
        let supervisor = Supervisor::at(std::env::var_os("NOTIFY_SOCKET"), watchdog).map_err(SurroundingsError::Supervisor)?;
        Ok(Self { sockets, supervisor, environment })
    }

    /// Of a process that no service manager started, or that leaves what one handed over to others.
    pub fn none() -> Self {
        Self { sockets: Sockets::default(), supervisor: Supervisor::none(), environment: Environment::remember() }
    }

    /// The sockets and the supervisor; the environment is gone afterwards. There must be one thread only.
    pub fn wipe_environment(self) -> (Sockets, Supervisor) {
        self.environment.wipe();
        (self.sockets, self.supervisor)
    }
}

impl Sockets {
    fn take(passed: &mut ListenFd, names: &str) -> Result<Self, SurroundingsError> {
        let mut sockets = Self::default();
        let mut names = names.split(':');
        for at in 0..passed.len() {
            // The service manager calls a socket without a name by its unit's; a single one can only be the API's.
            let name = names.next().filter(|name| !name.is_empty() && *name != "unknown").unwrap_or("api").to_owned();
            let place = match name.trim_end_matches(".socket") {
                "api" | "chanceryd" => &mut sockets.api,
                "public" | "chanceryd-public" => &mut sockets.public,
                "admin" | "chanceryd-admin" => &mut sockets.admin,
                "break-glass" | "chanceryd-break-glass" => {
                    sockets.break_glass = passed.take_unix_listener(at).map_err(SurroundingsError::NotUnix)?;
                    continue;
                }
                _ => return Err(SurroundingsError::Unknown(name)),
            };
            *place = passed.take_tcp_listener(at).map_err(|source| SurroundingsError::NotTcp { name, source })?;
        }
        Ok(sockets)
    }
}

/// Closes every inherited descriptor behind the passed ones.
fn close_others(passed: usize) -> io::Result<()> {
    let kept = FIRST.saturating_add(RawFd::try_from(passed).unwrap_or(RawFd::MAX));
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor >= kept)
        .collect();
    for descriptor in open {
        // The folder's own descriptor is among them and gone by now.
        let _ = close(descriptor);
    }
    Ok(())
}

/// How often the service manager wants to hear from this process, when it does.
fn watchdog() -> Option<Duration> {
    let is_meant = std::env::var("WATCHDOG_PID").map_or(true, |process| process == std::process::id().to_string());
    let microseconds = std::env::var("WATCHDOG_USEC").ok()?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    is_meant.then(|| Duration::from_micros(microseconds))
}
