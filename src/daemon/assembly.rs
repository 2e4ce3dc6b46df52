//! From a configuration to the parts of the appliance, each given what it uses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::migration;
use crate::access::{self, AccessError, Directory};
use crate::acme_server::validation::Validator;
use crate::acme_server::{AcmeError, AcmeServer, Parts};
use crate::audit::Ledger;
use crate::base::clock::{Clock, from_seconds};
use crate::ca::{
    self, Authorities, AuthorityError, Creator, CrlError, CrlPublisher, CrlSchedule, Issuer, OcspError, OcspResponder, OcspSchedule,
    PublicUrls, ResponderKeys, SerialSource, SubjectKeys,
};
use crate::config::{Config, ConfigError, TokenPlace};
use crate::events::Events;
use crate::events::webhooks::{WebhookError, Webhooks};
use crate::http::app::App;
use crate::http::events::Streams;
use crate::http::idempotency::IdempotencyKeys;
use crate::http::long_work::LongWork;
use crate::http::metrics::Metrics;
use crate::http::rate::Rates;
use crate::inventory::{
    Certificates, Inquiry, InventoryError, KeptKeyError, KeptKeys, Merged, RevocationJournal, RevocationJournalError, TrustAnchors,
};
use crate::lifecycle::{Deleter, ExpiryNotices, Holdings, Importer, Renewer, Revoker};
use crate::outbound::{Outbound, SetupError};
use crate::profiles::{ProfileError, Roles};
use crate::requests::Requests;
use crate::secrets::{Ownership, Secrets};
use crate::storage::{OpenError, Options, ReadError, Storage};
use crate::token::keeper::{Keeper, KeeperError};
use crate::token::process::settings::{Settings, SettingsError};
use crate::token::{Place, Token, TokenConfig, TokenError};

/// A network token may take its time, and a worker whose module does not is ended by then and replaced.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// After a daemon was killed, its token's worker may be in the module for a moment still: far less than this.
const WORKER_ENDS_WITHIN: Duration = Duration::from_secs(15);

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
    #[error("the organizations, users or API tokens cannot be read")]
    Access(#[from] AccessError),
    #[error("the roles cannot be read")]
    Profiles(#[from] ProfileError),
    #[error("the authorities cannot be read")]
    Authorities(#[from] AuthorityError),
    #[error("the certificates or trust anchors cannot be read")]
    Inventory(#[from] InventoryError),
    #[error("the records of kept private keys cannot be read")]
    KeptKeys(#[from] KeptKeyError),
    #[error("the idempotency keys cannot be read")]
    IdempotencyKeys(#[from] ReadError),
    #[error("the journal of revocations cannot be used")]
    RevocationJournal(#[from] RevocationJournalError),
    #[error("the CRLs cannot be read")]
    Crl(#[from] CrlError),
    #[error("the OCSP responders cannot be read")]
    Ocsp(#[from] OcspError),
    #[error("the webhooks cannot be read")]
    Webhooks(#[from] WebhookError),
    #[error("the ACME server cannot be opened")]
    Acme(#[from] AcmeError),
    #[error("outgoing connections cannot be set up")]
    Outbound(#[from] SetupError),
}

/// Opens everything the configuration names. `public_url` is used where the configuration names none; `lost` is told when a token's worker is
/// gone for good.
pub async fn assemble(
    config: &Config,
    clock: Clock,
    public_url: Option<String>,
    tokens: Vec<TokenConfig>,
    outbound: Outbound,
    lost: &Arc<Notify>,
) -> Result<Arc<App>, AssemblyError> {
    let (schedule, ocsp_schedule) = (crl_schedule(config)?, ocsp_schedule(config)?);
    let storage = open_store(config).await?;
    let ledger = Ledger::new(storage.clone());
    let token = open_tokens(tokens, lost)?;
    let authorities = Authorities::load(&storage)?;
    let kept_keys = KeptKeys::new(storage.clone(), ledger.clone(), token.clone(), clock.clone());
    let responder_keys = ResponderKeys::new(storage.clone(), ledger.clone(), token.clone(), clock.clone());
    let cut_short = (kept_keys.recover().await?, responder_keys.recover().await?);
    let (kept, responders) = (kept_keys.clone(), responder_keys.clone());
    tokio::spawn(async move {
        tokio::time::sleep(WORKER_ENDS_WITHIN).await;
        kept.settle(cut_short.0).await;
        responders.settle(cut_short.1).await;
    });
    let retired = super::listener::retired_keys(&config.tls, &config.data_dir.join("tls"));
    let key_faults = ca::reconcile(&authorities, (&kept_keys, &responder_keys), &retired, &token, &ledger, &clock).await;
    let serials = SerialSource::seeded_by(&token).await?;
    let issuer = Issuer::new(authorities.clone(), storage.clone(), ledger.clone(), token.clone(), clock.clone(), serials);
    let certificates = Certificates::new(storage.clone(), ledger.clone(), clock.clone());
    let ownership = Ownership { owned: access::owned, released: access::released };
    let secrets = Secrets::new(storage.clone(), ledger.clone(), token.clone(), clock.clone(), ownership);
    let urls = PublicUrls { base: config.public.url.clone().or(public_url) };
    let known: Vec<_> = authorities.of_all_organizations().iter().map(|authority| (authority.id, authority.serial)).collect();
    let (journal, merged) =
        RevocationJournal::open(config.data_dir.join("revocations"), &ledger, &known, from_seconds(clock.now().as_second())).await?;
    if merged != Merged::default() {
        tracing::warn!(revocations = merged.revocations, numbers = merged.numbers, "an earlier store was told what was revoked since");
        authorities.reload(&storage)?;
    }
    let crls = CrlPublisher::load(
        authorities.clone(),
        ledger.clone(),
        token.clone(),
        clock.clone(),
        journal.clone(),
        schedule,
        config.data_dir.join("crl"),
    )?;
    crls.take_up_untold(merged.revocations > 0)?;
    let ocsp = OcspResponder::load(issuer.clone(), certificates.clone(), responder_keys, ocsp_schedule)?;
    let crls = Arc::new(crls);
    let subject_keys = SubjectKeys::new(kept_keys.clone());
    let renewer = Renewer::new(
        issuer.clone(),
        authorities.clone(),
        certificates.clone(),
        subject_keys.clone(),
        kept_keys.clone(),
        ledger.clone(),
        clock.clone(),
    );
    let holdings = Holdings {
        authorities: authorities.clone(),
        certificates: certificates.clone(),
        kept: kept_keys.clone(),
        storage: storage.clone(),
        ledger: ledger.clone(),
        clock: clock.clone(),
    };
    let requests = Requests::new(storage.clone(), ledger.clone(), kept_keys.clone(), issuer.clone(), clock.clone());
    requests.allow_pending(config.limits.pending_requests);
    let events = Events::new(ledger.clone());
    let webhooks = Webhooks::load(storage.clone(), ledger.clone(), events.clone(), token.clone(), outbound.clone(), clock.clone())?;
    let roles = Arc::new(Roles::load(storage.clone(), ledger.clone(), clock.clone())?);
    let revoker = Revoker::new(authorities.clone(), certificates.clone(), crls.clone(), journal, ledger.clone(), clock.clone());
    let acme = match config.acme.enabled {
        false => None,
        true => {
            let parts = Parts {
                storage: storage.clone(),
                ledger: ledger.clone(),
                token: token.clone(),
                clock: clock.clone(),
                roles: roles.clone(),
                authorities: authorities.clone(),
                issuer: issuer.clone(),
                certificates: certificates.clone(),
                revoker: revoker.clone(),
                validator: Validator::new(outbound.clone(), config.acme.validation()?, clock.clone()),
            };
            Some(AcmeServer::open(parts, config.acme.settings()?, config.acme.allowances())?)
        }
    };
    Ok(Arc::new(App {
        access: Directory::load(&storage, ledger.clone(), clock.clone())?,
        roles,
        acme,
        creator: Creator::new(issuer.clone(), authorities.clone(), urls),
        issuer,
        importer: Importer::new(holdings.clone()),
        deleter: Deleter::new(holdings.clone()),
        expiry: ExpiryNotices::new(holdings),
        subject_keys,
        kept_keys,
        renewer,
        requests,
        revoker,
        events,
        webhooks,
        inquiry: Inquiry::new(outbound, clock.clone()),
        streams: Streams::default(),
        long_work: LongWork::default(),
        idempotency: IdempotencyKeys::load(storage.clone(), ledger.clone(), clock.clone()).await?,
        anchors: TrustAnchors::load(&storage, ledger.clone(), clock.clone())?,
        secrets,
        certificates,
        authorities,
        crls,
        ocsp: Arc::new(ocsp),
        ledger,
        storage,
        token,
        key_faults,
        clock,
        metrics: Metrics::default(),
        rates: Rates::new(config.limits.rates()?, Instant::now()),
    }))
}

async fn open_store(config: &Config) -> Result<Storage, AssemblyError> {
    let (storage, opened) = Storage::open(&config.data_dir, storage_options(config))?;
    tracing::info!(replayed = opened.replayed, torn_bytes = opened.torn_bytes, "the store is open");
    if let Some(reason) = &opened.rebuilt {
        tracing::warn!(?reason, "the index was rebuilt from the journal");
    }
    let moved = migration::apply(&storage).await?;
    if moved > 0 {
        tracing::info!(moved, "the index of expiry was brought up to date");
    }
    Ok(storage)
}

/// The way out, where the configuration opens one. It reads files that the sandbox closes: call it before.
pub fn open_outbound(config: &Config) -> Result<Outbound, AssemblyError> {
    Ok(if config.outbound.enabled { Outbound::open(config.outbound.settings())? } else { Outbound::disabled() })
}

/// When CRLs are made under this configuration.
pub fn crl_schedule(config: &Config) -> Result<CrlSchedule, ConfigError> {
    Ok(CrlSchedule { period: config.crl_period()?, validity: config.crl_validity()? })
}

/// How long OCSP answers and responders are good for under this configuration.
pub fn ocsp_schedule(config: &Config) -> Result<OcspSchedule, ConfigError> {
    Ok(OcspSchedule {
        period: config.ocsp_period()?,
        validity: config.ocsp_validity()?,
        responder_validity: config.ocsp_responder_validity()?,
    })
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
