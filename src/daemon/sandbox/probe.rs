//! `chanceryd sandbox-probe`: closes the sandbox of a configuration around itself, tries what a taken-over daemon would try, and
//! tells what the kernel answered. It serves nothing and changes nothing. With `--worker` it does the same in the place of a token's worker,
//! and tries every system call that is refused there.

use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::sys::prctl;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{Pid, execv};

use super::system_calls::{Only, of_daemon};
use super::{SandboxError, close_files, reach, worker};
use crate::config::outbound::Reachable;
use crate::config::sandbox::{DeniedCall, SandboxMode};
use crate::config::{Config, ConfigError};
use crate::token::process::{ProcessError, confine};

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// One thing that was tried.
#[derive(Debug)]
pub struct Attempt {
    pub what: String,
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
    let reach = reach(&config, path)?;
    close_files(settings, &reach)?.close_calls()?;
    let own = config.data_dir.join("sandbox.probe");
    let elsewhere = std::env::temp_dir().join(format!("sandbox.probe.{}", std::process::id()));
    let mut attempts = vec![
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
        match config.outbound.reachable(config.acme.enabled) {
            Reachable::Nothing => not_needed("connect to a port", connect(9)),
            Reachable::Ports(ports) => {
                not_needed("connect to another port", connect((1..=9).rev().find(|port| !ports.contains(port)).unwrap_or(10)))
            }
            Reachable::EveryPort => needed("connect to a port", connect(9)),
        },
        not_needed("read and write raw packets", of_family(AddressFamily::Inet)),
        not_needed("talk to the kernel over netlink", of_family(AddressFamily::Netlink)),
        not_needed("send packets of its own making", of_family(AddressFamily::Packet)),
    ];
    // Where nothing holds them back some of these would do something.
    if settings.mode == SandboxMode::Enforce {
        attempts.extend(other_calls(reach.connect != Reachable::Nothing));
    }
    Ok(attempts)
}

/// Every system call that is not on the daemon's list, and those that are held to their arguments with others.
fn other_calls(has_outbound: bool) -> Vec<Attempt> {
    let listed: Vec<_> = of_daemon(has_outbound).filter(|call| matches!(call.only, Only::Any)).map(|call| call.number).collect();
    let others: Vec<_> = (0..NUMBERS).filter(|number| !listed.contains(number) && !PROBES.contains(number)).collect();
    let let_through = others.iter().filter(|number| is_let_through(**number, NONSENSE).is_ok());
    let mut attempts: Vec<_> = let_through.map(|number| not_needed(&format!("make system call {number}"), Ok(()))).collect();
    if attempts.is_empty() {
        attempts.push(not_needed(&format!("make {} other system calls", others.len()), Err(Errno::EPERM.into())));
    }
    attempts
}

/// Closes the sandbox of a worker and tries. The process can do little else afterwards.
pub fn run_as_worker() -> Result<Vec<Attempt>, ProbeError> {
    let parent = Pid::from_raw(std::os::unix::process::parent_id().cast_signed());
    worker::close().map_err(SandboxError::from)?;
    confine(None)?;
    let (cores, _) = getrlimit(Resource::RLIMIT_CORE).unwrap_or((u64::MAX, u64::MAX));
    let mut attempts = vec![
        needed("start a thread", std::thread::Builder::new().spawn(|| ()).map(drop)),
        needed("make a unix socket", UnixDatagram::unbound().map(drop)),
        needed("load a library", load_library()),
        needed("be without a way to new privileges", truth(prctl::get_no_new_privs() == Ok(true))),
        needed("be out of others' sight", truth(prctl::get_dumpable() == Ok(false))),
        needed("write no core file", truth(cores == 0)),
        not_needed("start a program", Command::new("/bin/true").status().map(drop)),
        not_needed("be traced", ptrace::traceme().map_err(io::Error::from)),
        not_needed("trace its parent", ptrace::seize(parent, ptrace::Options::empty()).map_err(io::Error::from)),
        not_needed("make a namespace", unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from)),
        // What the kernel would refuse as nonsense, had the sandbox not refused it before.
        not_needed("start a process in a namespace", is_let_through(libc::SYS_clone, (libc::CLONE_NEWNS | libc::CLONE_FS).into())),
        not_needed("start a process by clone3", is_known(libc::SYS_clone3)),
    ];
    attempts.extend(worker::REFUSED.iter().map(|(number, why)| {
        let what = format!("make system call {number}: {why}");
        Attempt { what, is_needed: false, outcome: is_let_through(*number, NONSENSE) }
    }));
    Ok(attempts)
}

/// More than any kernel has yet.
const NUMBERS: libc::c_long = 512;
/// uretprobe and uprobe of x86-64, which the kernel's own trampolines make: it ends whoever makes them elsewhere before a filter is asked.
const PROBES: [libc::c_long; 2] = [335, 336];
/// An argument no system call has a use for: neither an address, nor a descriptor, nor flags.
const NONSENSE: i64 = -1;

fn needed(what: &str, outcome: io::Result<()>) -> Attempt {
    Attempt { what: what.to_owned(), is_needed: true, outcome }
}

fn not_needed(what: &str, outcome: io::Result<()>) -> Attempt {
    Attempt { what: what.to_owned(), is_needed: false, outcome }
}

fn truth(is_so: bool) -> io::Result<()> {
    if is_so { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
}

/// As the loader does it: a file that may be executed, in memory.
fn load_library() -> io::Result<()> {
    let file = File::open("/proc/self/exe")?;
    let length = std::num::NonZeroUsize::new(4_096).ok_or(io::ErrorKind::Other)?;
    // SAFETY: a private mapping at a place of the kernel's choice, which nothing refers to.
    #[expect(unsafe_code, reason = "a mapping of a file is what is tried")]
    let mapped = unsafe { mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_EXEC, MapFlags::MAP_PRIVATE, &file, 0) };
    Ok(mapped.map(drop)?)
}

/// Whether the sandbox lets a system call come to the kernel, which refuses these arguments in another way.
fn is_let_through(number: libc::c_long, argument: i64) -> io::Result<()> {
    // SAFETY: no system call reads or writes memory at an address that cannot be one, and who asks expects none of these to be made.
    #[expect(unsafe_code, reason = "most of these calls have no safe interface, and none is to be made")]
    let answer = unsafe { libc::syscall(number, argument, argument, argument, argument, argument, argument) };
    match (answer, Errno::last()) {
        (-1, Errno::EPERM) => Err(Errno::EPERM.into()),
        _ => Ok(()),
    }
}

fn is_known(number: libc::c_long) -> io::Result<()> {
    // SAFETY: as above.
    #[expect(unsafe_code, reason = "as above")]
    let answer = unsafe { libc::syscall(number, NONSENSE, NONSENSE) };
    match (answer, Errno::last()) {
        (-1, Errno::ENOSYS) => Err(Errno::ENOSYS.into()),
        _ => Ok(()),
    }
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
fn connect(port: u16) -> io::Result<()> {
    match TcpStream::connect(("127.0.0.1", port)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

fn of_family(family: AddressFamily) -> io::Result<()> {
    Ok(socket(family, SockType::Raw, SockFlag::empty(), None).map(drop)?)
}
