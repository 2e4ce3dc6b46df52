//! Rust text as the rules see it: tokens without comments and without what stands in strings, the paths among them, and the part
//! of a file that is not test code.

use crate::tree::File;

/// A word or a sign of the program, and the line it stands on.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// A path such as `crate::base::id`; a `use` tree gives one for each leaf.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    pub segments: Vec<&'a str>,
    pub line: usize,
}

/// What every string literal is read as.
const STRING: &str = "\"\"";

/// The program's tokens. Comments, lifetimes and the contents of literals are left out.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &source[at..];
        let (length, text) = next(rest);
        if let Some(text) = text {
            tokens.push(Token { text, line });
        }
        line += rest[..length].matches('\n').count();
        at += length;
    }
    tokens
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

/// How many bytes the next piece of the text takes, and the token it is, if it is one.
fn next(rest: &str) -> (usize, Option<&str>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (comment(rest), None);
    }
    if let Some(length) = string(rest) {
        return (length, Some(STRING));
    }
    if let Some(tail) = rest.strip_prefix('\'') {
        return (character_or_lifetime(tail) + 1, None);
    }
    if rest.starts_with("::") {
        return (2, Some("::"));
    }
    let raw = if rest.starts_with("r#") { 2 } else { 0 };
    let length = raw + rest[raw..].find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len() - raw);
    if length > raw {
        return (length, Some(&rest[raw..length]));
    }
    let length = rest.chars().next().map_or(1, char::len_utf8);
    let sign = &rest[..length];
    (length, (!sign.trim().is_empty()).then_some(sign))
}

fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string literal the text begins with, raw and byte strings included.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().filter(|prefix| rest.starts_with(prefix)).rfind(|prefix| {
        let tail = &rest[prefix.len()..];
        tail.starts_with('"') || (prefix.ends_with('r') && tail.trim_start_matches('#').starts_with('"') && tail.starts_with('#'))
    })?;
    let tail = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = tail.len() - tail.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &tail[hashes + 1..];
        return Some(prefix.len() + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
    }
    let mut escaped = false;
    for (at, byte) in tail.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of what follows a single quote: the rest of a character literal, or a lifetime's name.
fn character_or_lifetime(tail: &str) -> usize {
    if tail.starts_with('\\') {
        return tail[2..].find('\'').map_or(tail.len(), |at| at + 3);
    }
    let first = tail.chars().next().map_or(0, char::len_utf8);
    if tail[first..].starts_with('\'') {
        return first + 1;
    }
    tail.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_hold_no_words() {
        let source = "a // unsafe\n/* unsafe /* nested */ unsafe */ b \"unsafe \\\" x\" r#\"unsafe \" x\"# b\"unsafe\" 'u' '\\'' '\"' c";
        assert_eq!(texts(source), ["a", "b", STRING, STRING, STRING, "c"]);
        assert_eq!(texts("fn f<'a>(x: &'a str) -> r#type"), ["fn", "f", "<", ">", "(", "x", ":", "&", "str", ")", "-", ">", "type"]);
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let found = tokens("a\n/* \n */\n\"\n\"\nb");
        assert_eq!(found.last().map(|token| (token.text, token.line)), Some(("b", 6)));
    }

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
