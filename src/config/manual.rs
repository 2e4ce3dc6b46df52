//! chancery.toml(5) and chancery-token.toml(5) are held against the types: every key they take stands in the page, and none that they
//! do not.

use std::collections::BTreeSet;

use super::Config;
use crate::token::process::settings::Settings;

const PAGE: &str = include_str!("../../packaging/manual/chancery.toml.5");
const PAGE_OF_THE_WORKER: &str = include_str!("../../packaging/manual/chancery-token.toml.5");
const EXAMPLE: &str = include_str!("../../packaging/chancery.toml");
/// A key nobody would choose: the refusal names those that are known.
const UNKNOWN: &str = "no-such-key";

#[test]
fn every_key_is_in_the_manual_page_and_no_other() {
    assert_eq!(described(PAGE), known(&|text| toml::from_str::<Config>(text).unwrap_err().to_string(), "", ""));
    let file = tempfile::NamedTempFile::new().unwrap();
    let refusal = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path()).unwrap_err().to_string()
    };
    assert_eq!(described(PAGE_OF_THE_WORKER), known(&refusal, "", ""));
}

#[test]
fn the_example_is_a_configuration() {
    toml::from_str::<Config>(EXAMPLE).unwrap().check().unwrap();
    // What it shows as a comment has to be one as well, once it is none any more.
    let shown = EXAMPLE
        .replace("\n# [", "\n[")
        .replace("\n# listen =", "\nlisten =")
        .replace("\n# url =", "\nurl =")
        .replace("\n# enabled =", "\nenabled =");
    toml::from_str::<Config>(&shown).unwrap().check().unwrap();
}

#[test]
fn a_page_is_read_as_it_is_written() {
    let page = ".SS \"The file itself\"\n.TP\n.B one\nText.\n.SS \"[two]\"\n.TP\n.B three\nOr\n.B four\n.SS \"[[five]]\"\n.TP\n.B six\n.SH NEXT\n.TP\n.B no\n";
    assert_eq!(described(page), ["one", "two.three", "five.six"].map(str::to_owned).into());
}

/// What follows `.TP` below a heading of a table.
fn described(page: &str) -> BTreeSet<String> {
    let (mut table, mut keys, mut before) = (None, BTreeSet::new(), "");
    for line in page.lines() {
        if line.starts_with(".SH") {
            table = None;
        } else if let Some(heading) = line.strip_prefix(".SS ") {
            let name = heading.trim_matches('"');
            table = Some(if name.starts_with('[') { format!("{}.", name.trim_matches(['[', ']'])) } else { String::new() });
        } else if let (Some(table), ".TP", Some(key)) = (&table, before, line.strip_prefix(".B ")) {
            keys.insert(format!("{table}{key}"));
        }
        before = line;
    }
    keys
}

/// The keys of a table and of the tables below it, as refusals name them.
fn known(refusal: &dyn Fn(&str) -> String, heading: &str, prefix: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for key in expected(refusal, heading).unwrap() {
        let path = format!("{prefix}{key}");
        let mut headings = [format!("[{path}]\n"), format!("[[{path}]]\n")].into_iter();
        match headings.find(|heading| expected(refusal, heading).is_some()) {
            Some(heading) => keys.extend(known(refusal, &heading, &format!("{path}."))),
            None => {
                keys.insert(path);
            }
        }
    }
    keys
}

/// What a table takes, or nothing when the heading makes no table with keys of its own.
fn expected(refusal: &dyn Fn(&str) -> String, heading: &str) -> Option<Vec<String>> {
    let message = refusal(&format!("{heading}{UNKNOWN} = 1"));
    let (_, expected) = message.split_once(&format!("unknown field `{UNKNOWN}`, expected "))?;
    // Every second piece between backticks is a key.
    Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
