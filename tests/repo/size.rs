//! A file is read in one sitting: it aims under 200 lines and never passes 600.

use crate::tree::{self, File};

const LONGEST: usize = 600;

#[test]
fn files_stay_short() {
    crate::assert_none(broken(&tree::files()));
}

fn broken(files: &[File]) -> Vec<String> {
    let read = files.iter().filter(|file| [".rs", ".md", ".sh"].iter().any(|end| file.path.ends_with(end)));
    let lines = read.map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines > LONGEST);
    lines.map(|(file, lines)| format!("{}: {lines} lines; part it by what it means", file.path)).collect()
}

#[test]
fn a_long_file_is_found() {
    let file = |path: &str, lines: usize| File { path: path.into(), text: "x\n".repeat(lines) };
    assert_eq!(broken(&[file("src/a.rs", 600), file("src/b.rs", 601), file("docs/c.md", 700), file("Cargo.lock", 9_000)]).len(), 2);
}
