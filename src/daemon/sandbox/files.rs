//! Which files the daemon reaches, held by Landlock: below some folders to read, below some to write, and no other. Of the
//! network it may bind no TCP port any more, and connect to those alone that `[outbound]` lists; and it can send no signal to a process outside.
//!
//! Kernels before 5.13 have no Landlock, and older ones than 6.12 know a part: what they have is used, and the log says how much
//! that is. Connecting to a unix socket is no matter of Landlock before its version 9, and not asked for here: the worker's
//! socket and the log's stay within reach, guarded by their modes.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};

use crate::config::outbound::Reachable;

/// The newest version whose rights are asked for.
const KNOWN: ABI = ABI::V6;

/// Folders and files, with what is below them, and TCP ports elsewhere.
#[derive(Clone, Debug)]
pub struct Reach {
    pub read: Vec<PathBuf>,
    pub write: Vec<PathBuf>,
    pub connect: Reachable,
}

/// Why the files were not closed.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error("{path} is to stay within reach and cannot be opened")]
    Path { path: PathBuf, source: PathFdError },
    #[error("the kernel does not take the rules about files")]
    Rules(#[from] RulesetError),
}

/// How much of the rules the kernel holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    All,
    /// An older kernel: files yes, ports or signals perhaps not.
    Part,
    Nothing,
}

/// Closes everything else to this thread and to those it starts. It cannot be taken back.
pub fn close(reach: &Reach) -> Result<Held, ReachError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let unused =
        AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::MakeFifo | AccessFs::IoctlDev;
    let write = AccessFs::from_all(KNOWN) & !unused;
    // Which ports are dialled is held by the kernel too, unless every one may be.
    let network = if reach.connect == Reachable::EveryPort { AccessNet::BindTcp.into() } else { AccessNet::from_all(KNOWN) };
    let mut rules =
        Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.handle_access(network)?.scope(Scope::from_all(KNOWN))?.create()?;
    for (paths, access) in [(&reach.read, read), (&reach.write, write)] {
        for path in paths {
            rules = rules.add_rule(below(path, access)?)?;
        }
    }
    if let Reachable::Ports(ports) = &reach.connect {
        for port in ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Held::All,
        RulesetStatus::PartiallyEnforced => Held::Part,
        RulesetStatus::NotEnforced => Held::Nothing,
    })
}

fn below(path: &PathBuf, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, ReachError> {
    let opened = PathFd::new(path).map_err(|source| ReachError::Path { path: path.clone(), source })?;
    // The kernel refuses the rights of folders for a file.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    Ok(PathBeneath::new(opened, access))
}
