//! Serving until a signal, then stopping in order: no new connections, open requests finished, the store closed.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::assembly::{self, AssemblyError, assemble};
use super::budgets::Budgets;
use super::listener::{self, ListenerError, ListenerIdentity};
use super::log::LogFilter;
use super::reload::Reload;
use super::sandbox::{self, HalfClosed, SandboxError};
use super::supervisor::Supervisor;
use super::surroundings::{Sockets, Surroundings, SurroundingsError};
use super::{admin_socket, publication, rounds};
use crate::access::Caller;
use crate::audit::Action;
use crate::base::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::http::app::App;
use crate::http::limits::{DRAIN_TIME, NOT_SENT};
use crate::http::router;
use crate::http::server::{self, Door};

/// Beyond the time that open requests get, for what hangs all the same.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// Why the daemon did not start or went down.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("log.filter is no filter")]
    LogFilter(#[from] tracing_subscriber::filter::ParseError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the socket {path} cannot be made")]
    Socket { path: PathBuf, source: std::io::Error },
    #[error("what the service manager handed over cannot be used")]
    Surroundings(#[from] SurroundingsError),
    #[error("the sandbox cannot be closed")]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Probe(#[from] sandbox::probe::ProbeError),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error("the audit trail cannot be written")]
    Audit(#[from] crate::storage::CommitError),
    #[error("{what} cannot be made")]
    Prepare { what: &'static str, source: std::io::Error },
    #[error(transparent)]
    FirstToken(#[from] super::first_token::FirstTokenError),
    #[error(transparent)]
    Migration(#[from] super::migration::MigrationError),
    #[error("the token's worker does not serve")]
    TokenWorker(#[from] crate::token::process::ProcessError),
    /// To be started again is the only way back, and a service manager does that.
    #[error("the process that keeps a token's worker has ended, and the sandbox lets no other be started")]
    TokenLost,
    #[error("the token's keeper does not keep it")]
    TokenKeeper(#[from] crate::token::keeper::process::KeepError),
    #[error("the PIN of the token that is examined cannot be used")]
    TokenDoctor(#[source] crate::token::engine::pin::PinFault),
    #[error("the development directory cannot be prepared")]
    Dev(#[from] super::dev::DevError),
}

/// The listeners, bound before anything else so that a port in use is the first thing that is said, and so that nothing can be
/// bound once the daemon serves.
#[derive(Debug)]
pub struct Listeners {
    pub api: TcpListener,
    pub relying_parties: Option<TcpListener>,
    /// Administration over TLS.
    pub admin: Option<TcpListener>,
    /// Administration by the machine's root.
    pub break_glass: Option<UnixListener>,
}

impl Listeners {
    /// Takes what the service manager bound, and binds what the configuration names beyond that.
    pub fn bind(config: &Config, passed: Sockets) -> Result<Self, RunError> {
        let relying_parties = match (passed.public, config.public.listen) {
            (Some(passed), _) => Some(passed),
            (None, Some(address)) => Some(bind(address)?),
            (None, None) => None,
        };
        let api = match passed.api {
            Some(passed) => passed,
            None => bind(config.listen)?,
        };
        let admin = match (passed.admin, config.admin.listen) {
            (Some(passed), _) => Some(passed),
            (None, Some(address)) => Some(bind(address)?),
            (None, None) => None,
        };
        let break_glass = match (passed.break_glass, &config.admin.socket) {
            (Some(passed), _) => Some(passed),
            (None, Some(path)) => Some(admin_socket::bind(path).map_err(|source| RunError::Socket { path: path.clone(), source })?),
            (None, None) => None,
        };
        let failed = |source| RunError::Prepare { what: "a listener", source };
        for listener in std::iter::once(&api).chain(&relying_parties).chain(&admin) {
            listener.set_nonblocking(true).map_err(failed)?;
            // Connections inherit it.
            SockRef::from(listener).set_tcp_notsent_lowat(NOT_SENT).map_err(failed)?;
        }
        if let Some(listener) = &break_glass {
            listener.set_nonblocking(true).map_err(failed)?;
        }
        Ok(Self { api, relying_parties, admin, break_glass })
    }
}

/// What a daemon needs beside its parts.
pub struct Running {
    pub listeners: Listeners,
    pub supervisor: Supervisor,
    pub sandbox: HalfClosed,
    pub reload: Reload,
    pub log: LogFilter,
    /// Told when a token's worker is gone for good.
    pub lost: Arc<Notify>,
}

/// `chanceryd serve`: serves what the file configures.
pub fn serve(path: &Path, surroundings: Surroundings, log: LogFilter) -> Result<(), RunError> {
    let config = Config::read(path)?;
    log.prepare(&config.log.filter)?();
    let tokens = assembly::start_keepers(&config)?;
    let (sockets, supervisor) = surroundings.wipe_environment();
    let listeners = Listeners::bind(&config, sockets)?;
    let outbound = assembly::open_outbound(&config)?;
    let sandbox = sandbox::close_files(config.sandbox, &sandbox::reach(&config, path)?)?;
    let reload = Reload::new(path, config.clone());
    let lost = Arc::new(Notify::new());
    let running = Running { listeners, supervisor, sandbox, reload, log, lost: lost.clone() };
    on_runtime(async {
        let app = assemble(&config, Clock::System, None, tokens, outbound, &lost).await?;
        app.access.establish(false).await.map_err(AssemblyError::Access)?;
        run(&config, running, app).await
    })
}

/// `chanceryd check-config`: everything that can be seen without starting: the file, those of the tokens' workers with their PIN
/// files, the listener's certificate.
pub fn check_config(path: &Path, log: &LogFilter) -> Result<(), RunError> {
    let config = Config::read(path)?;
    drop(log.prepare(&config.log.filter)?);
    assembly::check_tokens(&config)?;
    listener::check(&config.tls)?;
    drop(assembly::open_outbound(&config)?);
    Ok(())
}

/// Runs to the end. What still hangs then does not delay it.
pub fn on_runtime(work: impl Future<Output = Result<(), RunError>>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Prepare { what: "the runtime", source })?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_GRACE);
    done
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: &Config, running: Running, app: Arc<App>) -> Result<(), RunError> {
    let Running { listeners, supervisor, sandbox, mut reload, log, lost } = running;
    let identity = Arc::new(ListenerIdentity::open(&config.tls, config.data_dir.join("tls"), app.clone()).await?);
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let budgets = Arc::new(Budgets::open(&config.limits, &app.metrics));
    register(&mut reload, &app, &identity, &budgets, log);
    let system = Caller::system();
    app.ledger.note(system.origin().entry(Action::DaemonStart, app.clock.now())).await?;
    let (stop, stopped) = watch::channel(false);
    let failed = |source| RunError::Prepare { what: "a listener", source };
    let status = status(&listeners).map_err(failed)?;
    // The last thing before the first byte from the network.
    sandbox.close_calls()?;
    let mut serving = JoinSet::new();
    let tcp = |listener| tokio::net::TcpListener::from_std(listener).map_err(failed);
    let tls = |listener| Ok::<_, RunError>(Door::Tls { listener: tcp(listener)?, tls: identity.exchange() });
    // Administration is in one place: with a listener of its own it is on no other.
    let is_apart = listeners.admin.is_some() || listeners.break_glass.is_some();
    let service = if is_apart { router::without_administration(&app) } else { router::whole(&app) };
    serving.spawn(server::serve(tls(listeners.api)?, budgets.api.clone(), service, stopped.clone()));
    if let Some(listener) = listeners.admin {
        serving.spawn(server::serve(tls(listener)?, budgets.admin.clone(), router::whole(&app), stopped.clone()));
    }
    if let Some(listener) = listeners.break_glass {
        let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
        let users = admin_socket::users(config.admin.own_user);
        let door = Door::BreakGlass { listener, users };
        serving.spawn(server::serve(door, budgets.break_glass.clone(), router::whole(&app), stopped.clone()));
    }
    if let Some(listener) = listeners.relying_parties {
        let door = Door::Plain { listener: tcp(listener)? };
        serving.spawn(server::serve(door, budgets.public.clone(), router::relying_parties(&app), stopped.clone()));
    }
    serving.spawn(identity.run(stopped.clone()));
    serving.spawn(rounds::until_stopped(rounds::tell_of_expiry(app.clone()), stopped.clone()));
    serving.spawn(rounds::until_stopped(rounds::send_to_webhooks(app.clone()), stopped.clone()));
    serving.spawn(rounds::until_stopped(rounds::forget_idempotency_keys(app.clone()), stopped.clone()));
    serving.spawn(rounds::until_stopped(rounds::prune_revocations(app.clone()), stopped.clone()));
    serving.spawn(rounds::until_stopped(rounds::keep_ocsp(app.clone()), stopped.clone()));
    serving.spawn(rounds::until_stopped(rounds::keep_acme(app.clone()), stopped.clone()));
    serving.spawn(publication::run(app.clone(), stopped));
    tracing::info!("{status}");
    supervisor.ready(&status);
    let mut ended = Ok(());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = lost.notified() => ended = Err(RunError::TokenLost),
        () = reload_on_signal(&mut hangup, &reload, &supervisor, &status) => {}
        () = watched(&supervisor, &app) => {}
    }
    tracing::info!("stopping: open requests are finished first");
    supervisor.stopping();
    app.streams.end();
    let _ = stop.send(true);
    finish(serving).await;
    app.ledger.note(system.origin().entry(Action::DaemonStop, app.clock.now())).await?;
    ended
}

/// What a reload exchanges. Whatever else can be exchanged while serving registers here.
fn register(reload: &mut Reload, app: &Arc<App>, identity: &Arc<ListenerIdentity>, budgets: &Arc<Budgets>, log: LogFilter) {
    let identity = identity.clone();
    reload.part("tls", move |config| identity.prepare(&config.tls));
    reload.part("log.filter", move |config| Ok(log.prepare(&config.log.filter)?));
    let (limited, budgets) = (app.clone(), budgets.clone());
    reload.part("limits", move |config| {
        let (app, budgets, limits, rates) = (limited.clone(), budgets.clone(), config.limits.clone(), config.limits.rates()?);
        Ok(Box::new(move || {
            budgets.set(&limits);
            app.rates.set_limits(rates);
            app.requests.allow_pending(limits.pending_requests);
        }))
    });
    let ordering = app.clone();
    reload.part("acme.limits", move |config| {
        let (app, allowances) = (ordering.clone(), config.acme.allowances());
        Ok(Box::new(move || app.acme.iter().for_each(|server| server.set_allowances(allowances))))
    });
    let answering = app.clone();
    reload.part("ocsp", move |config| {
        let (app, schedule) = (answering.clone(), assembly::ocsp_schedule(config)?);
        Ok(Box::new(move || app.ocsp.set_schedule(schedule)))
    });
    let app = app.clone();
    reload.part("crl", move |config| {
        let (app, schedule) = (app.clone(), assembly::crl_schedule(config)?);
        Ok(Box::new(move || app.crls.set_schedule(schedule)))
    });
}

/// Reads the configuration again whenever it is asked to.
async fn reload_on_signal(hangup: &mut Signal, reload: &Reload, supervisor: &Supervisor, status: &str) {
    while hangup.recv().await.is_some() {
        supervisor.reloading();
        let outcome = match tokio::task::block_in_place(|| reload.run()) {
            Ok(fixed) if fixed.is_empty() => {
                tracing::info!("the configuration was read again");
                status.to_owned()
            }
            Ok(fixed) => {
                let fixed = fixed.join(", ");
                tracing::warn!(settings = fixed, "the configuration was read again; these settings need another start");
                format!("{status}; another start is needed for {fixed}")
            }
            Err(error) => {
                tracing::error!(%error, "the configuration was not taken up; the old one stays");
                format!("{status}; the changed configuration is wrong: {error}")
            }
        };
        supervisor.ready(&outcome);
    }
    std::future::pending().await
}

/// Never ends, also when nobody watches.
async fn watched(supervisor: &Supervisor, app: &App) {
    supervisor.keep_alive(app.storage.clone()).await;
    std::future::pending().await
}

/// Waits for what is open, but not for ever.
async fn finish(mut serving: JoinSet<()>) {
    let all = async { while serving.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIME + LAST_GRACE, all).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}

fn listen(kind: SignalKind) -> Result<Signal, RunError> {
    signal(kind).map_err(RunError::Signals)
}

fn status(listeners: &Listeners) -> std::io::Result<String> {
    let mut status = format!("serving the API on {}", listeners.api.local_addr()?);
    if let Some(listener) = &listeners.relying_parties {
        status += &format!(", CRLs, certificates and OCSP on {}", listener.local_addr()?);
    }
    if let Some(listener) = &listeners.admin {
        status += &format!(", administration on {}", listener.local_addr()?);
    }
    Ok(status)
}

fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).map_err(|source| RunError::Listen { address, source })
}
