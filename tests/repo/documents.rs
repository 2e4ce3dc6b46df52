//! What the documents name exists: files, modules and `make` targets.

use crate::lexer;
use crate::tree::{self, File};

const ARCHITECTURE: &str = "docs/architecture.md";

#[test]
fn the_architecture_names_what_exists() {
    crate::assert_none(missing_paths(ARCHITECTURE, &tree::read(ARCHITECTURE), tree::exists));
}

#[test]
fn the_architecture_names_every_module() {
    crate::assert_none(unnamed_modules(&tree::read("src/lib.rs"), &tree::read(ARCHITECTURE)));
}

#[test]
fn links_lead_somewhere() {
    let broken = documents().iter().flat_map(|file| dead_links(file, tree::exists)).collect();
    crate::assert_none(broken);
}

#[test]
fn make_targets_exist() {
    let makefile = tree::read("Makefile");
    crate::assert_none(documents().iter().flat_map(|file| missing_targets(file, &makefile)).collect());
}

fn documents() -> Vec<File> {
    tree::files().into_iter().filter(|file| file.path.ends_with(".md")).collect()
}

/// Paths in code spans that do not exist: a span with a slash inside it, or with a file's ending.
fn missing_paths(document: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let is_path = |span: &str| {
        let ending = [".md", ".toml", ".rs", ".sh"].iter().any(|end| span.ends_with(end));
        !span.contains(char::is_whitespace) && !span.contains("://") && !span.starts_with('/') && (span.contains('/') || ending)
    };
    let missing = code_of(text).into_iter().filter(|span| is_path(span) && !exists(span.trim_end_matches('/')));
    missing.map(|span| format!("{document}: there is no {span}")).collect()
}

fn unnamed_modules(library: &str, document: &str) -> Vec<String> {
    let tokens = lexer::tokens(library);
    let modules = tokens.windows(2).filter(|pair| pair[0].text == "mod").map(|pair| format!("src/{}", pair[1].text));
    let named = code_of(document);
    modules.filter(|module| !named.contains(&module.as_str())).map(|module| format!("{ARCHITECTURE}: has no line for {module}")).collect()
}

/// Relative links whose file is not there.
fn dead_links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let targets = file.text.split("](").skip(1).filter_map(|tail| tail.split([')', '#', ' ']).next());
    let inside = targets.filter(|target| !target.is_empty() && !target.contains(':'));
    inside.filter(|target| !exists(&resolve(folder, target))).map(|target| format!("{}: leads nowhere: {target}", file.path)).collect()
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn missing_targets(file: &File, makefile: &str) -> Vec<String> {
    let rules = makefile.lines().filter(|line| !line.starts_with(['\t', '#', '.']));
    let targets: Vec<&str> = rules.filter_map(|line| line.split_once(':')).flat_map(|(names, _)| names.split_whitespace()).collect();
    let mut broken = Vec::new();
    for span in code_of(&file.text) {
        let mut words = span.split_whitespace();
        let called = words.any(|word| word == "make").then(|| words.find(|word| !word.contains('='))).flatten();
        if let Some(target) = called.filter(|target| !targets.contains(target)) {
            broken.push(format!("{}: the Makefile has no target {target}", file.path));
        }
    }
    broken
}

/// What the document sets as code: spans in backticks, fenced blocks and indented blocks, each block line by line.
fn code_of(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut paragraph = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || (line.starts_with("    ") && !paragraph) {
            found.push(line.trim());
        } else {
            found.extend(line.split('`').skip(1).step_by(2));
            paragraph = !line.trim().is_empty();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { path: "docs/a.md".into(), text: text.into() }
    }

    #[test]
    fn a_path_that_is_gone_is_found() {
        let text = "Read `src/base` and `src/gone/` and `gone.toml`, not `/v1/pki/ca`, `std::fs` or `a/b c`.";
        assert_eq!(missing_paths("d", text, |path| path == "src/base"), ["d: there is no src/gone/", "d: there is no gone.toml"]);
    }

    #[test]
    fn a_module_without_a_line_is_found() {
        assert_eq!(unnamed_modules("pub mod base;\npub mod ca;", "| `src/base` | time |").len(), 1);
    }

    #[test]
    fn a_dead_link_is_found() {
        let text = "[a](b.md) [c](../README.md#part) [d](https://example.org/x) [e](#here) [f](gone.md)";
        let exists = |path: &str| ["docs/b.md", "README.md"].contains(&path);
        assert_eq!(dead_links(&file(text), exists), ["docs/a.md: leads nowhere: gone.md"]);
    }

    #[test]
    fn a_target_that_is_gone_is_found() {
        let makefile = ".PHONY: run\nrun: deps\n\techo x: y\ndeps deps-test:\n";
        let text = "`make run`, make sure, `make deps-test`\n\n    sudo make gone\n\n```\nmake A=b lost\n```\n";
        let broken = missing_targets(&file(text), makefile);
        assert_eq!(broken, ["docs/a.md: the Makefile has no target gone", "docs/a.md: the Makefile has no target lost"]);
    }
}
