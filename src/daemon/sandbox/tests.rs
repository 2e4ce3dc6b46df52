use nix::libc;

use super::system_calls::{Only, SYSTEM_CALLS};

#[test]
fn each_system_call_stands_once_and_has_a_reason() {
    let mut numbers: Vec<_> = SYSTEM_CALLS.iter().map(|call| call.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), SYSTEM_CALLS.len());
    assert!(SYSTEM_CALLS.iter().all(|call| call.why.len() > 7));
}

#[test]
fn what_takes_over_a_machine_is_not_on_the_list() {
    for number in [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_mount,
        libc::SYS_pivot_root,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_kill,
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_capset,
        libc::SYS_seccomp,
        libc::SYS_personality,
        libc::SYS_chroot,
        libc::SYS_open_by_handle_at,
        libc::SYS_memfd_secret,
        libc::SYS_pidfd_getfd,
    ] {
        assert!(!SYSTEM_CALLS.iter().any(|call| call.number == number), "{number}");
    }
}

#[test]
fn calls_that_can_do_too_much_are_held_to_their_arguments() {
    for number in
        [libc::SYS_socket, libc::SYS_ioctl, libc::SYS_prctl, libc::SYS_clone, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_tgkill]
    {
        let call = SYSTEM_CALLS.iter().find(|call| call.number == number).unwrap();
        assert!(!matches!(call.only, Only::Any), "{number}");
    }
}
