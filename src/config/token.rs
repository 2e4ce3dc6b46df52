//! The tokens: each has a worker, and the daemon knows of it no more than where it is.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfigError, absolute};

/// One token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What the appliance calls it: 1 to 32 lower-case letters, digits and hyphens.
    pub name: String,
    /// The configuration of the worker, which the daemon starts itself; it or `socket` is required. Both may be lists of up to 8, for
    /// tokens that hold the same keys.
    config: Option<OneOrMore>,
    /// The socket of a worker that the service manager starts, such as `/run/chancery-token/main.sock` for `chancery-token@main`.
    socket: Option<OneOrMore>,
    /// How many requests may be under way, 1 to 100000, before the next is answered with 503.
    #[serde(default = "default_queue")]
    pub queue: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOrMore {
    One(PathBuf),
    More(Vec<PathBuf>),
}

/// Where a token's worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPlace<'a> {
    /// The daemon starts it with this configuration.
    Config(&'a Path),
    /// It listens there.
    Socket(&'a Path),
}

impl Token {
    /// Where its workers are; none unless exactly one of the two keys is given.
    pub fn places(&self) -> Vec<TokenPlace<'_>> {
        match (&self.config, &self.socket) {
            (Some(config), None) => config.paths().iter().map(|path| TokenPlace::Config(path)).collect(),
            (None, Some(socket)) => socket.paths().iter().map(|path| TokenPlace::Socket(path)).collect(),
            (Some(_), Some(_)) | (None, None) => Vec::new(),
        }
    }
}

impl OneOrMore {
    fn paths(&self) -> &[PathBuf] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::More(paths) => paths,
        }
    }
}

pub(super) fn check(tokens: &[Token]) -> Result<(), ConfigError> {
    let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
    if tokens.is_empty() || tokens.len() > 16 {
        return wrong("token", "1 to 16 [[token]]");
    }
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    for (place, token) in tokens.iter().enumerate() {
        if token.name.is_empty() || token.name.len() > 32 || !token.name.chars().all(is_name) {
            return wrong("token.name", "1 to 32 lower-case letters, digits and hyphens");
        }
        if tokens.iter().take(place).any(|other| other.name == token.name) {
            return wrong("token.name", "each token has a name of its own");
        }
        if !(1..=8).contains(&token.places().len()) {
            return wrong("token.config", "give either the configuration of the token's worker or its socket; or lists of up to 8");
        }
        for place in token.places() {
            match place {
                TokenPlace::Config(path) => absolute("token.config", path)?,
                TokenPlace::Socket(path) => absolute("token.socket", path)?,
            }
        }
        if token.queue == 0 || token.queue > 100_000 {
            return wrong("token.queue", "1 to 100000");
        }
    }
    Ok(())
}

/// A `[token]` table is of the time when the daemon loaded the module itself.
pub(super) fn refuse_table(text: &str) -> Result<(), ConfigError> {
    let is_table = |table: toml::Table| table.get("token").is_some_and(toml::Value::is_table);
    if toml::from_str(text).is_ok_and(is_table) {
        let message =
            "the token has a worker now, with a file of its own: move module, label, serial, pin_file and sessions into that file, \
                       say /etc/chancery/tokens/main.toml, and write here [[token]] with name = \"main\" and \
                       config = \"/etc/chancery/tokens/main.toml\""
                .to_owned();
        return Err(ConfigError::Value { field: "[token]", message });
    }
    Ok(())
}

fn default_queue() -> usize {
    1_024
}
