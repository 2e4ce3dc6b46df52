use std::fmt::Write;

use nix::libc;

use super::system_calls::{Only, SYSTEM_CALLS};
use super::worker;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/security.md");

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

/// What it says of each call is what stands beside the call; `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_document_on_security_has_every_system_call_with_its_reason() {
    let of_daemon = SYSTEM_CALLS.iter().map(|call| (!matches!(call.only, Only::Any), call.why));
    assert_table("system_calls.rs", &table(include_str!("system_calls.rs"), of_daemon));
    let of_worker = worker::REFUSED.iter().map(|(_, why)| (false, *why));
    assert_table("worker.rs", &table(include_str!("worker.rs"), of_worker));
}

/// Calls with one reason stand in one row. Their names are not in the list, which has numbers, but in its source, in the same order.
fn table<'a>(source: &str, calls: impl Iterator<Item = (bool, &'a str)>) -> String {
    let mut rows: Vec<(String, &str)> = Vec::new();
    for (name, (is_held, why)) in source.split("libc::SYS_").skip(1).zip(calls) {
        let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
        let name = format!("`{name}`{}", if is_held { "*" } else { "" });
        match rows.last_mut() {
            Some((names, _)) if why == "the same" || why.starts_with("the same by its") => write!(names, " {name}").unwrap(),
            _ => rows.push((name, why)),
        }
    }
    rows.iter().fold("| Call | Why |\n|---|---|\n".to_owned(), |table, (names, why)| format!("{table}| {names} | {why} |\n"))
}

#[track_caller]
fn assert_table(source: &str, made: &str) {
    let before = std::fs::read_to_string(DOCUMENT).unwrap();
    let (begin, end) = (format!("<!-- Made from src/daemon/sandbox/{source}: begin -->\n\n"), "\n<!-- end -->\n");
    let (head, rest) = before.split_once(&begin).unwrap();
    let (kept, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(DOCUMENT, [head, &begin, made, end, tail].concat()).unwrap();
        return;
    }
    let changed = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(made == kept, "docs/security.md is not what {source} says, first in {changed:?}; UPDATE_GOLDEN=1 writes it anew");
}
