//! chancery.toml(5) is held against the types: every key they take stands in it, and none that they do not.

use std::collections::BTreeSet;

use super::Config;

const PAGE: &str = include_str!("../../packaging/manual/chancery.toml.5");
const EXAMPLE: &str = include_str!("../../packaging/chancery.toml");
/// A key nobody would choose: the refusal names those that are known.
const UNKNOWN: &str = "no-such-key";

#[test]
fn every_key_is_in_the_manual_page_and_no_other() {
    assert_eq!(described(PAGE), known("", ""));
}

#[test]
fn the_example_is_a_configuration() {
    toml::from_str::<Config>(EXAMPLE).unwrap().check().unwrap();
    // What it shows as a comment has to be one as well, once it is none any more.
    let shown = EXAMPLE.replace("\n# [", "\n[").replace("\n# listen =", "\nlisten =").replace("\n# url =", "\nurl =");
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
fn known(heading: &str, prefix: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for key in expected(heading).unwrap() {
        let path = format!("{prefix}{key}");
        let table = [format!("[{path}]\n"), format!("[[{path}]]\n")].into_iter().find(|heading| expected(heading).is_some());
        match table {
            Some(heading) => keys.extend(known(&heading, &format!("{path}."))),
            None => {
                keys.insert(path);
            }
        }
    }
    keys
}

/// What a table takes, or nothing when the heading makes no table.
fn expected(heading: &str) -> Option<Vec<String>> {
    let error = toml::from_str::<Config>(&format!("{heading}{UNKNOWN} = 1")).unwrap_err();
    let (_, expected) = error.message().split_once(&format!("unknown field `{UNKNOWN}`, expected "))?;
    // Every second piece between backticks is a key.
    Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
