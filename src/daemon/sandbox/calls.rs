//! The list of system calls as a program for the kernel, which runs it at every call of every thread.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::system_calls::{Only, SystemCall, of_daemon};
use crate::config::sandbox::{DeniedCall, SandboxMode};

/// Why the filter was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("the list of system calls cannot be compiled for this processor")]
    Compile(#[from] BackendError),
    #[error("the kernel does not take the filter of system calls")]
    Apply(#[from] seccompiler::Error),
}

/// Applies the list to all threads there are and will be. It cannot be taken back.
pub fn close(mode: SandboxMode, denied: DeniedCall, has_outbound: bool) -> Result<(), FilterError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let otherwise = match (mode, denied) {
        (SandboxMode::Off, _) => return Ok(()),
        (SandboxMode::Log, _) => SeccompAction::Log,
        (SandboxMode::Enforce, DeniedCall::Refuse) => SeccompAction::Errno(libc::EPERM as u32),
        (SandboxMode::Enforce, DeniedCall::Kill) => SeccompAction::KillProcess,
    };
    if mode == SandboxMode::Enforce {
        // First, for afterwards nobody may add a filter.
        let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
        let only = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        apply(SeccompFilter::new(only, SeccompAction::Allow, unknown, arch)?)?;
    }
    apply(SeccompFilter::new(rules(of_daemon(has_outbound))?, otherwise, SeccompAction::Allow, arch)?)
}

pub(super) fn apply(filter: SeccompFilter) -> Result<(), FilterError> {
    let program = BpfProgram::try_from(filter)?;
    Ok(seccompiler::apply_filter_all_threads(&program)?)
}

/// An empty list of rules allows a call with any arguments.
fn rules(calls: impl Iterator<Item = SystemCall>) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    calls.map(|call| Ok((call.number, of_arguments(call.only)?))).collect()
}

fn of_arguments(only: Only) -> Result<Vec<SeccompRule>, BackendError> {
    // The kernel looks at the lower half of these arguments only, except where a whole register counts.
    let equal = |place, value| rule(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
    match only {
        Only::Any => Ok(Vec::new()),
        Only::OneOf(place, values) => values.iter().map(|value| equal(place, *value)).collect(),
        Only::Sockets { families, types } => {
            let pairs = families.iter().flat_map(|family| types.iter().map(move |kind| (*family, *kind)));
            pairs.map(|(family, kind)| of_socket(family, kind)).collect()
        }
        Only::Bits { place, mask, value } => Ok(vec![rule(place, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)?]),
        Only::OwnProcess(place) => Ok(vec![equal(place, u64::from(std::process::id()))?]),
    }
}

/// The kernel keeps a socket's flags in the upper bits of its type (socket(2)).
fn of_socket(family: u64, kind: u64) -> Result<SeccompRule, BackendError> {
    let family = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family)?;
    let flags = (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u64;
    let kind = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(u64::from(u32::MAX) & !flags), kind)?;
    SeccompRule::new(vec![family, kind])
}

pub(super) fn rule(place: u8, length: SeccompCmpArgLen, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(place, length, operator, value)?])
}
