//! The worker's configuration of an examined token, and the daemon's lines for it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nix::unistd::User;

use super::Question;
use crate::api::doctor::{Operation, Outcome, TokenReport};

/// Who asks a worker that the package's units start.
const DAEMON: &str = "chancery";
/// A call of the examination that took longer asks for more time than the worker gives by itself.
const SLOW_CALL: u64 = 1_000;
const SLOW_GENERATION: u64 = 30_000;

/// The file as it is written. None when nothing is known of the token.
pub fn write(question: &Question, report: &TokenReport) -> Option<String> {
    let token = report.token.as_ref()?;
    let namesakes = report.slots.iter().filter_map(|slot| slot.token.as_ref()).filter(|other| other.label == token.label).count();
    let mut text = format!("# The worker of the token {:?}, as `chancery doctor token` found it.\n", token.label);
    if !report.lacking.is_empty() {
        text.push_str("#\n# These features of the appliance do not work with it:\n");
        for lack in &report.lacking {
            // A module's own words could end the comment.
            let because = lack.because.replace(char::is_control, " ");
            let _ = writeln!(text, "# - {}\n#   because {because}", lack.feature);
        }
        text.push('\n');
    }
    line(&mut text, "module", &absolute(&question.module));
    // A label is what people know; where it says too little, the serial number.
    match &question.serial {
        None if namesakes <= 1 && !token.label.is_empty() => line(&mut text, "label", &token.label),
        _ => line(&mut text, "serial", &token.serial),
    }
    if let Some(pin_file) = &question.pin_file {
        let is_credential = pin_file.starts_with("credential:");
        line(&mut text, "pin_file", &if is_credential { pin_file.clone() } else { absolute(Path::new(pin_file)) });
    }
    // The package makes this user; a worker does not start for one that is not there.
    if !matches!(User::from_name(DAEMON), Ok(Some(_))) {
        text.push_str("# ");
    }
    line(&mut text, "client_user", DAEMON);
    // A `String` takes everything that is written to it.
    if let Some(sessions) = report.recommended_sessions {
        let _ = writeln!(text, "sessions = {sessions}");
    }
    // Ten times what it took: a token that does other things meanwhile is slower.
    let slow = |operation: Operation| {
        report.trials.iter().filter(|t| t.operation == operation && t.outcome == Outcome::Done).map(|t| t.milliseconds).max()
    };
    if let Some(took) = slow(Operation::Sign).filter(|took| *took > SLOW_CALL) {
        let _ = writeln!(text, "call_timeout = \"{}s\"", took.div_ceil(100));
    }
    if let Some(took) = slow(Operation::Generate).filter(|took| *took > SLOW_GENERATION) {
        let _ = writeln!(text, "generate_timeout = \"{}s\"", took.div_ceil(100));
    }
    if !question.environment.is_empty() {
        text.push_str("\n[environment]\n");
        for (name, value) in &question.environment {
            line(&mut text, name, value);
        }
    }
    let name = name_of(&token.label);
    let _ = write!(
        text,
        "\n# In /etc/chancery/chancery.toml, when this file is /etc/chancery/tokens/{name}.toml:\n#\n# [[token]]\n# name = \"{name}\"\n\
         # socket = \"/run/chancery-token/{name}.sock\"\n"
    );
    Some(text)
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {}", toml::Value::String(value.to_owned()));
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)).display().to_string()
}

/// What the configuration may call a token: lower-case letters, digits and hyphens, at most 32.
fn name_of(label: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = label.chars().map(word).take(32).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "main".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_the_configuration_takes() {
        assert_eq!(name_of("NSS Certificate DB"), "nss-certificate-db");
        assert_eq!(name_of("Jürgen"), "j-rgen");
        assert_eq!(name_of("--"), "main");
        assert_eq!(name_of(""), "main");
        assert_eq!(name_of(&"a".repeat(40)).len(), 32);
    }
}
