//! Nothing panics on input: what panics by design is counted and has a reason.

use crate::code;
use crate::lexer::{self, Token};
use crate::tree::{self, File};

/// Calls that panic, in code outside tests: the file, the word, how many, and why it cannot happen or must.
/// A number that is too high fails as well, so that the list only shrinks by itself.
const ALLOWED: &[(&str, &str, usize, &str)] =
    &[("src/token/engine/examination/look.rs", "unwrap", 1, "the flag CKF_UNWRAP of a mechanism, as the PKCS#11 binding calls it")];

/// Macros that panic when they are reached.
const MACROS: &[&str] = &["panic", "todo", "unimplemented", "unreachable"];

/// Methods that panic on the other variant.
const METHODS: &[&str] = &["unwrap", "expect", "unwrap_err", "expect_err"];

/// How the arguments of those methods begin: with nothing or a message. A reader's own `expect(TAG)` is another method.
const TAKEN: &[&str] = &[")", "\"\"", "&", "format", "concat"];

#[test]
fn code_outside_tests_does_not_panic() {
    crate::assert_none(broken(&tree::rust_under("src/"), ALLOWED));
}

fn broken(files: &[File], allowed: &[(&str, &str, usize, &str)]) -> Vec<String> {
    let tests = code::test_files(files);
    let mut broken = Vec::new();
    let mut seen = vec![0; allowed.len()];
    for file in files.iter().filter(|file| !tests.contains(&file.path)) {
        for call in calls(&code::outside_tests(&lexer::tokens(&file.text))) {
            match allowed.iter().position(|(path, word, ..)| *path == file.path && *word == call.text) {
                Some(entry) => seen[entry] += 1,
                None => broken.push(format!("{}:{}: {} can panic; return an error", file.path, call.line, call.text)),
            }
        }
    }
    for ((path, word, count, _), seen) in allowed.iter().zip(seen) {
        if *count != seen {
            broken.push(format!("{path}: {word} is listed {count} times in tests/repo/panics.rs and stands there {seen} times"));
        }
    }
    broken
}

/// The words that panic, as methods (`.unwrap()`), functions (`Option::unwrap`) or macros (`panic!`).
fn calls<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let panics = |at: usize| {
        let word = text(at);
        let before = if at == 0 { "" } else { text(at - 1) };
        (MACROS.contains(&word) && text(at + 1) == "!" && text(at + 2) != "=")
            || (METHODS.contains(&word) && before == "::")
            || (METHODS.contains(&word) && before == "." && text(at + 1) == "(" && TAKEN.contains(&text(at + 2)))
    };
    (0..tokens.len()).filter(|at| panics(*at)).map(|at| tokens[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str, allowed: &[(&str, &str, usize, &str)]) -> usize {
        broken(&[File { path: "src/a/mod.rs".into(), text: text.into() }], allowed).len()
    }

    #[test]
    fn every_way_to_panic_is_found() {
        for bad in
            ["a.unwrap()", "a.expect(\"x\")", "panic!(\"x\")", "todo!()", "unimplemented!()", "unreachable!()", "map(Option::unwrap)"]
        {
            assert_eq!(faults(&format!("fn f() {{ {bad}; }}"), &[]), 1, "{bad}");
        }
        for good in ["a.unwrap_or(1)", "reader.expect(tlv::SEQUENCE)?", "// a.unwrap()\n", "\"panic!()\"", "std::panic::catch_unwind(f)"] {
            assert_eq!(faults(&format!("fn f() {{ {good}; }}"), &[]), 0, "{good}");
        }
        assert_eq!(faults("#[expect(lint, reason = \"x\")] fn f() {} #[cfg(test)] mod tests { fn g() { a.unwrap() } }", &[]), 0);
    }

    #[test]
    fn the_list_is_exact() {
        let two = "fn f() { a.unwrap(); b.unwrap(); }";
        assert_eq!(faults(two, &[("src/a/mod.rs", "unwrap", 2, "reason")]), 0);
        assert_eq!(faults(two, &[("src/a/mod.rs", "unwrap", 1, "reason")]), 1);
        assert_eq!(faults("", &[("src/a/mod.rs", "unwrap", 1, "reason")]), 1);
    }

    #[test]
    fn files_of_tests_may_panic() {
        let files = [
            File { path: "src/a/mod.rs".into(), text: "#[cfg(test)]\nmod tests;".into() },
            File { path: "src/a/tests.rs".into(), text: "fn f() { a.unwrap() }".into() },
        ];
        assert!(broken(&files, &[]).is_empty());
    }
}
