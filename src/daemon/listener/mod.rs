//! What the TLS listeners show and whom they ask: read from files, or issued by an authority of the appliance and renewed.
//!
//! Whatever cannot be used leaves in force what was there before, and the log says why; a first start alone has nothing to fall
//! back to but a certificate it makes itself.

pub mod bootstrap;
mod own;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::{Notify, watch};

use crate::base::id::OrgId;
use crate::ca::Authority;
use crate::config::{ConfigError, Source, Tls};
use crate::daemon::reload;
use crate::http::app::App;
use crate::http::server;
use crate::http::tls::{ClientRoots, Exchange, Identity, TlsError, server_config};
use crate::x509::certificate::Certificate;
pub use own::retired_keys;
use own::{Own, OwnError};

/// How often it is looked at whether the certificate is due, and whether an authority that was waited for exists.
const LOOK: Duration = Duration::from_secs(20);
/// The same while a certificate is shown that nobody trusts yet. Looking costs a look at memory.
const WAITING_LOOK: Duration = Duration::from_secs(2);

/// Why the listeners cannot show what the configuration asks for.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the listener's certificate cannot be used")]
    Tls(#[from] TlsError),
    #[error("the listener's certificate cannot be had")]
    Own(#[from] OwnError),
}

/// The certificate of the listeners, kept in force while they serve.
pub struct ListenerIdentity {
    app: Arc<App>,
    own: Own,
    exchange: Arc<Exchange>,
    state: Mutex<State>,
    /// Other settings are to be looked at now and not at the next time.
    nudge: Notify,
}

struct State {
    settings: Arc<Tls>,
    shown: Shown,
}

/// What the configuration in force was made of.
#[derive(PartialEq, Eq)]
struct Shown {
    certificate: Vec<u8>,
    is_bootstrap: bool,
    roots: ClientRoots,
}

impl ListenerIdentity {
    /// Finds what the configuration asks for. `place` is the directory of what the appliance issues for itself.
    pub async fn open(settings: &Tls, place: PathBuf, app: Arc<App>) -> Result<Self, ListenerError> {
        let own = Own::open(app.clone(), place)?;
        let found = find(&app, &own, settings).await?;
        let shown = found.shown();
        tell(&app, &shown);
        let exchange = Arc::new(Exchange::new(server_config(found.identity, &found.roots)?));
        let state = Mutex::new(State { settings: Arc::new(settings.clone()), shown });
        Ok(Self { app, own, exchange, state, nudge: Notify::new() })
    }

    /// What the listeners take the configuration of each new connection from.
    pub fn exchange(&self) -> Arc<Exchange> {
        self.exchange.clone()
    }

    /// Prepares other settings, or the same with what their files hold by now. A certificate of an own authority is asked for
    /// behind the exchange, and the one of before is shown until it is there.
    pub fn prepare(self: &Arc<Self>, settings: &Tls) -> Result<reload::Exchange, reload::Refusal> {
        let ready = self.ready(settings).map_err(|error| chain(&error))?;
        let (identity, settings) = (self.clone(), Arc::new(settings.clone()));
        Ok(Box::new(move || {
            let mut state = identity.state();
            state.settings = settings;
            if let Some((shown, config)) = ready {
                identity.show(&mut state, shown, config);
            }
            identity.nudge.notify_one();
        }))
    }

    /// What files hold; none for an own authority, which takes time.
    fn ready(&self, settings: &Tls) -> Result<Option<(Shown, ServerConfig)>, ListenerError> {
        let roots = client_roots(&self.app, settings)?;
        match settings.source()? {
            Source::OwnCa(_) => Ok(None),
            Source::Files { certificate, key } => {
                let found = Found { identity: Identity::read(&certificate, &key)?, is_bootstrap: false, roots };
                Ok(Some((found.shown(), server_config(found.identity, &found.roots)?)))
            }
        }
    }

    /// Renews what is due and takes what was waited for, until `stop` turns true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        // What was logged last, so that a lasting fault is told once.
        let mut told = None;
        loop {
            let pause = if self.state().shown.is_bootstrap { WAITING_LOOK } else { LOOK };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.nudge.notified() => {}
                () = server::stopped(&mut stop) => return,
            }
            match self.look().await {
                Ok(()) => told = None,
                Err(error) => {
                    let text = chain(&error);
                    if told.as_ref() != Some(&text) {
                        tracing::error!(error = text, "the listener's certificate stays as it is");
                        told = Some(text);
                    }
                }
            }
        }
    }

    async fn look(&self) -> Result<(), ListenerError> {
        let settings = self.state().settings.clone();
        // Files are read again only when somebody says so: half of a pair may have been written by now.
        let is_own = matches!(settings.source()?, Source::OwnCa(_));
        if !is_own && client_roots(&self.app, &settings)? == self.state().shown.roots {
            return Ok(());
        }
        let found = find(&self.app, &self.own, &settings).await?;
        let shown = found.shown();
        let config = server_config(found.identity, &found.roots)?;
        let mut state = self.state();
        // A reload in the meantime knows better.
        if Arc::ptr_eq(&state.settings, &settings) {
            self.show(&mut state, shown, config);
        }
        Ok(())
    }

    fn show(&self, state: &mut State, shown: Shown, config: ServerConfig) {
        if shown == state.shown {
            return;
        }
        let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &shown.certificate));
        self.exchange.replace(config);
        tell(&self.app, &shown);
        tracing::info!(sha256, bootstrap = shown.is_bootstrap, "new connections are shown this listener certificate");
        state.shown = shown;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the ACME server under which hosts it is reached now.
fn tell(app: &App, shown: &Shown) {
    let Some(server) = &app.acme else { return };
    match Certificate::from_der(&shown.certificate) {
        Ok(certificate) => server.is_shown(&certificate),
        Err(error) => {
            tracing::warn!(%error, "the listener's certificate cannot be read, and ACME clients are refused unless acme.url is given")
        }
    }
}

/// That what the configuration names can be used, as far as it can be seen without an appliance.
pub fn check(settings: &Tls) -> Result<(), ListenerError> {
    let mut roots = ClientRoots::default();
    add_files(settings, &mut roots)?;
    if let Source::Files { certificate, key } = settings.source()? {
        server_config(Identity::read(&certificate, &key)?, &roots)?;
    }
    Ok(())
}

struct Found {
    identity: Identity,
    is_bootstrap: bool,
    roots: ClientRoots,
}

impl Found {
    fn shown(&self) -> Shown {
        Shown { certificate: self.identity.certificate().to_vec(), is_bootstrap: self.is_bootstrap, roots: self.roots.clone() }
    }
}

async fn find(app: &App, own: &Own, settings: &Tls) -> Result<Found, ListenerError> {
    let roots = client_roots(app, settings)?;
    let (identity, is_bootstrap) = match settings.source()? {
        Source::Files { certificate, key } => (Identity::read(&certificate, &key)?, false),
        Source::OwnCa(wanted) => own.identity(&wanted).await?,
    };
    Ok(Found { identity, is_bootstrap, roots })
}

fn client_roots(app: &App, settings: &Tls) -> Result<ClientRoots, ListenerError> {
    let mut roots = ClientRoots::default();
    add_files(settings, &mut roots)?;
    for name in settings.clients.iter().flat_map(|clients| &clients.ca) {
        // One that does not exist yet is taken as soon as it does.
        if let Some(authority) = authority(app, name) {
            roots.add(authority.certificate.der());
        }
    }
    Ok(roots)
}

fn add_files(settings: &Tls, roots: &mut ClientRoots) -> Result<(), ListenerError> {
    match settings.clients.as_ref().and_then(|clients| clients.roots.as_ref()) {
        Some(file) => Ok(roots.add_file(file)?),
        None => Ok(()),
    }
}

/// The authority of that id, or of that name in the default organisation.
fn authority(app: &App, name_or_id: &str) -> Option<Arc<Authority>> {
    let by_id = name_or_id.parse().ok().and_then(|id| app.authorities.of_any_organization(id));
    by_id.or_else(|| app.authorities.all(OrgId::DEFAULT).into_iter().find(|authority| authority.name == name_or_id))
}

/// An error and all that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
