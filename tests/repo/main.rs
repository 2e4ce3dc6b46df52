//! Rules about this repository that the compiler does not hold: which module may know which, what each must never do, and what the
//! documents promise.
//!
//! Every rule is a function from text to the places that break it. It is tested twice: on a bad example, which shows that it can
//! fail, and on the repository, where it must find nothing.

mod absence;
mod attributes;
mod code;
mod documents;
mod hosts;
mod lexer;
mod manifest;
mod panics;
mod rows;
mod size;
mod tree;
mod units;

/// Fails with one line for each place that breaks a rule.
#[track_caller]
fn assert_none(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
