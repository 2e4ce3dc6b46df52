//! From a configuration to the parts of the appliance, each given what it uses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::access::{AccessError, Tokens};
use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::ca::{
    self, Authorities, AuthorityError, Creator, CrlError, CrlPublisher, CrlSchedule, Issuer, PublicUrls, SerialSource, SubjectKeys,
};
use crate::config::{Config, ConfigError, TokenPlace};
use crate::http::app::App;
use crate::http::metrics::Metrics;
use crate::inventory::{Certificates, InventoryError, TrustAnchors};
use crate::lifecycle::Revoker;
use crate::profiles::{ProfileError, Roles};
use crate::storage::{OpenError, Options, Storage};
use crate::token::keeper::{Keeper, KeeperError};
use crate::token::process::settings::{Settings, SettingsError};
use crate::token::{Place, Token, TokenConfig, TokenError};

/// A network token may take its time, and a worker whose module does not is ended by then and replaced.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// Why the appliance could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error("the data directory cannot be opened")]
    Storage(#[from] OpenError),
    #[error("the token's worker cannot be configured")]
    Worker(#[from] SettingsError),
    #[error("the token's worker cannot be started")]
    Keeper(#[from] KeeperError),
    #[error("the daemon does not find its own program")]
    Program(#[source] std::io::Error),
    #[error("the token cannot be used")]
    Token(#[from] TokenError),
    #[error("the API tokens cannot be read")]
    Access(#[from] AccessError),
    #[error("the roles cannot be read")]
    Profiles(#[from] ProfileError),
    #[error("the authorities cannot be read")]
    Authorities(#[from] AuthorityError),
    #[error("the trust anchors cannot be read")]
    Anchors(#[from] InventoryError),
    #[error("the CRLs cannot be read")]
    Crl(#[from] CrlError),
}

/// Opens everything the configuration names. `public_url` is used where the configuration names none; `lost` is told when a token's worker is
/// gone for good.
pub async fn assemble(
    config: &Config,
    clock: Clock,
    public_url: Option<String>,
    tokens: Vec<TokenConfig>,
    lost: &Arc<Notify>,
) -> Result<Arc<App>, AssemblyError> {
    let schedule = crl_schedule(config)?;
    let (storage, opened) = Storage::open(&config.data_dir, storage_options(config))?;
    tracing::info!(replayed = opened.replayed, torn_bytes = opened.torn_bytes, "the store is open");
    if let Some(reason) = &opened.rebuilt {
        tracing::warn!(?reason, "the index was rebuilt from the journal");
    }
    let ledger = Ledger::new(storage.clone());
    let token = open_tokens(tokens, lost)?;
    let authorities = Authorities::load(&storage)?;
    let key_faults = ca::reconcile(&authorities, &token, &ledger, &clock).await;
    let serials = SerialSource::seeded_by(&token).await?;
    let issuer = Issuer::new(authorities.clone(), storage.clone(), ledger.clone(), token.clone(), clock.clone(), serials);
    let certificates = Certificates::new(storage.clone(), ledger.clone(), clock.clone());
    let urls = PublicUrls { base: config.public.url.clone().or(public_url) };
    let crls = CrlPublisher::load(
        authorities.clone(),
        certificates.clone(),
        ledger.clone(),
        token.clone(),
        clock.clone(),
        schedule,
        config.data_dir.join("crl"),
    )?;
    Ok(Arc::new(App {
        tokens: Tokens::load(&storage, ledger.clone(), clock.clone())?,
        roles: Roles::load(storage.clone(), ledger.clone(), clock.clone())?,
        creator: Creator::new(issuer.clone(), authorities.clone(), urls),
        issuer,
        subject_keys: SubjectKeys::default(),
        revoker: Revoker::new(authorities.clone(), certificates.clone(), storage.clone(), ledger.clone(), clock.clone()),
        anchors: TrustAnchors::load(&storage, ledger.clone(), clock.clone())?,
        certificates,
        authorities,
        crls: Arc::new(crls),
        ledger,
        storage,
        token,
        key_faults,
        clock,
        metrics: Metrics::default(),
    }))
}

/// When CRLs are made under this configuration.
pub fn crl_schedule(config: &Config) -> Result<CrlSchedule, ConfigError> {
    Ok(CrlSchedule { period: config.crl_period()?, validity: config.crl_validity()? })
}

/// How the store is opened under this configuration.
pub fn storage_options(config: &Config) -> Options {
    let reserve_bytes = config.storage.reserve_mib << 20;
    Options {
        reserve_bytes,
        // More than the reserve: letting that go must not make new issuance possible again.
        low_water_bytes: 2 * reserve_bytes,
        cache_bytes: config.storage.cache_mib << 20,
        ..Options::default()
    }
}

/// What can be seen of the tokens without opening them.
pub fn check_tokens(config: &Config) -> Result<(), AssemblyError> {
    for place in config.token.iter().flat_map(|token| token.places()) {
        if let TokenPlace::Config(file) = place {
            Settings::read(file)?.check_pin(file)?;
        }
    }
    Ok(())
}

/// Starts what keeps the workers of the tokens, where that is the daemon's to do. It needs what the sandbox closes: call it before, while there
/// is one thread.
pub fn start_keepers(config: &Config) -> Result<Vec<TokenConfig>, AssemblyError> {
    check_tokens(config)?;
    let program = std::env::current_exe().map_err(AssemblyError::Program)?;
    let directory = runtime_directory();
    let place = |place: TokenPlace<'_>| match place {
        TokenPlace::Socket(socket) => Ok(Place::Socket(socket.to_owned())),
        TokenPlace::Config(file) => Keeper::start(&program, file, &directory).map(Place::Kept),
    };
    let mut tokens = Vec::with_capacity(config.token.len());
    for token in &config.token {
        let workers = token.places().into_iter().map(place).collect::<Result<_, _>>()?;
        tokens.push(TokenConfig { name: token.name.clone(), workers, queue: token.queue });
    }
    Ok(tokens)
}

fn open_tokens(mut tokens: Vec<TokenConfig>, lost: &Arc<Notify>) -> Result<Token, AssemblyError> {
    for place in tokens.iter_mut().flat_map(|token| &mut token.workers) {
        if let Place::Kept(keeper) = place {
            keeper.watch(lost.clone())?;
        }
    }
    Ok(Token::open(tokens, OPEN_WITHIN)?)
}

/// Where sockets go: what the service manager or the session made for it, else the directory of temporary files. Not the data directory,
/// which may be full, and whose path may be too long for a socket's.
fn runtime_directory() -> PathBuf {
    let named = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    named.into_iter().find(|directory| directory.is_dir()).unwrap_or_else(std::env::temp_dir)
}
