//! Rust text parted into tokens, without comments and without what stands in strings.

/// A word or a sign of the program, and the line it stands on.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub text: &'a str,
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
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().filter(|prefix| rest.starts_with(prefix)).find(|prefix| {
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
}
