//! The keys of a configuration file as man(7) shows them.
//!
//! What there is to say of a key is in the JSON Schema of its type; which keys there are, and in what order, is asked of the reader itself,
//! whose refusal of a key that is not known names those that are. So the schema cannot promise a key that is not taken.

use std::collections::BTreeSet;
use std::fmt::Write;

use schemars::Schema;
use serde_json::Value;

/// A key nobody would choose.
const UNKNOWN: &str = "no-such-key";

/// A file's type, as it describes itself and as it refuses.
pub struct Source<'a> {
    pub schema: &'a Schema,
    /// What is said of a text that is no configuration.
    pub refusal: &'a dyn Fn(&str) -> String,
}

/// A table that is being described.
struct Table<'a> {
    /// As it begins in the file, empty for the file itself.
    heading: String,
    /// Its keys in front of their own names: `tls.clients.`
    prefix: String,
    text: &'a str,
    schema: &'a Value,
    /// What the keys are when there is no such table.
    unless_given: &'a Value,
}

/// A section for each table, a paragraph for each key.
pub fn keys(source: &Source<'_>) -> String {
    let root = source.schema.as_value();
    let file = Table { heading: String::new(), prefix: String::new(), text: "", schema: root, unless_given: &Value::Null };
    let mut page = String::new();
    source.table(&mut page, &file);
    page
}

impl Source<'_> {
    fn table(&self, page: &mut String, table: &Table<'_>) {
        let names = self.known(&table.heading).unwrap();
        let described: BTreeSet<_> = table.schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, names.iter().cloned().collect(), "{}", table.heading);
        let (mut values, mut tables) = (String::new(), Vec::new());
        for name in &names {
            let key = &table.schema["properties"][name];
            let is_required = table.schema["required"].as_array().is_some_and(|required| required.iter().any(|one| one == name));
            let unless_given = if is_required { &Value::Null } else { key.get("default").unwrap_or(&table.unless_given[name]) };
            let path = format!("{}{name}", table.prefix);
            let mut headings = [format!("[{path}]\n"), format!("[[{path}]]\n")].into_iter();
            match headings.find(|heading| self.known(heading).is_some()) {
                Some(heading) => {
                    tables.push(Table { heading, prefix: format!("{path}."), text: text(key), schema: self.table_of(key), unless_given })
                }
                None => self.value(&mut values, name, key, is_required, unless_given),
            }
        }
        if !values.is_empty() {
            let title = if table.heading.is_empty() { "The file itself" } else { table.heading.trim_end() };
            writeln!(page, ".SS \"{title}\"").unwrap();
            sentences(page, table.text);
            sentences(page, &without(table));
            page.push_str(&values);
        }
        for inner in tables {
            self.table(page, &inner);
        }
    }

    fn value(&self, page: &mut String, name: &str, key: &Value, is_required: bool, unless_given: &Value) {
        let form = self.form(key);
        let unless_given = match unless_given {
            Value::Array(list) if list.is_empty() => &Value::Null,
            Value::Object(table) if table.is_empty() => &Value::Null,
            other => other,
        };
        let more = match unless_given {
            _ if is_required => "; required".to_owned(),
            Value::Null => String::new(),
            value => format!("; {value} unless given"),
        };
        writeln!(page, ".TP\n.BR {name} \" ({})\"", escaped(&format!("{form}{more}")).replace('"', "\\(dq")).unwrap();
        sentences(page, text(key));
        let choices: Vec<_> = self.resolved(key)["oneOf"].as_array().into_iter().flatten().collect();
        if choices.is_empty() {
            return;
        }
        page.push_str(".RS\n");
        for choice in choices {
            writeln!(page, ".TP\n.B {}", choice["const"].as_str().unwrap()).unwrap();
            sentences(page, text(choice));
        }
        page.push_str(".RE\n");
    }

    /// What is written behind the equals sign.
    fn form(&self, key: &Value) -> String {
        let key = self.resolved(key);
        if let Some(forms) = key["anyOf"].as_array() {
            let forms: Vec<_> = forms.iter().filter(|form| form["type"] != "null").map(|form| self.form(form)).collect();
            return forms.join(" or ");
        }
        // An option's type is its own and null, which TOML has not.
        let kinds = key["type"].as_array().cloned().unwrap_or_else(|| vec![key["type"].clone()]);
        match kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null") {
            Some("array") => format!("list of {}s", self.form(&key["items"])),
            Some("object") => format!("table of {}s", self.form(&key["additionalProperties"])),
            Some(kind) => kind.to_owned(),
            None if key["oneOf"].is_array() => "string".to_owned(),
            None => panic!("a key has no form: {key}"),
        }
    }

    /// The table that a key is, may be, or is a list of.
    fn table_of<'b>(&'b self, key: &'b Value) -> &'b Value {
        let key = self.resolved(key);
        if let Some(forms) = key["anyOf"].as_array() {
            return self.table_of(forms.iter().find(|form| form["type"] != "null").unwrap());
        }
        if key["type"] == "array" { self.table_of(&key["items"]) } else { key }
    }

    fn resolved<'b>(&'b self, key: &'b Value) -> &'b Value {
        match key["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(place) => self.schema.as_value().pointer(place).unwrap(),
            None => key,
        }
    }

    /// The keys that a table takes, or nothing when the heading makes no table with keys of its own.
    fn known(&self, heading: &str) -> Option<Vec<String>> {
        let message = (self.refusal)(&format!("{heading}{UNKNOWN} = 1"));
        let (_, expected) = message.split_once(&format!("unknown field `{UNKNOWN}`, expected "))?;
        // Every second piece between backticks is a key.
        Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
    }
}

fn text(key: &Value) -> &str {
    key["description"].as_str().unwrap_or_else(|| panic!("a key is not described: {key}"))
}

/// What holds without a table that has to be given whole.
fn without(table: &Table<'_>) -> String {
    let required = table.schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let holds: Vec<_> = required.filter_map(|name| Some(format!("`{name} = {}`", table.unless_given.get(name)?))).collect();
    if holds.is_empty() { String::new() } else { format!("Without this table: {}.", holds.join(", ")) }
}

/// A line each, as man(7) has it; what stands between backticks is set apart.
fn sentences(page: &mut String, text: &str) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(". ", ".\n");
    for line in text.lines() {
        let pieces = line.split('`').enumerate();
        let line: String =
            pieces.map(|(place, piece)| if place % 2 == 0 { escaped(piece) } else { format!("\\fB{}\\fR", escaped(piece)) }).collect();
        // A dot or an apostrophe in front would be a request to the formatter.
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        writeln!(page, "{guard}{line}").unwrap();
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[test]
fn a_sentence_is_a_line_and_what_is_written_in_the_file_is_bold() {
    let mut page = String::new();
    sentences(&mut page, "Such as `a-b`.\nIt is read\nonce. .x");
    assert_eq!(page, "Such as \\fBa\\-b\\fR.\nIt is read once.\n\\&.x\n");
}
