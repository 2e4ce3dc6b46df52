//! The repository names no package registry's host: where packages come from is for the machine that builds to say.

use crate::tree::{self, File};

/// The hosts, parted so that this file does not name them either.
const HOSTS: &[[&str; 2]] = &[
    ["crates", ".io"],
    ["pypi", ".org"],
    ["pythonhosted", ".org"],
    ["deb.debian", ".org"],
    ["security.debian", ".org"],
    ["archive.ubuntu", ".com"],
    ["registry.npmjs", ".org"],
    ["proxy.golang", ".org"],
];

#[test]
fn no_registry_is_named() {
    crate::assert_none(broken(&tree::files()));
}

fn broken(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    // cargo writes its lock files and names its index in them.
    for file in files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for host in HOSTS.iter().map(|parts| parts.concat()) {
            for (number, _) in file.text.lines().enumerate().filter(|(_, line)| line.to_ascii_lowercase().contains(&host)) {
                broken.push(format!("{}:{}: names a package registry's host", file.path, number + 1));
            }
        }
    }
    broken
}

#[test]
fn a_named_registry_is_found() {
    let file = |path: &str| File { path: path.into(), text: format!("fetch it\nfrom https://{}/x", HOSTS[0].concat().to_uppercase()) };
    assert_eq!(broken(&[file("docs/a.md"), file("Cargo.lock")]), ["docs/a.md:2: names a package registry's host"]);
}
