//! A lint is silenced by `expect` with a reason, which fails when the reason is gone; never by `allow`, which stays for ever.

use crate::code;
use crate::lexer;
use crate::tree::{self, File};

#[test]
fn lints_are_expected_with_a_reason() {
    let mut files = tree::rust_under("src/");
    files.extend(tree::rust_under("tests/"));
    crate::assert_none(broken(&files));
}

fn broken(files: &[File]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        for attribute in code::attributes(&lexer::tokens(&file.text)) {
            let words: Vec<&str> = attribute.iter().map(|token| token.text).collect();
            let place = format!("{}:{}", file.path, attribute[0].line);
            if words.windows(2).any(|pair| pair == ["allow", "("]) {
                broken.push(format!("{place}: write #[expect(…, reason = \"…\")] in the place of allow"));
            }
            if words.windows(2).any(|pair| pair == ["expect", "("]) && !words.contains(&"reason") {
                broken.push(format!("{place}: expect without a reason"));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_is_found_wherever_it_hides() {
        let faults = |text: &str| broken(&[File { path: "src/a.rs".into(), text: text.into() }]).len();
        for bad in ["#[allow(dead_code)]", "#![allow(dead_code)]", "#[cfg_attr(test, allow(dead_code))]", "#[expect(dead_code)]"] {
            assert_eq!(faults(&format!("{bad} fn f() {{}}")), 1, "{bad}");
        }
        for good in ["#[expect(dead_code, reason = \"x\")]", "// #[allow(dead_code)]\n", "#[derive(Debug)]"] {
            assert_eq!(faults(&format!("{good} fn allow(a: u8) {{}}")), 0, "{good}");
        }
    }
}
