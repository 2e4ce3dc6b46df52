//! What a module never does: the promises that hold because some words appear in one place only.

use crate::code::{self, Found};
use crate::lexer;
use crate::tree::{self, File};

/// A path that may be written below some directories only, and why.
struct Confined {
    /// Consecutive segments of the path.
    path: &'static [&'static str],
    /// The directories where it may stand.
    only_in: &'static [&'static str],
    why: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined { path: &["cryptoki"], only_in: &["src/token/engine/"], why: "only the token's engine speaks to PKCS#11" },
    Confined { path: &["cryptoki_sys"], only_in: &["src/token/engine/"], why: "only the token's engine speaks to PKCS#11" },
    Confined { path: &["sled"], only_in: &["src/storage/"], why: "only storage knows what the index is made of" },
    Confined { path: &["hickory_proto"], only_in: &["src/outbound/"], why: "only outbound asks DNS" },
    // The client runs in the command line; the probe tries what should be refused.
    Confined {
        path: &["TcpStream", "connect"],
        only_in: &["src/outbound/", "src/client/", "src/daemon/sandbox/probe.rs"],
        why: "only outbound opens outgoing connections, where the address policy is",
    },
    Confined {
        path: &["TcpSocket"],
        only_in: &["src/outbound/"],
        why: "only outbound opens outgoing connections, where the address policy is",
    },
    Confined {
        path: &["HttpConnector"],
        only_in: &["src/client/"],
        why: "only outbound opens outgoing connections; the client is the command line's",
    },
    Confined {
        path: &["lookup_host"],
        only_in: &[],
        why: "names are resolved by outbound, once, and the address that is checked is dialled",
    },
    Confined {
        path: &["ToSocketAddrs"],
        only_in: &[],
        why: "names are resolved by outbound, once, and the address that is checked is dialled",
    },
    Confined { path: &["process", "exit"], only_in: &["src/bin/"], why: "nothing but main ends the process" },
    // A thread that hangs in the vendor's module can be ended in no other way, and only the worker has any.
    Confined {
        path: &["process", "abort"],
        only_in: &["src/bin/", "src/token/process/watchdog.rs"],
        why: "nothing but main and the token worker's watchdog ends the process",
    },
];

/// Modules that compute from their arguments alone.
const PURE: &[&str] = &["src/x509/", "src/policy/"];

/// Input, output, clocks and random sources, which pure modules are handed as arguments.
const IMPURE: &[&[&str]] = &[
    &["std", "fs"],
    &["TcpStream"],
    &["TcpListener"],
    &["UdpSocket"],
    &["ToSocketAddrs"],
    &["std", "os"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["File", "open"],
    &["tokio"],
    &["Clock"],
    &["Timestamp", "now"],
    &["Zoned", "now"],
    &["SystemTime"],
    &["Instant"],
    &["aws_lc_rs", "rand"],
    &["SystemRandom"],
    &["getrandom"],
    &["OsRng"],
    &["Uuid", "now_v7"],
    &["Uuid", "new_v4"],
];

/// Files that may hold `unsafe`, each with its reason.
const UNSAFE: &[(&str, &str)] = &[
    (
        "src/base/wiping.rs",
        "an allocator that overwrites what it gets back; nothing else reaches the copies that libraries make of secrets",
    ),
    ("src/daemon/environment.rs", "the environment's strings are overwritten in the C library's own list, while there is one thread"),
    ("src/daemon/sandbox/probe.rs", "system calls that have no safe interface, made to see them refused"),
    ("src/bin/chanceryd.rs", "PKCS#11 modules are configured by the environment, which the token worker sets before it has threads"),
    ("src/token/engine/mechanism.rs", "a mechanism type whose number the PKCS#11 binding does not know"),
    ("src/token/engine/tests/setup.rs", "the same, for a test that runs alone in its process"),
];

#[test]
fn some_words_appear_in_one_place_only() {
    let files = tree::rust_under("src/");
    crate::assert_none(confined(&files));
}

#[test]
fn pure_modules_read_no_file_clock_or_random_source() {
    let files = tree::rust_under("src/");
    crate::assert_none(impure(&files));
}

#[test]
fn unsafe_is_listed() {
    let mut files = tree::rust_under("src/");
    files.extend(tree::rust_under("tests/"));
    crate::assert_none(unlisted_unsafe(&files, UNSAFE));
}

fn confined(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        let tokens = lexer::tokens(&file.text);
        for path in code::paths(&tokens) {
            for rule in CONFINED.iter().filter(|rule| contains(&path, rule.path)) {
                if !rule.only_in.iter().any(|directory| file.path.starts_with(directory)) {
                    broken.push(format!("{}:{}: {}: {}", file.path, path.line, rule.path.join("::"), rule.why));
                }
            }
        }
    }
    broken
}

fn impure(files: &[File]) -> Vec<String> {
    let tests = code::test_files(files);
    let pure = files.iter().filter(|file| PURE.iter().any(|module| file.path.starts_with(module)) && !tests.contains(&file.path));
    let mut broken = Vec::new();
    for file in pure {
        let tokens = code::outside_tests(&lexer::tokens(&file.text));
        for path in code::paths(&tokens) {
            if let Some(word) = IMPURE.iter().find(|word| contains(&path, word)) {
                broken.push(format!("{}:{}: {} is handed to a pure module as an argument", file.path, path.line, word.join("::")));
            }
        }
    }
    broken
}

fn unlisted_unsafe(files: &[File], listed: &[(&str, &str)]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !listed.iter().any(|(path, _)| *path == file.path)) {
        for token in lexer::tokens(&file.text).iter().filter(|token| token.text == "unsafe") {
            broken.push(format!("{}:{}: unsafe is not listed with its reason in tests/repo/absence.rs", file.path, token.line));
        }
    }
    let stale = listed.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path));
    broken.extend(stale.map(|(path, _)| format!("{path} is listed as holding unsafe and does not exist")));
    broken
}

fn contains(path: &Found<'_>, wanted: &[&str]) -> bool {
    path.segments.windows(wanted.len()).any(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File { path: path.into(), text: text.into() }]
    }

    #[test]
    fn a_confined_word_is_found_elsewhere() {
        assert!(confined(&file("src/token/engine/pool.rs", "use cryptoki::session::Session;")).is_empty());
        assert_eq!(confined(&file("src/ca/mod.rs", "use cryptoki::session::Session;")).len(), 1);
        assert_eq!(confined(&file("src/journal/mod.rs", "fn f(tree: &sled::Tree) {} // sled")).len(), 1);
        assert!(confined(&file("src/storage/index.rs", "fn f(tree: &sled::Tree) {}")).is_empty());
        assert_eq!(confined(&file("src/daemon/mod.rs", "fn f() { std::process::exit(1) }")).len(), 1);
        assert!(confined(&file("src/bin/chancery.rs", "fn main() { std::process::exit(1) }")).is_empty());
    }

    #[test]
    fn a_pure_module_is_held_to_its_arguments() {
        assert_eq!(impure(&file("src/x509/name.rs", "use std::{fs, fmt};")).len(), 1);
        assert_eq!(impure(&file("src/policy/mod.rs", "let now = jiff::Timestamp::now();")).len(), 1);
        assert_eq!(impure(&file("src/policy/mod.rs", "use crate::base::clock::Clock;")).len(), 1);
        assert_eq!(impure(&file("src/x509/key.rs", "use aws_lc_rs::rand::SystemRandom;")).len(), 1);
        assert!(impure(&file("src/x509/key.rs", "use std::net::IpAddr; #[cfg(test)] mod tests { use std::fs; }")).is_empty());
        assert!(impure(&file("src/journal/mod.rs", "use std::fs;")).is_empty());
    }

    #[test]
    fn unsafe_is_found_unless_it_is_listed() {
        let files = file("src/a.rs", "// unsafe\nfn f() { unsafe { g() } }");
        assert_eq!(unlisted_unsafe(&files, &[]).len(), 1);
        assert!(unlisted_unsafe(&files, &[("src/a.rs", "reason")]).is_empty());
        assert_eq!(unlisted_unsafe(&[], &[("src/a.rs", "reason")]).len(), 1);
    }
}
