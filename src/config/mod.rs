//! The configuration file: TOML, unknown keys refused, secrets only as paths of files that hold them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::base::duration::{DurationFault, Span};

/// The file as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the journal, the index and the CRLs are kept.
    pub data_dir: PathBuf,
    /// The address of the API, such as `0.0.0.0:8443`.
    pub listen: SocketAddr,
    pub tls: Tls,
    pub token: Token,
    #[serde(default)]
    pub public: Public,
    #[serde(default)]
    pub crl: Crl,
    #[serde(default)]
    pub storage: Storage,
}

/// The listener's certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM: the listener's certificate first, then its chain.
    pub certificate: PathBuf,
    /// PEM: the key of the first certificate.
    pub key: PathBuf,
}

/// Where the CA keys are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The PKCS#11 module.
    pub module: PathBuf,
    /// The token's label; this or `serial`.
    pub label: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// A file that holds the user PIN and nothing else but a line end.
    pub pin_file: PathBuf,
    /// Sessions that work at once; the number of cores, 2 to 8, unless given.
    #[serde(default)]
    pub sessions: usize,
    /// How many jobs may wait before requests are answered with 503.
    #[serde(default = "default_queue")]
    pub queue: usize,
}

/// What relying parties reach.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Public {
    /// The address of a plain-HTTP listener for CRLs and CA certificates; none unless given.
    pub listen: Option<SocketAddr>,
    /// The URL under which relying parties reach it, written into certificates; none unless given.
    pub url: Option<String>,
}

/// When CRLs are made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crl {
    #[serde(default = "default_crl_period")]
    pub period: String,
    #[serde(default = "default_crl_validity")]
    pub validity: String,
}

/// How the data directory is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Mebibytes held back for revocation and CRLs when the disk is full. With less than twice as much free, nothing new is issued.
    #[serde(default = "default_reserve")]
    pub reserve_mib: u64,
    /// Mebibytes of memory for the index.
    #[serde(default = "default_cache")]
    pub cache_mib: u64,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read")]
    File { path: PathBuf, source: std::io::Error },
    /// The line itself is not shown: what does not belong into the file may be a PIN.
    #[error("{path}, line {line}: {message}")]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{field}: {message}")]
    Value { field: &'static str, message: String },
}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        let config: Self = toml::from_str(&text).map_err(|error| syntax(path, &text, &error))?;
        config.check()?;
        Ok(config)
    }

    /// How often CRLs are made.
    pub fn crl_period(&self) -> Result<Span, ConfigError> {
        span("crl.period", &self.crl.period)
    }

    /// How long CRLs are good for.
    pub fn crl_validity(&self) -> Result<Span, ConfigError> {
        span("crl.validity", &self.crl.validity)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        if self.token.label.is_some() == self.token.serial.is_some() {
            return wrong("token.label", "give either the token's label or its serial");
        }
        if self.token.queue == 0 || self.token.queue > 100_000 {
            return wrong("token.queue", "1 to 100000");
        }
        if self.token.sessions > 64 {
            return wrong("token.sessions", "at most 64");
        }
        if self.public.url.as_ref().is_some_and(|url| !url.starts_with("http://") || url.ends_with('/')) {
            return wrong("public.url", "an http:// URL without a slash at its end");
        }
        // Without a reserve a full disk would stop revocation.
        if !(4..=1_048_576).contains(&self.storage.reserve_mib) {
            return wrong("storage.reserve_mib", "4 to 1048576");
        }
        if !(1..=1_048_576).contains(&self.storage.cache_mib) {
            return wrong("storage.cache_mib", "1 to 1048576");
        }
        // A copy must not end before its successor can have been fetched.
        if self.crl_validity()?.as_seconds() < 2 * self.crl_period()?.as_seconds() {
            return wrong("crl.validity", "at least twice crl.period");
        }
        Ok(())
    }
}

impl Default for Crl {
    fn default() -> Self {
        Self { period: default_crl_period(), validity: default_crl_validity() }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { reserve_mib: default_reserve(), cache_mib: default_cache() }
    }
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message = match error.message().rsplit_once(", expected") {
        // These repeat the value.
        Some((found, wanted)) if found.starts_with("invalid") => format!("a wrong type or value, expected{wanted}"),
        _ => error.message().to_owned(),
    };
    ConfigError::Syntax { path: path.to_owned(), line: before.matches('\n').count() + 1, message }
}

fn span(field: &'static str, text: &str) -> Result<Span, ConfigError> {
    text.parse().map_err(|fault: DurationFault| ConfigError::Value { field, message: fault.to_string() })
}

fn default_queue() -> usize {
    1_024
}

fn default_crl_period() -> String {
    "1h".to_owned()
}

fn default_crl_validity() -> String {
    "24h".to_owned()
}

fn default_reserve() -> u64 {
    32
}

fn default_cache() -> u64 {
    64
}

#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;
