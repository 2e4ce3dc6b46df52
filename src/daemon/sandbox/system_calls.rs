//! The system calls of a serving daemon, each with its reason. What is not here is denied.
//!
//! Sockets are bound, the store is opened and the worker of each token is started before the list is applied, so that nothing
//! of that is on it: no `execve`, no `fork`, no `bind`, no `listen`, no internet socket, no memory that can be executed.

use nix::libc;

/// A system call that is allowed.
#[derive(Clone, Copy, Debug)]
pub struct SystemCall {
    pub number: libc::c_long,
    pub only: Only,
    pub why: &'static str,
}

/// For which arguments.
#[derive(Clone, Copy, Debug)]
pub enum Only {
    Any,
    /// The argument at this place is one of these.
    OneOf(u8, &'static [u64]),
    /// The first argument is one of the former, and the second, without the flags of a socket, one of the latter.
    Sockets {
        families: &'static [u64],
        types: &'static [u64],
    },
    /// The argument at this place has these values in the bits of the mask.
    Bits {
        place: u8,
        mask: u64,
        value: u64,
    },
    /// The argument at this place is the number of this process.
    OwnProcess(u8),
}

/// A thread of this process and nothing else: no process, no namespace.
const A_THREAD: Only = Only::Bits {
    place: 0,
    mask: (libc::CLONE_THREAD
        | libc::CLONE_VM
        | libc::CLONE_VFORK
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET) as u64,
    value: (libc::CLONE_THREAD | libc::CLONE_VM) as u64,
};
const NOT_EXECUTABLE: Only = Only::Bits { place: 2, mask: libc::PROT_EXEC as u64, value: 0 };

/// All of them, in groups.
pub const SYSTEM_CALLS: &[SystemCall] = &[
    // Connections that come in, and the one to the token's worker.
    any(libc::SYS_accept4, "takes a connection of a bound listener"),
    any(libc::SYS_read, "reads from sockets, files, and what wakes a thread"),
    any(libc::SYS_readv, "reads from a socket into several buffers"),
    any(libc::SYS_recvfrom, "reads from a socket"),
    any(libc::SYS_recvmsg, "reads from a unix socket"),
    any(libc::SYS_write, "writes to sockets, the journal, the log, and what wakes a thread"),
    any(libc::SYS_writev, "writes an answer's head and body at once"),
    any(libc::SYS_sendto, "writes to a socket; a line of the log; a word to the service manager"),
    any(libc::SYS_sendmsg, "writes to a unix socket; a long line of the log goes as a sealed file"),
    any(libc::SYS_shutdown, "ends a connection in order"),
    any(libc::SYS_close, "ends connections and files"),
    only(
        libc::SYS_socket,
        Only::OneOf(0, &[libc::AF_UNIX as u64]),
        "asks a token's worker again after it was gone: unix sockets, and no other family",
    ),
    any(libc::SYS_connect, "connects to that worker; without outgoing connections there is no internet socket that could be connected"),
    any(libc::SYS_getsockopt, "learns how a connection ended"),
    any(libc::SYS_setsockopt, "sends small answers at once"),
    any(libc::SYS_getsockname, "the address a request came to"),
    any(libc::SYS_getpeername, "the address a request came from"),
    // Waiting.
    any(libc::SYS_epoll_create1, "the set of sockets that are waited for"),
    any(libc::SYS_epoll_ctl, "adds a socket to it"),
    any(libc::SYS_epoll_pwait, "waits for it"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_epoll_wait, "the same by its older name"),
    any(libc::SYS_ppoll, "waits for one descriptor"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_poll, "the same by its older name"),
    any(libc::SYS_eventfd2, "wakes a thread that waits"),
    any(libc::SYS_futex, "locks, and threads that wait for each other"),
    any(libc::SYS_clock_nanosleep, "waits for a time"),
    any(libc::SYS_clock_gettime, "the time, where the kernel does not give it without a call"),
    any(libc::SYS_nanosleep, "the same by its older name"),
    any(libc::SYS_restart_syscall, "the kernel goes on with a wait that a signal interrupted"),
    // The data directory, and files that are read again on reload.
    any(libc::SYS_openat, "opens files; which ones, Landlock decides"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_open, "the same by its older name"),
    any(libc::SYS_fstat, "the size of an open file"),
    any(libc::SYS_newfstatat, "whether a file is there"),
    any(libc::SYS_statx, "whether a file is there, with its mode"),
    any(libc::SYS_lseek, "a place in a file"),
    any(libc::SYS_pread64, "reads at a place: values in the journal, pages of the index"),
    any(libc::SYS_pwrite64, "writes at a place: pages of the index"),
    any(libc::SYS_fdatasync, "makes the journal durable"),
    any(libc::SYS_fsync, "makes a CRL, a folder, the index durable"),
    any(libc::SYS_sync_file_range, "the index begins to write back early"),
    any(libc::SYS_ftruncate, "a segment of the journal gets its final length; the reserve is made or let go"),
    any(libc::SYS_fallocate, "the reserve, and segments that are laid out before they are written"),
    any(libc::SYS_fstatfs, "free space of the disk"),
    any(libc::SYS_statfs, "free space of the disk by a path"),
    any(libc::SYS_flock, "one daemon at a time uses the data directory"),
    any(libc::SYS_getdents64, "lists a folder"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_mkdir, "a new segment's folder"),
    any(libc::SYS_mkdirat, "the same by its newer name"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_rename, "a new file takes an old one's place"),
    any(libc::SYS_renameat, "the same by its newer name"),
    any(libc::SYS_renameat2, "the same by its newest name"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_unlink, "files that were replaced"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_rmdir, "folders that were replaced, and where the worker's socket was"),
    any(libc::SYS_unlinkat, "the same by its newer name"),
    #[cfg(target_arch = "x86_64")]
    any(libc::SYS_readlink, "a path without its links"),
    any(libc::SYS_readlinkat, "the same by its newer name"),
    only(
        libc::SYS_fcntl,
        Only::OneOf(
            1,
            &[
                libc::F_GETFD as u64,
                libc::F_SETFD as u64,
                libc::F_GETFL as u64,
                libc::F_SETFL as u64,
                libc::F_DUPFD_CLOEXEC as u64,
                libc::F_ADD_SEALS as u64,
            ],
        ),
        "flags of descriptors; a long line of the log is sealed",
    ),
    only(libc::SYS_ioctl, Only::OneOf(1, &[libc::FIONBIO, libc::TCGETS]), "sockets that do not block; is the log a terminal"),
    any(libc::SYS_memfd_create, "a line of the log that is too long for a datagram"),
    // Memory.
    any(libc::SYS_brk, "the heap"),
    only(libc::SYS_mmap, NOT_EXECUTABLE, "memory, never such as can be executed"),
    only(libc::SYS_mprotect, NOT_EXECUTABLE, "guards of stacks, never memory that can be executed"),
    any(libc::SYS_munmap, "gives memory back"),
    any(libc::SYS_mremap, "lets memory grow"),
    any(libc::SYS_madvise, "gives memory back"),
    any(libc::SYS_getrandom, "serial numbers, keys, TLS"),
    // Threads.
    only(libc::SYS_clone, A_THREAD, "threads of this process; no process and no namespace"),
    // Its flags are in memory, where no filter sees them: a second filter answers that the kernel has no such call, and the C
    // library takes clone.
    any(libc::SYS_clone3, "asked first by the C library, and answered with ENOSYS"),
    any(libc::SYS_set_robust_list, "the beginning of a thread"),
    any(libc::SYS_rseq, "the beginning of a thread"),
    only(libc::SYS_prctl, Only::OneOf(0, &[libc::PR_SET_NAME as u64, libc::PR_SET_VMA as u64]), "names of threads and of memory"),
    any(libc::SYS_sigaltstack, "finds out when a stack is used up"),
    any(libc::SYS_sched_getaffinity, "how many cores there are"),
    any(libc::SYS_sched_yield, "lets another thread go first"),
    any(libc::SYS_gettid, "the number of a thread"),
    any(libc::SYS_getpid, "the number of this process"),
    any(libc::SYS_wait4, "learns that the keeper of the token's worker has ended; there is no other child"),
    any(libc::SYS_waitid, "the same by its other name"),
    any(libc::SYS_exit, "the end of a thread"),
    any(libc::SYS_exit_group, "the end of the process"),
    // Signals.
    any(libc::SYS_rt_sigaction, "what a signal does"),
    any(libc::SYS_rt_sigprocmask, "which signals a thread takes"),
    any(libc::SYS_rt_sigreturn, "the end of a signal's handler"),
    only(libc::SYS_tgkill, Only::OwnProcess(0), "ends itself when memory is corrupt"),
];

/// In the place of the other rule about sockets when there are outgoing connections (`[outbound]`): no raw sockets, no packets, no netlink.
pub const SOCKETS_WITH_OUTBOUND: SystemCall = only(
    libc::SYS_socket,
    Only::Sockets {
        families: &[libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64],
        types: &[libc::SOCK_STREAM as u64, libc::SOCK_DGRAM as u64],
    },
    "asks a token's worker again; opens outgoing connections, whose ports Landlock holds, and asks DNS",
);

/// The list of a daemon with or without outgoing connections.
pub fn of_daemon(has_outbound: bool) -> impl Iterator<Item = SystemCall> {
    SYSTEM_CALLS.iter().map(move |call| if has_outbound && call.number == libc::SYS_socket { SOCKETS_WITH_OUTBOUND } else { *call })
}

const fn any(number: libc::c_long, why: &'static str) -> SystemCall {
    only(number, Only::Any, why)
}

const fn only(number: libc::c_long, only: Only, why: &'static str) -> SystemCall {
    SystemCall { number, only, why }
}
