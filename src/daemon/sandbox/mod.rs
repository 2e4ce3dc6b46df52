//! The sandbox the daemon closes around itself before the first byte from the network is read.
//!
//! ```text
//! start ─▶ configuration, sockets, workers ─▶ files closed (Landlock) ─▶ threads, store, token ─▶ calls closed (seccomp) ─▶ serving
//! ```
//! Files are closed while there is one thread, because the kernel closes them to one thread and those it starts. System calls
//! are closed last and to all threads, so that what is needed to start only is not on their list.
//!
//! It never opens again, and a part that the configuration asks for and the kernel refuses ends the start; a kernel that does not
//! know Landlock is told of in the log.

mod calls;
mod files;
pub mod probe;
pub mod system_calls;
pub mod worker;

use std::path::{Path, PathBuf};

pub use calls::FilterError;
pub use files::{Held, Reach, ReachError};

use crate::config::Config;
use crate::config::outbound::Reachable;
use crate::config::sandbox::{Sandbox as Settings, SandboxMode};

/// Why the sandbox could not be closed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("{path} cannot be made or resolved")]
    Path { path: PathBuf, source: std::io::Error },
    #[error("the process cannot give up its privileges")]
    Privileges(#[from] nix::errno::Errno),
}

/// A sandbox whose files are closed and whose system calls are still open.
#[derive(Debug)]
#[must_use]
pub struct HalfClosed {
    settings: Settings,
    has_outbound: bool,
}

/// What a daemon under this configuration reaches.
pub fn reach(config: &Config, path: &Path) -> Result<Reach, SandboxError> {
    let mut read = Vec::new();
    // Folders and not the files: certificates are renewed by putting a new file in the old one's place.
    for file in std::iter::once(path).chain(config.tls.files()) {
        let folder = resolved(file)?.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        if !read.contains(&folder) {
            read.push(folder);
        }
    }
    super::private_file::directory(&config.data_dir).map_err(|source| SandboxError::Path { path: config.data_dir.clone(), source })?;
    Ok(Reach { read, write: vec![resolved(&config.data_dir)?], connect: config.outbound.reachable(config.acme.enabled) })
}

/// No new privileges by executing something, and no look into its memory for other processes of its user, whatever the mode.
pub fn keep_to_itself() -> Result<(), SandboxError> {
    nix::sys::prctl::set_no_new_privs()?;
    nix::sys::prctl::set_dumpable(false)?;
    Ok(())
}

/// Closes the files. There must be one thread only.
pub fn close_files(settings: Settings, reach: &Reach) -> Result<HalfClosed, SandboxError> {
    keep_to_itself()?;
    match settings.mode {
        SandboxMode::Enforce => match files::close(reach)? {
            Held::All => {}
            Held::Part => tracing::warn!("this kernel holds a part of the rules about files, ports and signals; newer ones hold them all"),
            Held::Nothing => tracing::warn!("this kernel has no Landlock: which files the daemon reaches is up to their modes"),
        },
        SandboxMode::Log => tracing::warn!("the sandbox is open: sandbox.mode is log"),
        SandboxMode::Off => tracing::warn!("there is no sandbox: sandbox.mode is off"),
    }
    Ok(HalfClosed { settings, has_outbound: reach.connect != Reachable::Nothing })
}

impl HalfClosed {
    /// Closes the system calls, for all threads.
    pub fn close_calls(self) -> Result<(), SandboxError> {
        Ok(calls::close(self.settings.mode, self.settings.denied, self.has_outbound)?)
    }
}

fn resolved(path: &Path) -> Result<PathBuf, SandboxError> {
    path.canonicalize().map_err(|source| SandboxError::Path { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
