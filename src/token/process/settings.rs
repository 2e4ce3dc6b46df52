//! The worker's own configuration file. The daemon's names it and is not allowed anything that stands in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::duration::{DurationFault, Span};
use crate::base::toml_fault;
use crate::token::engine::calls::Timeouts;
use crate::token::engine::limits::{Budget, LARGEST_BUDGET, LimitConfig};
use crate::token::engine::pin::{PinFault, PinFile};
use crate::token::engine::{DEFAULT_QUEUE, EngineConfig, SESSIONS};

/// What a worker is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    pub engine: EngineConfig,
    pub timeouts: Timeouts,
    /// Without a sign of life for so long, whoever started the worker replaces it.
    pub watchdog: Duration,
    /// The socket, when nobody passes one.
    pub listen: Option<PathBuf>,
    /// Who may connect beside root and the worker's own user.
    pub client_user: Option<String>,
    /// What the module looks for in its environment.
    pub environment: BTreeMap<String, String>,
}

/// Why a worker's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{path} cannot be read")]
    File { path: PathBuf, source: std::io::Error },
    /// The line itself is not shown: what does not belong into the file may be a PIN.
    #[error("{path}, line {line}: {message}")]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{path}: {field}: {message}")]
    Value { path: PathBuf, field: &'static str, message: &'static str },
    #[error("{path}: {field}")]
    Duration { path: PathBuf, field: &'static str, source: DurationFault },
    #[error("{path}")]
    Pin { path: PathBuf, source: PinFault },
}

/// The file as it is written. What is said here of its keys is what chancery-token.toml(5) says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    /// The vendor's PKCS#11 library.
    module: PathBuf,
    /// The label of the token; it or `serial` is required.
    label: Option<String>,
    /// The serial number of the token.
    serial: Option<String>,
    /// The file that holds the user PIN in its first line, or `credential:pin` for what the unit was handed.
    pin_file: String,
    /// How many sessions work at once, 2 to 64. Unless given, or with 0, as many as there are cores, from 2 to 8: more make a token slower that
    /// computes on this machine, and one in the network faster until it has enough to do, which `chancery doctor token` measures.
    sessions: Option<usize>,
    /// How many jobs may wait, 1 to 100000.
    #[serde(default = "default_queue")]
    queue: usize,
    /// How long a call into the library may take.
    #[serde(default = "default_call_timeout")]
    call_timeout: String,
    /// How long the making of an RSA key may take.
    #[serde(default = "default_generate_timeout")]
    generate_timeout: String,
    /// The most that loading the library and logging in may take. A worker begins with less, and more is given when it was not enough.
    #[serde(default = "default_initialise_timeout")]
    initialise_timeout: String,
    /// Without a sign of life for so long, the worker is replaced.
    #[serde(default = "default_watchdog")]
    watchdog: String,
    /// The socket, when none is passed by the service manager.
    listen: Option<PathBuf>,
    /// The user who may ask beside root and the worker's own.
    client_user: Option<String>,
    /// What the library looks for in its environment, such as `SOFTHSM2_CONF`.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Where signatures are counted for budgets.
    state_dir: Option<PathBuf>,
    /// How often a key may be used.
    #[serde(default)]
    limit: Vec<Limit>,
}

/// How often one key may sign.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// Its CKA_ID in hexadecimal digits, or its label, which is the id of its authority. With an asterisk at the end, all keys whose labels
    /// begin so, together, as `subject:*` for the stored keys of subjects.
    key: String,
    /// So many signatures in any span of `per` are made, and no more: 1 to 100000.
    signatures: Option<u64>,
    /// The span, such as `365d`.
    per: Option<String>,
    /// So many signatures a second are made.
    per_second: Option<u32>,
}

impl Settings {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::File { path: path.to_owned(), source })?;
        let file: File = toml::from_str(&text).map_err(|error| {
            let (line, message) = toml_fault::explain(&text, &error);
            SettingsError::Syntax { path: path.to_owned(), line, message }
        })?;
        file.checked(path)
    }

    /// Everything that can be seen of a file without starting its worker; of a PIN that only the worker's unit is handed, nothing.
    pub fn check(path: &Path) -> Result<(), SettingsError> {
        match Self::read(path) {
            Ok(settings) => settings.check_pin(path),
            Err(SettingsError::Pin { source: PinFault::NoCredentials(_), .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// That the PIN's file is there, without reading it.
    pub fn check_pin(&self, path: &Path) -> Result<(), SettingsError> {
        self.engine.pin.check().map_err(|source| SettingsError::Pin { path: path.to_owned(), source })
    }
}

impl File {
    fn checked(self, path: &Path) -> Result<Settings, SettingsError> {
        let wrong = |field, message| Err(SettingsError::Value { path: path.to_owned(), field, message });
        if self.label.is_some() == self.serial.is_some() {
            return wrong("label", "give either the token's label or its serial");
        }
        if self.sessions.is_some_and(|sessions| sessions != 0 && !SESSIONS.contains(&sessions)) {
            return wrong("sessions", "2 to 64, or 0 for as many as there are cores");
        }
        if !(1..=100_000).contains(&self.queue) {
            return wrong("queue", "1 to 100000");
        }
        if !self.environment.keys().all(|name| is_variable(name)) {
            return wrong("environment", "names are letters, digits and underscores, and none of the linker's or the service manager's");
        }
        let time = |field, text: &str| {
            let read = text.parse().map(Span::as_std);
            read.map_err(|source| SettingsError::Duration { path: path.to_owned(), field, source })
        };
        let mut limits = Vec::with_capacity(self.limit.len());
        for limit in &self.limit {
            let Limit { key, signatures, per, per_second } = limit;
            let budget = match (signatures, per, &self.state_dir) {
                (None, None, _) => None,
                (Some(1..=LARGEST_BUDGET), Some(_), None) => return wrong("state_dir", "a budget needs a directory to be counted in"),
                (Some(signatures @ 1..=LARGEST_BUDGET), Some(per), Some(directory)) => {
                    let per = time("limit.per", per)?;
                    Some(Budget { signatures: *signatures, per, directory: directory.clone() })
                }
                _ => return wrong("limit.signatures", "1 to 100000, and with per, such as per = \"365d\""),
            };
            if key.is_empty() || (budget.is_none() && per_second.is_none()) || *per_second == Some(0) {
                return wrong("limit", "a key with signatures and per, or with per_second, at least 1");
            }
            limits.push(LimitConfig { key: key.clone(), budget, per_second: *per_second });
        }
        let timeouts = Timeouts {
            call: time("call_timeout", &self.call_timeout)?,
            generate: time("generate_timeout", &self.generate_timeout)?,
            initialise: time("initialise_timeout", &self.initialise_timeout)?,
        };
        let watchdog = time("watchdog", &self.watchdog)?;
        // Last: where it is a credential of the unit's, nothing else may stay unsaid to who asks outside of the unit.
        let pin = PinFile::named(&self.pin_file).map_err(|source| SettingsError::Pin { path: path.to_owned(), source })?;
        Ok(Settings {
            timeouts,
            watchdog,
            engine: EngineConfig {
                module: self.module,
                label: self.label,
                serial: self.serial,
                pin,
                sessions: self.sessions.unwrap_or_default(),
                queue: self.queue,
                limits,
            },
            listen: self.listen,
            client_user: self.client_user,
            environment: self.environment,
        })
    }
}

fn default_queue() -> usize {
    DEFAULT_QUEUE
}

fn default_call_timeout() -> String {
    Span::seconds(Timeouts::default().call.as_secs()).to_string()
}

fn default_generate_timeout() -> String {
    Span::seconds(Timeouts::default().generate.as_secs()).to_string()
}

fn default_initialise_timeout() -> String {
    Span::seconds(Timeouts::default().initialise.as_secs()).to_string()
}

fn default_watchdog() -> String {
    "10s".to_owned()
}

/// What the file takes, for its manual page.
#[cfg(test)]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(File)
}

/// Whether a module may be handed a variable of that name.
pub fn is_variable(name: &str) -> bool {
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let reserved = ["LD_", "LISTEN_", "NOTIFY_", "WATCHDOG_", "CREDENTIALS_", "RUNTIME_", "GLIBC_"];
    begins_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !reserved.iter().any(|prefix| name.starts_with(prefix))
}
