//! The files of the repository as the rules read them.

use std::fs;
use std::path::{Path, PathBuf};

/// One file: its path from the top with forward slashes, and its text.
pub struct File {
    pub path: String,
    pub text: String,
}

/// Every file that `.gitignore` does not name, in the order of its path.
pub fn files() -> Vec<File> {
    let top = top();
    let mut ignored = vec![".git".to_owned()];
    let list = fs::read_to_string(top.join(".gitignore")).expect("the repository has a .gitignore");
    ignored.extend(list.lines().map(|line| line.trim().trim_matches('/').to_owned()));
    let mut found = Vec::new();
    walk(&top, "", &ignored, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The Rust files below a directory ("src/").
pub fn rust_under(directory: &str) -> Vec<File> {
    files().into_iter().filter(|file| file.path.starts_with(directory) && file.path.ends_with(".rs")).collect()
}

/// The text of one file, which must be there.
pub fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// Whether a file or directory stands at this path.
pub fn exists(path: &str) -> bool {
    top().join(path).exists()
}

fn top() -> PathBuf {
    // Asked for when the test runs, because a test binary can be carried to another checkout of the same tree.
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

fn walk(directory: &Path, prefix: &str, ignored: &[String], found: &mut Vec<File>) {
    for entry in fs::read_dir(directory).expect("a directory of the repository can be read") {
        let entry = entry.expect("a directory of the repository can be read");
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = format!("{prefix}{name}");
        if ignored.contains(&path) {
            continue;
        }
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), ignored, found);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).expect("a file of the repository can be read");
            found.push(File { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
}
