//! From a configuration to the parts of the appliance, each given what it uses.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::access::{AccessError, Tokens};
use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::base::secret::{SecretString, Zeroizing};
use crate::ca::{Authorities, AuthorityError, Creator, CrlError, CrlPublisher, CrlSchedule, Issuer, PublicUrls, SerialSource};
use crate::config::{Config, ConfigError};
use crate::http::app::App;
use crate::http::metrics::Metrics;
use crate::inventory::Certificates;
use crate::lifecycle::Revoker;
use crate::profiles::{ProfileError, Roles};
use crate::storage::{OpenError, Options, Storage};
use crate::token::{Token, TokenConfig, TokenError};

/// Why the appliance could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    #[error("the data directory cannot be opened")]
    Storage(#[from] OpenError),
    #[error("the PIN file {path} cannot be read")]
    Pin { path: std::path::PathBuf, source: std::io::Error },
    #[error("the PIN file {path} can be read by everybody (mode {mode:o}); chmod 600 it")]
    PinExposed { path: std::path::PathBuf, mode: u32 },
    #[error("the token cannot be used")]
    Token(#[from] TokenError),
    #[error("the API tokens cannot be read")]
    Access(#[from] AccessError),
    #[error("the roles cannot be read")]
    Profiles(#[from] ProfileError),
    #[error("the authorities cannot be read")]
    Authorities(#[from] AuthorityError),
    #[error("the CRLs cannot be read")]
    Crl(#[from] CrlError),
}

/// Opens everything the configuration names. `public_url` is used where the configuration names none.
pub async fn assemble(config: &Config, clock: Clock, public_url: Option<String>) -> Result<Arc<App>, AssemblyError> {
    let schedule = crl_schedule(config)?;
    let (storage, opened) = Storage::open(&config.data_dir, storage_options(config))?;
    tracing::info!(replayed = opened.replayed, torn_bytes = opened.torn_bytes, "the store is open");
    if let Some(reason) = &opened.rebuilt {
        tracing::warn!(?reason, "the index was rebuilt from the journal");
    }
    let ledger = Ledger::new(storage.clone());
    let token = open_token(config)?;
    let authorities = Authorities::load(&storage)?;
    report_missing_keys(&authorities, &token).await;
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
        revoker: Revoker::new(authorities.clone(), certificates.clone(), storage.clone(), ledger.clone(), clock.clone()),
        certificates,
        authorities,
        crls: Arc::new(crls),
        ledger,
        storage,
        token,
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

/// Reads a PIN: the first line of the file, which not everybody on the machine may read.
pub fn read_pin(path: &Path) -> Result<SecretString, AssemblyError> {
    let failed = |source| AssemblyError::Pin { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(AssemblyError::PinExposed { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let text = Zeroizing::new(text);
    Ok(text.lines().next().unwrap_or_default().to_owned().into())
}

fn open_token(config: &Config) -> Result<Token, AssemblyError> {
    let wanted = TokenConfig {
        module: config.token.module.clone(),
        label: config.token.label.clone(),
        serial: config.token.serial.clone(),
        sessions: config.token.sessions,
        queue: config.token.queue,
    };
    Ok(Token::open(wanted, read_pin(&config.token.pin_file)?)?)
}

/// An authority whose key is gone or changed is said at the start and not first when it should sign.
async fn report_missing_keys(authorities: &Authorities, token: &Token) {
    for authority in authorities.all() {
        if let Err(error) = token.check(&authority.key).await {
            tracing::error!(ca = %authority.id, name = authority.name, key = %authority.key.id, %error, "an authority's key cannot be used");
        }
    }
}
