//! Rust programs as the rules see them: the paths among the tokens, the attributes, and the part that is not test code.

use crate::lexer::{Token, tokens};
use crate::tree::File;

/// A path such as `crate::base::id`; a `use` tree gives one for each leaf.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub segments: Vec<&'a str>,
    pub line: usize,
}

/// The tokens that are compiled when no test is: without items under `#[cfg(test)]` or `#[test]`.
pub fn outside_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match attribute(tokens, at) {
            Some(end) if marks_test(&tokens[at..end]) => at = end_of_item(tokens, end),
            _ => {
                kept.push(tokens[at]);
                at += 1;
            }
        }
    }
    kept
}

/// The files that are modules under `#[cfg(test)]`, such as `tests.rs`.
pub fn test_files(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let tokens = tokens(&file.text);
        for at in 0..tokens.len() {
            let Some(end) = attribute(&tokens, at) else { continue };
            let item: Vec<&str> = tokens[end..end_of_item(&tokens, end)].iter().map(|token| token.text).collect();
            if let (true, [.., "mod", name, ";"]) = (marks_test(&tokens[at..end]), item.as_slice()) {
                let folder = module_folder(&file.path);
                found.push(format!("{folder}/{name}.rs"));
                found.extend(below(files, &format!("{folder}/{name}/")));
            }
        }
    }
    found
}

/// Every attribute's tokens, from `#` to `]`.
pub fn attributes<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    (0..tokens.len()).filter_map(|at| attribute(tokens, at).map(|end| &tokens[at..end])).collect()
}

/// Every path, single words included.
pub fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_word(tokens[at].text) { at = path(tokens, at, &[], &mut found) } else { at += 1 }
    }
    found
}

/// Where the modules declared in this file have their own files.
fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

fn below(files: &[File], folder: &str) -> Vec<String> {
    files.iter().filter(|file| file.path.starts_with(folder)).map(|file| file.path.clone()).collect()
}

fn path<'a>(tokens: &[Token<'a>], start: usize, prefix: &[&'a str], found: &mut Vec<Found<'a>>) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = start;
    loop {
        match tokens.get(at).map(|token| token.text) {
            Some(word) if is_word(word) => segments.push(word),
            Some("*") if at > start || !prefix.is_empty() => segments.push("*"),
            Some("{") => return group(tokens, at, &segments, found),
            _ => break,
        }
        at += 1;
        match tokens.get(at) {
            Some(token) if token.text == "::" => at += 1,
            _ => break,
        }
    }
    if segments.len() > prefix.len() {
        found.push(Found { segments, line: tokens[start].line });
    }
    at
}

fn group<'a>(tokens: &[Token<'a>], open: usize, prefix: &[&'a str], found: &mut Vec<Found<'a>>) -> usize {
    let mut at = open + 1;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "}" => return at + 1,
            "," => at += 1,
            // The new name of `x as y` is no path.
            "as" => at += 2,
            _ => at = path(tokens, at, prefix, found).max(at + 1),
        }
    }
    at
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphabetic())
}

/// Where the attribute that begins at `at` ends, when one does.
fn attribute(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    if tokens.get(at)?.text != "#" {
        return None;
    }
    let open = if tokens.get(at + 1)?.text == "!" { at + 2 } else { at + 1 };
    (tokens.get(open)?.text == "[").then(|| closing(tokens, open))
}

fn marks_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text).collect();
    match words.as_slice() {
        ["#", "[", "test", "]"] => true,
        ["#", "[", "cfg", "(", condition @ ..] => condition.contains(&"test") && !condition.contains(&"not"),
        _ => false,
    }
}

/// The place behind the item that begins at `at`: behind its body, or behind its semicolon.
fn end_of_item(tokens: &[Token<'_>], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" => return closing(tokens, at),
            "(" | "[" => at = closing(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// The place behind the bracket that closes the one at `open`.
fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_trees_are_unfolded() {
        let source = tokens("use crate::{a, b::{self, C as D}, e::*};\nlet x = std::fs::read::<u8>(y);");
        let joined: Vec<String> = paths(&source).iter().map(|found| found.segments.join("::")).collect();
        assert_eq!(joined, ["use", "crate::a", "crate::b::self", "crate::b::C", "crate::e::*", "let", "x", "std::fs::read", "u8", "y"]);
    }

    #[test]
    fn test_code_is_left_out() {
        let source = "fn a() {} #[cfg(test)] #[derive(X)] mod tests { fn b() { {} } } #[cfg(not(test))] fn c() {} #[test] fn d() {}";
        let all = tokens(source);
        let left: Vec<&str> = outside_tests(&all).iter().map(|token| token.text).collect();
        assert!(left.contains(&"a") && left.contains(&"c"), "{left:?}");
        assert!(!left.contains(&"b") && !left.contains(&"d") && !left.contains(&"tests"), "{left:?}");
    }

    #[test]
    fn modules_for_tests_are_found() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let files = [
            file("src/a/mod.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
            file("src/a/b.rs", "#[cfg(test)] mod model;"),
            file("src/a/tests/x.rs", ""),
        ];
        assert_eq!(test_files(&files), ["src/a/tests.rs", "src/a/tests/x.rs", "src/a/b/model.rs"]);
    }
}
