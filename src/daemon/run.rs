//! Serving until a signal, then stopping in order: no new connections, open requests finished, the store closed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::assembly::{AssemblyError, assemble};
use super::listener::{self, ListenerError, ListenerIdentity};
use super::{admin_socket, publication};
use crate::access::Caller;
use crate::audit::Action;
use crate::base::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::http::app::App;
use crate::http::router;
use crate::http::server::{self, Door};

/// Why the daemon did not start or went down.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the socket {path} cannot be made")]
    Socket { path: PathBuf, source: std::io::Error },
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("the audit trail cannot be written")]
    Audit(#[from] crate::storage::CommitError),
    #[error("{what} cannot be made")]
    Prepare { what: &'static str, source: std::io::Error },
    #[error(transparent)]
    FirstToken(#[from] super::first_token::FirstTokenError),
    #[error("the token's worker does not serve")]
    TokenWorker(#[from] crate::token::process::ProcessError),
    #[error("the token's keeper does not keep it")]
    TokenKeeper(#[from] crate::token::keeper::process::KeepError),
    #[error("the development directory cannot be prepared")]
    Dev(#[from] super::dev::DevError),
}

/// The listeners, bound before anything else so that a port in use is the first thing that is said.
pub struct Listeners {
    pub api: TcpListener,
    pub relying_parties: Option<TcpListener>,
    /// Administration over TLS.
    pub admin: Option<TcpListener>,
    /// Administration by the machine's root.
    pub break_glass: Option<UnixListener>,
}

impl Listeners {
    /// Binds what the configuration names.
    pub async fn bind(config: &Config) -> Result<Self, RunError> {
        let relying_parties = match config.public.listen {
            None => None,
            Some(address) => Some(bind(address).await?),
        };
        let admin = match config.admin.listen {
            None => None,
            Some(address) => Some(bind(address).await?),
        };
        let break_glass = match &config.admin.socket {
            None => None,
            Some(path) => {
                let failed = |source| RunError::Socket { path: path.clone(), source };
                Some(admin_socket::bind(path).map_err(failed)?)
            }
        };
        Ok(Self { api: bind(config.listen).await?, relying_parties, admin, break_glass })
    }
}

/// `chanceryd serve`: serves what the file configures.
pub async fn serve(path: &Path) -> Result<(), RunError> {
    let config = Config::read(path)?;
    let listeners = Listeners::bind(&config).await?;
    let app = assemble(&config, Clock::System, None).await?;
    run(&config, listeners, app).await
}

/// `chanceryd check-config`: everything that can be seen without starting: the file, those of the
/// tokens' workers with their PIN files, the listener's certificate.
pub fn check_config(path: &Path) -> Result<(), RunError> {
    let config = Config::read(path)?;
    super::assembly::check_tokens(&config)?;
    listener::check(&config.tls)?;
    Ok(())
}

/// Serves until SIGTERM or SIGINT. SIGHUP reads the listeners' certificate again.
pub async fn run(config: &Config, listeners: Listeners, app: Arc<App>) -> Result<(), RunError> {
    let identity = Arc::new(ListenerIdentity::open(&config.tls, config.data_dir.join("tls"), app.clone()).await?);
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    let system = Caller::system();
    app.ledger.note(system.origin().entry(Action::DaemonStart, app.clock.now())).await?;
    let (stop, stopped) = watch::channel(false);
    let address = listeners.api.local_addr().map_err(RunError::Signals)?;
    let mut serving = tokio::task::JoinSet::new();
    // Administration is in one place: with a listener of its own it is on no other.
    let service = if config.admin.is_apart() { router::without_administration(&app) } else { router::whole(&app) };
    let tls = |listener| Door::Tls { listener, tls: identity.exchange() };
    serving.spawn(server::serve(tls(listeners.api), service, stopped.clone()));
    if let Some(listener) = listeners.admin {
        serving.spawn(server::serve(tls(listener), router::whole(&app), stopped.clone()));
    }
    if let Some(listener) = listeners.break_glass {
        let users = admin_socket::users(config.admin.own_user);
        serving.spawn(server::serve(Door::BreakGlass { listener, users }, router::whole(&app), stopped.clone()));
    }
    if let Some(listener) = listeners.relying_parties {
        serving.spawn(server::serve(Door::Plain { listener }, router::relying_parties(&app), stopped.clone()));
    }
    serving.spawn(identity.clone().run(stopped.clone()));
    serving.spawn(publication::run(app.clone(), stopped));
    tracing::info!(%address, "serving");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(config, &identity).await,
        }
    }
    tracing::info!("stopping: open requests are finished first");
    let _ = stop.send(true);
    while serving.join_next().await.is_some() {}
    app.ledger.note(system.origin().entry(Action::DaemonStop, app.clock.now())).await?;
    Ok(())
}

/// Reads the configuration file again for what the listeners show. What is wrong leaves the old in force.
async fn reload(config: &Config, identity: &ListenerIdentity) {
    let reloaded = match Config::read(&config.file) {
        Ok(fresh) => identity.reload(&fresh.tls).await,
        Err(error) => Err(error.into()),
    };
    match reloaded {
        Ok(()) => tracing::info!("the listener's certificate was read again"),
        Err(error) => tracing::error!(error = listener::chain(&error), "the listener's certificate stays as it is"),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })
}
