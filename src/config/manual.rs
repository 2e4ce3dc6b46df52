//! chancery.toml(5) and chancery-token.toml(5): what they say of the keys is made from the types that read them, from their names, their
//! documentation and their defaults. `UPDATE_GOLDEN=1` writes it into the pages anew; what stands around it is written by hand.

use schemars::schema_for;

use self::page::{Source, keys};
use super::Config;
use crate::token::process::settings::{self, Settings};

mod page;

const EXAMPLE: &str = include_str!("../../packaging/chancery.toml");
const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/manual");
const BEGIN: &str = ".\\\" Made from the types in src: begin\n";
const END: &str = ".\\\" Made from the types in src: end\n";

#[test]
fn the_page_of_the_daemon_is_what_its_types_say() {
    let refusal = |text: &str| toml::from_str::<Config>(text).unwrap_err().to_string();
    assert_page("chancery.toml.5", &keys(&Source { schema: &schema_for!(Config), refusal: &refusal }));
}

#[test]
fn the_page_of_the_worker_is_what_its_types_say() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refusal = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        Settings::read(file.path()).unwrap_err().to_string()
    };
    assert_page("chancery-token.toml.5", &keys(&Source { schema: &settings::schema(), refusal: &refusal }));
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

#[track_caller]
fn assert_page(name: &str, made: &str) {
    let path = format!("{PAGES}/{name}");
    let before = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = before.split_once(BEGIN).unwrap();
    let (kept, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, [head, BEGIN, made, END, tail].concat()).unwrap();
        return;
    }
    let changed = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(made == kept, "{name} is not what the types say, first in {changed:?}; UPDATE_GOLDEN=1 writes it anew");
}
