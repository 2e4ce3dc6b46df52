//! Where a command writes: standard output for what was asked for, standard error for everything else.

use std::io::Write;

use super::failure::Failure;

/// The two outputs, and whether a person looks at them and could answer.
pub struct Screen<'a> {
    pub out: &'a mut dyn Write,
    pub notes: &'a mut dyn Write,
    pub out_is_terminal: bool,
    pub notes_is_terminal: bool,
    pub input_is_terminal: bool,
}

impl Screen<'_> {
    /// Bytes as they are.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).and_then(|()| self.out.flush()).map_err(Failure::Output)
    }

    /// Text that ends with its line.
    pub(super) fn line(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.write(text)?;
        if text.ends_with(b"\n") { Ok(()) } else { self.write(b"\n") }
    }

    /// A remark. There is nowhere left to complain to when it cannot be written.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.notes, "{}", printable(text)).and_then(|()| self.notes.flush());
    }

    pub(super) fn failure(&mut self, failure: &Failure) {
        if !failure.is_closed_pipe() {
            for (position, line) in failure.lines().iter().enumerate() {
                if position == 0 { self.note(&format!("chancery: {line}")) } else { self.note(line) }
            }
        }
    }

    /// Help and version, which were asked for, or a fault of usage.
    pub(super) fn usage(&mut self, fault: &clap::Error) -> u8 {
        let text = fault.render();
        let (output, colour) =
            if fault.use_stderr() { (&mut self.notes, self.notes_is_terminal) } else { (&mut self.out, self.out_is_terminal) };
        let _ = if colour { write!(output, "{}", text.ansi()) } else { write!(output, "{text}") }.and_then(|()| output.flush());
        if fault.use_stderr() { 2 } else { 0 }
    }
}

/// Text from outside as a terminal may see it: what would move the cursor, change colours or turn the reading direction is
/// written as an escape.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Unicode 15, 9: the bidirectional marks, embeddings, overrides and isolates.
        let turns = matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
