//! The configuration file: TOML, unknown keys refused, secrets only as paths of files that hold them.

pub mod acme;
mod admin;
pub mod limits;
pub mod log;
pub mod outbound;
pub mod sandbox;
mod tls;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::duration::{DurationFault, Span};
use crate::base::toml_fault;
use crate::x509::dns_name::DnsName;
pub use admin::Admin;
pub use tls::{Clients, OwnCa, Source, Tls};
pub use token::{Token, TokenPlace};

/// The file as it is written. What is said here of its keys, and of those of its tables, is what chancery.toml(5) says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the journal, the index and the CRLs are kept.
    pub data_dir: PathBuf,
    /// The address of the API, such as `0.0.0.0:8443`.
    pub listen: SocketAddr,
    /// The certificate of the listeners: either `certificate` and `key`, or `ca` and `names`. It is read again on SIGHUP.
    pub tls: Tls,
    /// A token that holds CA keys: the PKCS#11 module is loaded by a worker of its own, and this says where that is. Of several the first
    /// is taken where none is named.
    pub token: Vec<Token>,
    /// Where administration and the metrics are served. With a key of this table they are on no other listener.
    #[serde(default)]
    pub admin: Admin,
    /// What relying parties reach.
    #[serde(default)]
    pub public: Public,
    /// When CRLs are made.
    #[serde(default)]
    pub crl: Crl,
    /// How long OCSP answers and responders are good for.
    #[serde(default)]
    pub ocsp: Ocsp,
    /// How the data directory is used.
    #[serde(default)]
    pub storage: Storage,
    /// How much the appliance takes of others. All tables of limits are taken up on SIGHUP.
    #[serde(default)]
    pub limits: limits::Limits,
    /// What is written to the log.
    #[serde(default)]
    pub log: log::Log,
    /// How the daemon shuts itself in before it serves.
    #[serde(default)]
    pub sandbox: sandbox::Sandbox,
    /// Connections that the daemon opens by itself: for webhooks, for CRLs of others, and to validate what ACME clients ask for. Without it
    /// the kernel refuses it every one.
    #[serde(default)]
    pub outbound: outbound::Outbound,
    /// The ACME server (RFC 8555) at /api/acme, for roles that are open to it.
    #[serde(default)]
    pub acme: acme::Acme,
}

/// What relying parties reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Public {
    /// The address of a plain-HTTP listener for CRLs, the certificates of authorities and OCSP. None unless given.
    pub listen: Option<SocketAddr>,
    /// The URL under which relying parties reach it, without a slash at its end. It is written into certificates and outlives the machine.
    /// None unless given.
    pub url: Option<String>,
}

/// When CRLs are made.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crl {
    /// How often CRLs are made.
    #[serde(default = "default_crl_period")]
    pub period: String,
    /// How long a CRL is good for, at least twice the period.
    #[serde(default = "default_crl_validity")]
    pub validity: String,
}

/// How long OCSP answers and responders are good for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ocsp {
    /// After this an OCSP answer that is asked for is made anew, and caches ask again.
    #[serde(default = "default_ocsp_period")]
    pub period: String,
    /// How long an OCSP answer is good for, at least twice the period.
    #[serde(default = "default_ocsp_validity")]
    pub validity: String,
    /// How long the certificate of an authority's OCSP responder is good for, at most 90d. The next one is made after two thirds of that.
    #[serde(default = "default_ocsp_responder_validity")]
    pub responder_validity: String,
}

/// How the data directory is used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Mebibytes held back for revocation and CRLs when the disk is full, 4 to 1048576. With less than twice as much free, nothing new is
    /// issued.
    #[serde(default = "default_reserve")]
    pub reserve_mib: u64,
    /// Mebibytes of memory for the index, 1 to 1048576.
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
        token::refuse_table(&text)?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            let (line, message) = toml_fault::explain(&text, &error);
            ConfigError::Syntax { path: path.to_owned(), line, message }
        })?;
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

    /// How often an OCSP answer that is asked for is made.
    pub fn ocsp_period(&self) -> Result<Span, ConfigError> {
        span("ocsp.period", &self.ocsp.period)
    }

    /// How long OCSP answers are good for.
    pub fn ocsp_validity(&self) -> Result<Span, ConfigError> {
        span("ocsp.validity", &self.ocsp.validity)
    }

    /// How long the certificates of OCSP responders are good for.
    pub fn ocsp_responder_validity(&self) -> Result<Span, ConfigError> {
        span("ocsp.responder_validity", &self.ocsp.responder_validity)
    }

    /// The settings that differ from another's and are taken up by a new start only.
    pub fn fixed_differences(&self, other: &Self) -> Vec<&'static str> {
        let differences = [
            ("data_dir", self.data_dir != other.data_dir),
            ("listen", self.listen != other.listen),
            ("admin", self.admin != other.admin),
            ("public", self.public != other.public),
            ("token", self.token != other.token),
            ("storage", self.storage != other.storage),
            ("sandbox", self.sandbox != other.sandbox),
            ("outbound", self.outbound != other.outbound),
            ("acme", self.acme.differs_for_good(&other.acme)),
        ];
        differences.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        token::check(&self.token)?;
        if self.public.url.as_ref().is_some_and(|url| !is_public_url(url)) {
            return wrong(
                "public.url",
                "http://HOST[:PORT][/PATH] in ASCII, without a slash at its end, a query or a fragment, of at most 400 characters",
            );
        }
        // A daemon is started from anywhere, and a relative path would mean another file each time.
        absolute("data_dir", &self.data_dir)?;
        self.tls.check()?;
        self.admin.check()?;
        self.limits.check()?;
        self.outbound.check()?;
        self.acme.check()?;
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
        if self.ocsp_validity()?.as_seconds() < 2 * self.ocsp_period()?.as_seconds() {
            return wrong("ocsp.validity", "at least twice ocsp.period");
        }
        // Nobody asks whether a responder was revoked (RFC 6960, 4.2.2.2.1), so it must not last.
        if self.ocsp_responder_validity()? > Span::days(90) {
            return wrong("ocsp.responder_validity", "at most 90d");
        }
        Ok(())
    }
}

impl Default for Crl {
    fn default() -> Self {
        Self { period: default_crl_period(), validity: default_crl_validity() }
    }
}

impl Default for Ocsp {
    fn default() -> Self {
        Self { period: default_ocsp_period(), validity: default_ocsp_validity(), responder_validity: default_ocsp_responder_validity() }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { reserve_mib: default_reserve(), cache_mib: default_cache() }
    }
}

/// RFC 3986, 3, as far as it makes sense in a certificate: relying parties fetch over plain HTTP, and what follows the URL is a path.
fn is_public_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if matches!(address.parse(), Ok(IpAddr::V6(_))) => (None, port),
        Some(_) => return false,
        None => {
            let (host, port) = authority.find(':').map_or((authority, ""), |at| authority.split_at(at));
            (Some(host), port)
        }
    };
    let is_host = |host: &str| matches!(host.parse(), Ok(IpAddr::V4(_))) || DnsName::parse(host).is_ok_and(|name| !name.is_wildcard());
    let is_port = |port: &str| port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let of_path = |b: u8| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@%".contains(&b);
    url.len() <= 400
        && host.is_none_or(is_host)
        && is_port(port)
        && path.bytes().all(of_path)
        && !url.ends_with('/')
        && !path.contains("//")
}

fn absolute(field: &'static str, path: &Path) -> Result<(), ConfigError> {
    if path.is_absolute() {
        return Ok(());
    }
    Err(ConfigError::Value { field, message: format!("an absolute path, not {:?}", path.display().to_string()) })
}

fn span(field: &'static str, text: &str) -> Result<Span, ConfigError> {
    text.parse().map_err(|fault: DurationFault| ConfigError::Value { field, message: fault.to_string() })
}

fn default_crl_period() -> String {
    "1h".to_owned()
}

fn default_crl_validity() -> String {
    "24h".to_owned()
}

fn default_ocsp_period() -> String {
    "1h".to_owned()
}

fn default_ocsp_validity() -> String {
    "12h".to_owned()
}

fn default_ocsp_responder_validity() -> String {
    "30d".to_owned()
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
