//! `chanceryd sandbox-probe`: closes the sandbox of a configuration around itself, tries what a taken-over daemon would try, and
//! tells what the kernel answered. It serves nothing and changes nothing.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{Pid, execv};

use super::{SandboxError, close_files, reach};
use crate::config::sandbox::DeniedCall;
use crate::config::{Config, ConfigError};

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// One thing that was tried.
#[derive(Debug)]
pub struct Attempt {
    pub what: &'static str,
    /// Whether the daemon needs it; what it does not need should be refused.
    pub is_needed: bool,
    pub outcome: io::Result<()>,
}

impl Attempt {
    /// Whether the sandbox is as it should be.
    pub fn is_as_meant(&self) -> bool {
        self.outcome.is_ok() == self.is_needed
    }
}

/// Closes the sandbox and tries. The process can do little else afterwards.
pub fn run(path: &Path) -> Result<Vec<Attempt>, ProbeError> {
    let config = Config::read(path)?;
    // Parents are of the same user, who could be signalled otherwise.
    let parent = Pid::from_raw(std::os::unix::process::parent_id().cast_signed());
    let mut settings = config.sandbox;
    // Whoever is killed cannot tell of it.
    settings.denied = DeniedCall::Refuse;
    close_files(settings, &reach(&config, path)?)?.close_calls()?;
    let own = config.data_dir.join("sandbox.probe");
    let elsewhere = std::env::temp_dir().join(format!("sandbox.probe.{}", std::process::id()));
    let needed = |what, outcome| Attempt { what, is_needed: true, outcome };
    let not_needed = |what, outcome| Attempt { what, is_needed: false, outcome };
    Ok(vec![
        needed("read the configuration", File::open(path).map(drop)),
        needed("write in the data directory", write_and_remove(&own)),
        needed("start a thread", std::thread::Builder::new().spawn(|| ()).map(drop)),
        needed("make a unix socket", UnixDatagram::unbound().map(drop)),
        not_needed("read /etc/passwd", File::open("/etc/passwd").map(drop)),
        not_needed("list /", std::fs::read_dir("/").map(drop)),
        not_needed("write in the folder for temporary files", write_and_remove(&elsewhere)),
        not_needed("start a program", Command::new("/bin/true").status().map(drop)),
        not_needed("become another program", become_another()),
        not_needed("be traced", ptrace::traceme().map_err(io::Error::from)),
        not_needed("trace its parent", ptrace::seize(parent, ptrace::Options::empty()).map_err(io::Error::from)),
        not_needed("signal its parent", kill(parent, None).map_err(io::Error::from)),
        not_needed("make a namespace", unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from)),
        not_needed("bind a port", TcpListener::bind("127.0.0.1:0").map(drop)),
        not_needed("connect to a port", connect()),
        not_needed("talk to the kernel over netlink", of_family(AddressFamily::Netlink)),
        not_needed("send packets of its own making", of_family(AddressFamily::Packet)),
    ])
}

fn write_and_remove(path: &Path) -> io::Result<()> {
    std::fs::write(path, b"probe")?;
    std::fs::remove_file(path)
}

/// A folder cannot be executed, so that this comes back also where it is not refused.
fn become_another() -> io::Result<()> {
    match execv(c"/", &[c"/"]) {
        Err(Errno::EPERM) => Err(Errno::EPERM.into()),
        _ => Ok(()),
    }
}

/// Whether anybody listens there is no matter.
fn connect() -> io::Result<()> {
    match TcpStream::connect("127.0.0.1:9") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

fn of_family(family: AddressFamily) -> io::Result<()> {
    Ok(socket(family, SockType::Raw, SockFlag::empty(), None).map(drop)?)
}
