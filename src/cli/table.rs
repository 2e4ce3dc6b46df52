//! Tables: columns without borders, which read well and cut well; the last column gives way when the terminal is narrow.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use super::screen::printable;

/// A list with a heading, or the fields of one thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// A list.
    pub(super) fn list<T, const N: usize>(heading: [&'static str; N], items: &[T], row: impl Fn(&T) -> [String; N]) -> Self {
        Self { heading: heading.to_vec(), rows: items.iter().map(|item| row(item).to_vec()).collect() }
    }

    /// The fields of one thing; those without a value are left out.
    pub(super) fn fields<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Self {
        let given = fields.into_iter().filter_map(|(name, value)| Some(vec![name.to_owned(), value?]));
        Self { heading: Vec::new(), rows: given.collect() }
    }

    /// The same without its heading, for the pages after the first.
    pub(super) fn without_heading(mut self) -> Self {
        self.heading.clear();
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, wrapped to the terminal when there is one and whole otherwise.
    pub(super) fn render(&self, terminal: bool) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        if terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.force_no_tty();
        }
        if !self.heading.is_empty() {
            table.set_header(self.heading.clone());
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| printable(cell)));
        }
        let columns = table.column_count();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
            if column.index + 1 < columns {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The yes or no of a table.
pub(super) fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// A key's type and size; the size says nothing new where the type has one.
pub(super) fn key(key_type: &str, bits: u32) -> String {
    if key_type == "ed25519" { key_type.to_owned() } else { format!("{key_type} {bits}") }
}

/// A list in one cell.
pub(super) fn joined(items: &[String]) -> Option<String> {
    (!items.is_empty()).then(|| items.join(", "))
}
