//! The sandbox of a token's worker. What a vendor's module needs is its vendor's choice, so this is a list of what is refused: ways to become
//! or start another program, to look into others, to change the machine, and to reach parts of the kernel that no module has business
//! with. Which files and networks it reaches is for its unit to say, which knows the module.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompFilter, TargetArch};

use super::calls::{FilterError, apply, rule};

/// Refused with EPERM, each with what it could be used for.
pub const REFUSED: &[(libc::c_long, &str)] = &[
    (libc::SYS_execve, "becoming another program"),
    (libc::SYS_execveat, "becoming another program from an open file"),
    (libc::SYS_ptrace, "looking into other processes"),
    (libc::SYS_process_vm_readv, "the same"),
    (libc::SYS_process_vm_writev, "the same"),
    (libc::SYS_pidfd_getfd, "taking descriptors of other processes"),
    (libc::SYS_kcmp, "comparing what other processes hold"),
    (libc::SYS_bpf, "programs in the kernel"),
    (libc::SYS_perf_event_open, "looking into the kernel"),
    (libc::SYS_userfaultfd, "holding the kernel up in the middle of a call"),
    (libc::SYS_io_uring_setup, "calls that no filter sees"),
    (libc::SYS_io_uring_enter, "the same"),
    (libc::SYS_io_uring_register, "the same"),
    (libc::SYS_add_key, "the kernel's keyrings"),
    (libc::SYS_keyctl, "the same"),
    (libc::SYS_request_key, "the kernel's keyrings, which starts a program"),
    (libc::SYS_mount, "changing what files are seen"),
    (libc::SYS_umount2, "the same"),
    (libc::SYS_pivot_root, "the same"),
    (libc::SYS_chroot, "the same"),
    (libc::SYS_move_mount, "the same"),
    (libc::SYS_open_tree, "the same"),
    (libc::SYS_fsopen, "the same"),
    (libc::SYS_fsconfig, "the same"),
    (libc::SYS_fsmount, "the same"),
    (libc::SYS_mount_setattr, "the same"),
    (libc::SYS_open_by_handle_at, "opening files past their folders"),
    (libc::SYS_unshare, "new namespaces"),
    (libc::SYS_setns, "other processes' namespaces"),
    (libc::SYS_init_module, "code in the kernel"),
    (libc::SYS_finit_module, "the same"),
    (libc::SYS_delete_module, "the same"),
    (libc::SYS_kexec_load, "another kernel"),
    (libc::SYS_kexec_file_load, "the same"),
    (libc::SYS_reboot, "ending the machine"),
    (libc::SYS_swapon, "memory on disk"),
    (libc::SYS_swapoff, "the same"),
    (libc::SYS_acct, "writing down who runs what"),
    (libc::SYS_quotactl, "changing limits of disks"),
    (libc::SYS_settimeofday, "another time, in which certificates are good"),
    (libc::SYS_clock_settime, "the same"),
    (libc::SYS_clock_adjtime, "the same"),
    (libc::SYS_adjtimex, "the same"),
    (libc::SYS_personality, "memory without its protections"),
    (libc::SYS_syslog, "reading the kernel's log"),
    (libc::SYS_sethostname, "another name"),
    (libc::SYS_setdomainname, "the same"),
];

/// New processes in new namespaces; plain ones cannot execute anything.
const NAMESPACES: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Closes them for this thread and all it starts. It cannot be taken back. Before the module is loaded.
pub fn close() -> Result<(), FilterError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut refused: BTreeMap<_, _> = REFUSED.iter().map(|(number, _)| (*number, Vec::new())).collect();
    let with = |flag: &libc::c_int| {
        let flag = *flag as u64;
        rule(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)
    };
    refused.insert(libc::SYS_clone, NAMESPACES.iter().map(with).collect::<Result<_, _>>()?);
    // Its flags are in memory, where no filter sees them; the C library takes clone then.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    apply(SeccompFilter::new(unknown, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32), arch)?)?;
    apply(SeccompFilter::new(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32), arch)?)
}
