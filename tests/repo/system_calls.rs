//! The document on security names every system call that a sandbox speaks of.

use crate::tree;

const LISTS: [&str; 2] = ["src/daemon/sandbox/system_calls.rs", "src/daemon/sandbox/worker.rs"];

#[test]
fn every_listed_system_call_is_documented() {
    let document = tree::read("docs/security.md");
    crate::assert_none(LISTS.iter().flat_map(|list| undocumented(&tree::read(list), &document)).collect());
}

fn undocumented(list: &str, document: &str) -> Vec<String> {
    let names = list.split("SYS_").skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default());
    let mut missing: Vec<String> = names.filter(|name| !document.contains(&format!("`{name}`"))).map(str::to_owned).collect();
    missing.dedup();
    missing.into_iter().map(|name| format!("{name} is on a list of system calls and not in docs/security.md")).collect()
}

#[test]
fn a_call_without_a_word_is_found() {
    assert_eq!(
        undocumented("any(libc::SYS_read, \"\"), any(libc::SYS_statx, \"\")", "`read` and statx"),
        ["statx is on a list of system calls and not in docs/security.md"]
    );
}
