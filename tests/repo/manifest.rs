//! Every dependency says what it is for and why it was chosen, in a comment above its line or above the lines it stands with.

use crate::tree;

#[test]
fn every_dependency_has_its_reason() {
    crate::assert_none(broken(&tree::read("Cargo.toml")));
}

fn broken(manifest: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut in_dependencies = false;
    let mut has_reason = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            in_dependencies = line.trim_matches(['[', ']']).rsplit('.').next().is_some_and(|last| last.ends_with("dependencies"));
        }
        match line.chars().next() {
            // A heading ("# --- storage") opens a group and gives no reason.
            Some('#') => has_reason = !line.starts_with("# ---"),
            None | Some('[') => has_reason = false,
            Some(_) if in_dependencies && !has_reason => {
                broken.push(format!("Cargo.toml: say above this line what it is for and why this one: {line}"));
            }
            Some(_) => {}
        }
    }
    broken
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    assert!(broken("[dependencies]\n# --- a\n# What for.\nx = \"1\"\ny = \"1\"\n\n[profile.dev]\ndebug = 1").is_empty());
    assert_eq!(broken("[dependencies]\n# --- a\nx = \"1\"").len(), 1);
    assert_eq!(broken("[dependencies]\n# What for.\nx = \"1\"\n\ny = \"1\"").len(), 1);
    assert_eq!(broken("[dev-dependencies]\nx = \"1\"").len(), 1);
    assert_eq!(broken("[target.'cfg(unix)'.dependencies]\nx = \"1\"").len(), 1);
}
