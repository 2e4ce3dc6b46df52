//! `chanceryd dev`: an appliance in one directory, made when the directory is new, with a SoftHSM2 token of its own.
//!
//! It needs no root and touches no token but the one in its directory. `DIR/admin.token` is a bearer token with every right,
//! `DIR/ca.pem` what to trust for TLS, `DIR/listen.addr` and `DIR/http.addr` say where it listens.

use std::fs::{File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use tokio::sync::Notify;

use super::assembly::{AssemblyError, assemble, start_keepers};
use super::listener::bootstrap;
use super::log::LogFilter;
use super::reload::Reload;
use super::run::{Listeners, RunError, Running, on_runtime, run};
use super::surroundings::{Sockets, Surroundings};
use super::{assembly, private_file, sandbox};
use crate::access::{Caller, Scope, TokenRequest};
use crate::base::clock::Clock;
use crate::base::id::OrgId;
use crate::base::secret::{ExposeSecret, SecretString, Zeroizing};
use crate::config::Config;
use crate::http::app::App;
use crate::token::softhsm;

/// The places in which Debian and its relatives keep the module.
const MODULES: [&str; 3] =
    ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];

/// How long a lock is waited for before it counts as another daemon's.
const RELEASED_WITHIN: Duration = Duration::from_secs(2);

const LABEL: &str = "chancery-dev";

/// Why a development directory could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    #[error("{path} cannot be made")]
    File { path: PathBuf, source: std::io::Error },
    #[error("SoftHSM2 is not installed; on Debian: apt-get install softhsm2")]
    NoSoftHsm,
    #[error("SoftHSM2's own configuration cannot be written")]
    SoftHsm(#[source] std::io::Error),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error(transparent)]
    ListenerCertificate(#[from] bootstrap::NotMade),
    #[error("the process that initialises the token cannot be started")]
    Initialise(#[source] std::io::Error),
    #[error("the token cannot be initialised; the log says why")]
    NotInitialised,
    #[error("another chanceryd serves {0}")]
    InUse(PathBuf),
}

/// What a development appliance is asked to be.
#[derive(Clone, Debug)]
pub struct Dev {
    pub dir: PathBuf,
    pub listen: SocketAddr,
    /// Another PKCS#11 module than SoftHSM2's own, such as a tracing one in front of it.
    pub module: Option<PathBuf>,
}

impl Dev {
    /// Serves until a signal. There must be one thread only.
    pub fn serve(&self, surroundings: Surroundings, log: LogFilter) -> Result<(), RunError> {
        private_file::directory(&self.dir).map_err(|source| DevError::File { path: self.dir.clone(), source })?;
        // Before anything is made or announced: a second start must not disturb the first.
        let lock = self.lock()?;
        self.make_missing(&lock)?;
        let path = self.path("chancery.toml");
        let mut config = Config::read(&path)?;
        let reload = Reload::new(&path, config.clone());
        log.prepare(&config.log.filter)?();
        config.listen = self.listen;
        config.admin.own_user = true;
        let public_port = config.public.listen.map(|known| known.port()).or_else(|| self.public_port_before()).unwrap_or(0);
        config.public.listen = Some(SocketAddr::from((self.listen.ip(), public_port)));
        let tokens = start_keepers(&config)?;
        let (_, supervisor) = surroundings.wipe_environment();
        let listeners = match Listeners::bind(&config, Sockets::default()) {
            // It may have been taken since. Another serves the authorities to come; the URLs of those that are there stay as they were.
            Err(RunError::Listen { address, .. }) if address != config.listen => {
                tracing::warn!(port = public_port, "the port of the CRL and OCSP URLs in certificates is taken; another is served");
                config.public.listen = Some(SocketAddr::from((self.listen.ip(), 0)));
                Listeners::bind(&config, Sockets::default())?
            }
            bound => bound?,
        };
        let (api, public) = self.addresses(&listeners)?;
        let mut reach = sandbox::reach(&config, &path)?;
        // Other than an appliance in production this one writes down where it listens, and its token.
        reach.write.push(self.dir.clone());
        let outbound = assembly::open_outbound(&config)?;
        let sandbox = sandbox::close_files(config.sandbox, &reach)?;
        let lost = Arc::new(Notify::new());
        let running = Running { listeners, supervisor, sandbox, reload, log, lost: lost.clone() };
        on_runtime(async {
            let app = assemble(&config, Clock::System, Some(format!("http://{public}")), tokens, outbound, &lost).await?;
            // One who tries it out is alone.
            app.access.establish(true).await.map_err(AssemblyError::Access)?;
            self.make_admin_token(&app).await?;
            // Only now, for a second daemon that is refused must not take the clients of the first.
            self.replace("listen.addr", api.to_string().as_bytes())?;
            self.replace("http.addr", public.to_string().as_bytes())?;
            if let Some(admin) = &running.listeners.admin {
                let address = admin.local_addr().map_err(|source| DevError::File { path: self.dir.clone(), source })?;
                self.replace("admin.addr", reachable(address).to_string().as_bytes())?;
            }
            run(&config, running, app).await
        })
    }

    fn lock(&self) -> Result<File, DevError> {
        let failed = |source| DevError::File { path: self.path("dev.lock"), source };
        let file = File::create(self.path("dev.lock")).map_err(failed)?;
        let deadline = Instant::now() + RELEASED_WITHIN;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // A daemon that was killed while it started a program leaves the lock to that one until it has begun.
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::WouldBlock) => return Err(DevError::InUse(self.dir.clone())),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// Each step is whole or not at all, and a start that was ended between two goes on with the next.
    fn make_missing(&self, lock: &File) -> Result<(), DevError> {
        let softhsm = softhsm::prepare(&self.dir).map_err(DevError::SoftHsm)?;
        if !self.path("token.pin").exists() {
            self.replace("token.pin", random_pin()?.expose_secret().as_bytes())?;
        }
        if !self.path("token.toml").exists() {
            let module = self.module()?;
            self.replace("token.toml", self.worker_configuration(&module, &softhsm).as_bytes())?;
        }
        if !self.path("token.ready").exists() {
            self.make_token(lock)?;
            self.replace("token.ready", b"")?;
        }
        if !self.path("tls.key").exists() {
            let made = bootstrap::make("development", &bootstrap::local_names(self.listen.ip())?, Clock::System.now())?;
            self.replace("ca.pem", made.issuer_pem.as_bytes())?;
            self.replace("tls.pem", made.certificate_pem.as_bytes())?;
            self.replace("tls.key", made.key_pem.expose_secret().as_bytes())?;
        }
        if !self.path("chancery.toml").exists() {
            self.replace("chancery.toml", self.configuration().as_bytes())?;
        }
        Ok(())
    }

    fn make_token(&self, lock: &File) -> Result<(), DevError> {
        let file = |source| DevError::File { path: self.path("tokens"), source };
        let has_data = self.path("data").exists();
        if !has_data {
            // A start that was ended here may have left a token whose PINs nobody knows. Without data it holds no key that is
            // missed; it is put aside all the same, for what is destroyed in a token is gone.
            self.put_tokens_aside().map_err(file)?;
        }
        // In a process of its own, as everything that loads the module is.
        let program = std::env::current_exe().map_err(DevError::Initialise)?;
        let mut command = Command::new(program);
        command.arg("token-worker").arg("--config").arg(self.path("token.toml")).arg("--initialise");
        // It ends with this process; and it holds the lock as well, so that the next start waits until it has ended.
        command.arg("--keeper").arg(std::process::id().to_string());
        command.stdin(Stdio::from(lock.try_clone().map_err(DevError::Initialise)?));
        if has_data {
            command.arg("--if-absent");
        }
        let status = command.status().map_err(DevError::Initialise)?;
        if status.success() { Ok(()) } else { Err(DevError::NotInitialised) }
    }

    fn put_tokens_aside(&self) -> io::Result<()> {
        let tokens = self.path("tokens");
        if std::fs::read_dir(&tokens)?.next().is_none() {
            return Ok(());
        }
        let aside = (1..).map(|n| self.path(&format!("tokens.unfinished-{n}"))).find(|path| !path.exists()).unwrap_or_default();
        std::fs::rename(&tokens, aside)?;
        private_file::directory(&tokens)
    }

    fn module(&self) -> Result<PathBuf, DevError> {
        match &self.module {
            Some(module) => Ok(module.clone()),
            None => MODULES.iter().map(PathBuf::from).find(|path| path.exists()).ok_or(DevError::NoSoftHsm),
        }
    }

    /// The configuration, such that `chanceryd serve` can take it as well.
    fn configuration(&self) -> String {
        format!(
            "# Made by chanceryd dev, which chanceryd serve can take as well.\n\
             data_dir = {data}\nlisten = \"{listen}\"\n\n[tls]\ncertificate = {certificate}\nkey = {key}\n\n\
             [[token]]\nname = \"main\"\nconfig = {token}\n\n\
             # To try webhooks on this machine, whatever port they listen on.\n\
             [outbound]\nenabled = true\nallow = [\"127.0.0.0/8\", \"::1/128\"]\nports = []\n\n\
             [acme]\nenabled = true\n",
            data = quoted(&self.path("data")),
            listen = self.listen,
            certificate = quoted(&self.path("tls.pem")),
            key = quoted(&self.path("tls.key")),
            token = quoted(&self.path("token.toml")),
        )
    }

    /// The configuration of the token's worker.
    fn worker_configuration(&self, module: &Path, softhsm: &Path) -> String {
        format!(
            "# Made by chanceryd dev: the token's worker, which alone loads the module and reads the PIN.\n\
             module = {module}\nlabel = \"{LABEL}\"\npin_file = {pin}\n\n[environment]\n{variable} = {softhsm}\n",
            module = quoted(module),
            pin = quoted(&self.path("token.pin")),
            variable = softhsm::CONFIGURATION_VARIABLE,
            softhsm = quoted(softhsm),
        )
    }

    /// The port that was served the last time, which is in the URLs of the certificates that were issued then.
    fn public_port_before(&self) -> Option<u16> {
        let address: SocketAddr = std::fs::read_to_string(self.path("http.addr")).ok()?.trim().parse().ok()?;
        Some(address.port())
    }

    /// Where the API is reached, and where relying parties reach what is public.
    fn addresses(&self, listeners: &Listeners) -> Result<(SocketAddr, SocketAddr), DevError> {
        let file = |source| DevError::File { path: self.dir.clone(), source };
        let api = listeners.api.local_addr().map_err(file)?;
        let public = listeners.relying_parties.as_ref().map_or(Ok(api), TcpListener::local_addr).map_err(file)?;
        Ok((reachable(api), reachable(public)))
    }

    /// The development token: every right, no expiry, one at a time.
    async fn make_admin_token(&self, app: &App) -> Result<(), RunError> {
        let written = std::fs::read_to_string(self.path("admin.token")).map(Zeroizing::new);
        if written.is_ok_and(|secret| app.access.of_secret(&secret).is_some()) {
            return Ok(());
        }
        // One whose secret was never written down, or was deleted, would stay valid for ever.
        for lost in app.access.tokens(OrgId::DEFAULT).iter().filter(|token| token.expires_at.is_none()) {
            app.access.revoke_token(lost.id, &Caller::system()).await.map_err(AssemblyError::Access)?;
        }
        let request = TokenRequest {
            organization: OrgId::DEFAULT,
            user: None,
            project: None,
            name: "development".to_owned(),
            scopes: [Scope::PkiAdmin, Scope::System, Scope::SecretsRead, Scope::SecretsWrite].map(Into::into).to_vec(),
            ttl: None,
            client_spki_sha256: None,
        };
        let made = app.access.create_token(request, &Caller::system()).await.map_err(AssemblyError::Access)?;
        if let Some(secret) = made.secret {
            self.replace("admin.token", secret.expose().as_bytes())?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn replace(&self, name: &str, content: &[u8]) -> Result<(), DevError> {
        private_file::replace(&self.path(name), content).map_err(|source| DevError::File { path: self.path(name), source })
    }
}

/// A path as TOML writes it.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// An address a client on this machine can use.
fn reachable(bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() { SocketAddr::from((IpAddr::from(Ipv4Addr::LOCALHOST), bound.port())) } else { bound }
}

fn random_pin() -> Result<SecretString, DevError> {
    let mut bytes = Zeroizing::new([0u8; 24]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| DevError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into())
}
