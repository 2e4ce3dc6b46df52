//! Serving until a signal, then stopping in order: no new connections, open requests finished, the store closed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::assembly::{AssemblyError, assemble};
use super::publication;
use crate::access::Caller;
use crate::audit::Action;
use crate::base::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::http::app::App;
use crate::http::tls::{TlsError, server_config};
use crate::http::{router, server};

/// Why the daemon did not start or went down.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the listener's certificate cannot be used")]
    Tls(#[from] TlsError),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
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
}

impl Listeners {
    /// Binds what the configuration names.
    pub async fn bind(config: &Config) -> Result<Self, RunError> {
        let relying_parties = match config.public.listen {
            None => None,
            Some(address) => Some(bind(address).await?),
        };
        Ok(Self { api: bind(config.listen).await?, relying_parties })
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
    server_config(&config.tls.certificate, &config.tls.key)?;
    Ok(())
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: &Config, listeners: Listeners, app: Arc<App>) -> Result<(), RunError> {
    let tls = server_config(&config.tls.certificate, &config.tls.key)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let system = Caller::system();
    app.ledger.note(system.origin().entry(Action::DaemonStart, app.clock.now())).await?;
    let (stop, stopped) = watch::channel(false);
    let address = listeners.api.local_addr().map_err(RunError::Signals)?;
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(server::serve(listeners.api, Some(tls), router::api(&app), stopped.clone()));
    if let Some(listener) = listeners.relying_parties {
        serving.spawn(server::serve(listener, None, router::relying_parties(&app), stopped.clone()));
    }
    serving.spawn(publication::run(app.clone(), stopped));
    tracing::info!(%address, "serving");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: open requests are finished first");
    let _ = stop.send(true);
    while serving.join_next().await.is_some() {}
    app.ledger.note(system.origin().entry(Action::DaemonStop, app.clock.now())).await?;
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })
}
