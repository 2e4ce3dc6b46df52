//! Which appliance is meant, from the options, the environment and a development directory.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::base::duration::Span;
use crate::base::secret::{SecretString, Zeroizing};
use crate::client::Endpoint;

const DEFAULT_URL: &str = "https://127.0.0.1:8443";

/// How environment variables are read; tests bring their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The options that say where to connect and as whom.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectionArguments {
    /// The appliance [env: CHANCERY_URL] [default: https://127.0.0.1:8443]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// PEM roots to trust instead of the system's [env: CHANCERY_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A file holding the API token [env: CHANCERY_TOKEN_FILE, or the token itself in CHANCERY_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A directory of `chanceryd dev`: its address, root and token are used where none is given [env: CHANCERY_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The daemon's break-glass socket on this machine, for its root: no token is needed, and every use is in the audit trail
    #[arg(long, global = true, value_name = "PATH", conflicts_with_all = ["url", "ca_file", "token_file", "dir"])]
    socket: Option<PathBuf>,
    /// For commands that make something: sent with the same key again, they make it once; a lost connection is tried again, five times
    #[arg(long, global = true, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    /// The longest wait for an answer
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s")]
    timeout: Option<Span>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsFault {
    #[error("{name} is not text")]
    NotText { name: &'static str },
    #[error("cannot read the token from {}", path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    #[error("{} does not hold one token on one line", path.display())]
    TokenForm { path: PathBuf },
    #[error("{} is no directory of `chanceryd dev`: it has none of {ADDRESS}, {ROOT} and {TOKEN}", path.display())]
    NotADirectory { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Address { path: PathBuf, source: io::Error },
    #[error("{} does not hold an address such as 127.0.0.1:8443", path.display())]
    AddressForm { path: PathBuf },
}

/// What `chanceryd dev` leaves in its directory.
const ADDRESS: &str = "listen.addr";
const ROOT: &str = "ca.pem";
const TOKEN: &str = "admin.token";

/// The settings in force.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) endpoint: Endpoint,
    /// The socket to use instead.
    pub(super) socket: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
    pub(super) idempotency_key: Option<String>,
    /// What the user should know about them.
    pub(super) warnings: Vec<String>,
}

impl ConnectionArguments {
    /// For each setting the first of: its option, the directory given as an option, its variable, the directory in the
    /// environment, the default.
    pub(super) fn resolve(&self, environment: Environment<'_>) -> Result<Settings, SettingsFault> {
        if self.socket.is_some() {
            let endpoint = Endpoint { base_url: DEFAULT_URL.to_owned(), ca_file: None, token: None };
            let idempotency_key = self.idempotency_key.clone();
            let socket = self.socket.clone();
            return Ok(Settings { endpoint, socket, timeout: self.timeout(), idempotency_key, warnings: Vec::new() });
        }
        let variable = |name: &'static str| environment(name).filter(|value| !value.is_empty());
        let near = Directory::open(self.dir.clone())?;
        let far = Directory::open(variable("CHANCERY_DIR").map(PathBuf::from))?;
        let mut warnings = Vec::new();

        let base_url = match (&self.url, near.url()?, variable("CHANCERY_URL")) {
            (Some(url), ..) => url.clone(),
            (None, Some(url), _) => url,
            (None, None, Some(url)) => text(url, "CHANCERY_URL")?,
            (None, None, None) => far.url()?.unwrap_or_else(|| DEFAULT_URL.to_owned()),
        };
        let ca_file = self.ca_file.clone().or_else(|| near.file(ROOT)).or_else(|| variable("CHANCERY_CA_FILE").map(PathBuf::from));
        let token_file =
            self.token_file.clone().or_else(|| near.file(TOKEN)).or_else(|| variable("CHANCERY_TOKEN_FILE").map(PathBuf::from));
        let token = match (token_file, variable("CHANCERY_TOKEN")) {
            (Some(path), _) => Some(read_token(&path, &mut warnings)?),
            (None, Some(token)) => Some(text(token, "CHANCERY_TOKEN")?.into()),
            (None, None) => far.file(TOKEN).map(|path| read_token(&path, &mut warnings)).transpose()?,
        };
        let endpoint = Endpoint { base_url, ca_file: ca_file.or_else(|| far.file(ROOT)), token };
        let idempotency_key = self.idempotency_key.clone();
        Ok(Settings { endpoint, socket: None, timeout: self.timeout(), idempotency_key, warnings })
    }

    fn timeout(&self) -> Option<Duration> {
        self.timeout.map(|span| Duration::from_secs(span.as_seconds()))
    }
}

/// A directory of `chanceryd dev`, or none.
struct Directory(Option<PathBuf>);

impl Directory {
    fn open(path: Option<PathBuf>) -> Result<Self, SettingsFault> {
        match path {
            Some(path) if ![ADDRESS, ROOT, TOKEN].iter().any(|name| path.join(name).is_file()) => {
                Err(SettingsFault::NotADirectory { path })
            }
            path => Ok(Self(path)),
        }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|dir| dir.join(name)).filter(|path| path.is_file())
    }

    fn url(&self) -> Result<Option<String>, SettingsFault> {
        let Some(path) = self.file(ADDRESS) else { return Ok(None) };
        let text = std::fs::read_to_string(&path).map_err(|source| SettingsFault::Address { path: path.clone(), source })?;
        let mut address: SocketAddr = text.trim().parse().map_err(|_| SettingsFault::AddressForm { path })?;
        // A daemon on every address is reached through the loopback one.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
        Ok(Some(format!("https://{address}")))
    }
}

/// A key that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to 255 printable ASCII characters are wanted")]
struct NoIdempotencyKey;

fn idempotency_key(text: &str) -> Result<String, NoIdempotencyKey> {
    let is_key = (1..=255).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_key { Ok(text.to_owned()) } else { Err(NoIdempotencyKey) }
}

fn text(value: OsString, name: &'static str) -> Result<String, SettingsFault> {
    value.into_string().map_err(|_| SettingsFault::NotText { name })
}

fn read_token(path: &Path, warnings: &mut Vec<String>) -> Result<SecretString, SettingsFault> {
    let failed = |source| SettingsFault::TokenFile { path: path.to_path_buf(), source };
    let content = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let token = content.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(SettingsFault::TokenForm { path: path.to_path_buf() });
    }
    // A regular file only: a pipe, as in `--token-file <(…)`, is already private.
    let open = |file: &Metadata| file.is_file() && file.permissions().mode() & 0o077 != 0;
    if std::fs::metadata(path).is_ok_and(|file| open(&file)) {
        warnings.push(format!("other users may read the token in {0}; `chmod 600 {0}` closes it", path.display()));
    }
    Ok(SecretString::from(token))
}
