//! A module may use modules of earlier rows only; modules of one row do not know each other.

use crate::code;
use crate::lexer::{self, Token};
use crate::tree::{self, File};

/// The rows, from the foundation up. A new module is entered here, which is the moment to think about where it stands:
/// after everything it needs, and before everything that needs it.
const ROWS: &[&[&str]] = &[
    &["base"],
    &["api", "journal", "x509", "tasks", "outbound"],
    &["storage", "token", "policy", "client"],
    &["audit"],
    &["access", "profiles", "secrets"],
    &["events", "integrations"],
    &["inventory"],
    &["ca"],
    &["requests", "acme_client", "ceremony", "rotation"],
    &["lifecycle"],
    &["acme_server", "scep", "est", "cmp"],
    &["http"],
    &["config"],
    &["daemon", "cli"],
];

#[test]
fn modules_use_earlier_rows_only() {
    crate::assert_none(broken(&tree::rust_under("src/")));
}

#[test]
fn the_library_only_declares_its_modules() {
    crate::assert_none(more_than_modules(&tree::read("src/lib.rs")));
}

fn broken(files: &[File]) -> Vec<String> {
    // The binaries stand above all rows and reach the library by its name.
    let library = files.iter().filter(|file| !file.path.starts_with("src/bin/"));
    library.flat_map(|file| if file.path == "src/lib.rs" { declared(file) } else { uses(file) }).collect()
}

fn declared(library: &File) -> Vec<String> {
    let tokens = lexer::tokens(&library.text);
    let names = tokens.windows(2).filter(|pair| pair[0].text == "mod").map(|pair| pair[1].text);
    names.filter(|name| row(name).is_none()).map(|name| not_in_a_row(&library.path, name)).collect()
}

fn uses(file: &File) -> Vec<String> {
    let own = file.path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
    let Some(own_row) = row(own) else { return vec![not_in_a_row(&file.path, own)] };
    let tokens = lexer::tokens(&file.text);
    let mut broken = climbs(file, &tokens);
    for path in code::paths(&tokens) {
        let ["crate", used, ..] = path.segments.as_slice() else { continue };
        let place = format!("{}:{}", file.path, path.line);
        match row(used) {
            None => broken.push(not_in_a_row(&place, used)),
            Some(used_row) if *used != own && used_row >= own_row => broken.push(format!(
                "{place}: {own} stands in row {own_row} and may not know {used}, which stands in row {used_row}; \
                 a module uses earlier rows only"
            )),
            Some(_) => {}
        }
    }
    broken
}

/// Places where `super` leaves the file's own top-level module, which would pass by this rule.
fn climbs(file: &File, tokens: &[Token<'_>]) -> Vec<String> {
    let mut inline = vec![];
    let mut braces = 0_usize;
    let mut broken = Vec::new();
    for at in 0..tokens.len() {
        match tokens[at].text {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2].text == "mod" {
                    inline.push(braces);
                }
            }
            "}" => {
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
                braces = braces.saturating_sub(1);
            }
            "super" => {
                let supers = 1 + tokens[..at]
                    .iter()
                    .rev()
                    .step_by(2)
                    .zip(tokens[..at].iter().rev().skip(1).step_by(2))
                    .take_while(|(colons, word)| colons.text == "::" && word.text == "super")
                    .count();
                if supers >= depth(&file.path) + inline.len() {
                    broken.push(format!("{}:{}: write the path of another module as crate::…", file.path, tokens[at].line));
                }
            }
            _ => {}
        }
    }
    broken
}

/// How many modules deep the file's module is: `src/a.rs` and `src/a/mod.rs` are one deep.
fn depth(path: &str) -> usize {
    let module = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    module.split('/').count()
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

fn not_in_a_row(place: &str, module: &str) -> String {
    format!("{place}: the module {module} stands in no row: enter it in ROWS in tests/repo/rows.rs and in docs/architecture.md")
}

fn more_than_modules(library: &str) -> Vec<String> {
    let tokens: Vec<Token<'_>> = lexer::tokens(library);
    let mut rest: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    while let ["pub", "mod", name, ";", ..] = rest.as_slice() {
        let _ = name;
        rest.drain(..4);
    }
    rest.first().map(|word| format!("src/lib.rs holds nothing but `pub mod` lines, and no re-exports: found {word}")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        broken(&[File { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn a_later_row_is_found_however_it_is_written() {
        assert_eq!(faults("src/storage/mod.rs", "use crate::journal::Frame; use crate::base::{self, id};"), 0);
        assert_eq!(faults("src/storage/mod.rs", "use crate::ca::Issue;"), 1);
        assert_eq!(faults("src/storage/table.rs", "use crate::{base::id, audit, http::Route};"), 2);
        assert_eq!(faults("src/storage/table.rs", "fn f() { crate :: daemon :: run() }"), 1);
        assert_eq!(faults("src/base/mod.rs", "macro_rules! m { () => { $crate::x509::y } }"), 1);
        assert_eq!(faults("src/base/mod.rs", "// crate::daemon\nconst A: &str = \"crate::daemon\";"), 0);
    }

    #[test]
    fn one_row_does_not_know_itself() {
        assert_eq!(faults("src/token/mod.rs", "use crate::storage::Store;"), 1);
        assert_eq!(faults("src/token/pool.rs", "use crate::token::Session;"), 0);
    }

    #[test]
    fn a_module_outside_the_table_is_named() {
        let found = broken(&[File { path: "src/helpers/mod.rs".into(), text: String::new() }]);
        assert!(found[0].contains("helpers stands in no row"), "{found:?}");
        assert_eq!(faults("src/daemon/mod.rs", "use crate::helpers;"), 1);
        assert_eq!(faults("src/lib.rs", "pub mod base; pub mod helpers;"), 1);
    }

    #[test]
    fn super_stays_inside_the_module() {
        assert_eq!(faults("src/token/mod.rs", "mod tests { use super::*; }"), 0);
        assert_eq!(faults("src/token/pool.rs", "use super::Session; mod tests { use super::super::Session; }"), 0);
        assert_eq!(faults("src/token/mod.rs", "mod tests {} use super::base;"), 1);
        assert_eq!(faults("src/token/pool.rs", "use super::super::ca;"), 1);
    }

    #[test]
    fn the_binaries_use_everything() {
        assert_eq!(faults("src/bin/chanceryd.rs", "use chancery::daemon; use crate::anything;"), 0);
    }

    #[test]
    fn a_re_export_is_found() {
        assert!(more_than_modules("//! Doc.\n\npub mod base;\npub mod x509;").is_empty());
        assert_eq!(more_than_modules("pub mod base;\npub use base::id;").len(), 1);
        assert_eq!(more_than_modules("pub mod base;\nfn f() {}").len(), 1);
    }
}
