//! `chanceryd migrate`: what this version finds in a store that an earlier one wrote, and bringing it up to date.
//!
//! The dry run reads the journal and nothing else, from its first record to its last, so it may run beside the daemon of the earlier version:
//! the hash chain, every audit entry, every value that was ever put. It changes no file. What was recorded is not rewritten by an upgrade
//! either: every form a record ever had is read for ever, and only indexes move.

use std::collections::HashSet;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::assembly;
use crate::audit::{self, Report, VerifyError};
use crate::config::{Config, ConfigError};
use crate::http::idempotency;
use crate::inventory::{self, InventoryError};
use crate::storage::{self, OpenError, Storage, Table};
use crate::{access, acme_server, ca, events, profiles, requests, secrets};

/// Why a store cannot be served, or was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("this version cannot serve the store in {path}")]
    Unfit { path: PathBuf, source: VerifyError },
    #[error("{path} cannot be read")]
    Folder { path: PathBuf, source: std::io::Error },
    /// The daemon could not open what another user makes there.
    #[error("{0} belongs to another user, and only that one may change it: `runuser -u chancery -- chanceryd migrate`")]
    NotTheOwner(PathBuf),
    #[error("the data directory cannot be opened; a daemon that serves it brings it up to date by itself when it is started")]
    Storage(#[from] OpenError),
    #[error("the indexes cannot be brought up to date")]
    Indexes(#[from] InventoryError),
}

/// What a store holds that this version can serve.
#[derive(Debug)]
pub struct Findings {
    folder: PathBuf,
    /// None when there is no store yet.
    report: Option<Report>,
    /// How many values were read.
    values: u64,
    /// Places in the index of expiry that is one over all authorities.
    places: usize,
}

/// Reads everything, and changes nothing.
pub fn dry_run(config: &Path) -> Result<Findings, MigrationError> {
    examine(&Config::read(config)?.data_dir)
}

/// Brings the store up to date, once a dry run has gone well, and how many places were moved. No daemon may serve it.
pub async fn run(config: &Path) -> Result<(Findings, usize), MigrationError> {
    let config = Config::read(config)?;
    let findings = examine(&config.data_dir)?;
    if findings.report.is_none() {
        return Ok((findings, 0));
    }
    let owner = std::fs::metadata(&config.data_dir).map_err(folder(&config.data_dir))?.uid();
    if owner != Uid::effective().as_raw() {
        return Err(MigrationError::NotTheOwner(config.data_dir));
    }
    let (storage, _) = Storage::open(&config.data_dir, assembly::storage_options(&config))?;
    let moved = apply(&storage).await?;
    Ok((findings, moved))
}

/// What has to be moved when a store of an earlier version is opened; how many places were. Each start does it.
pub async fn apply(storage: &Storage) -> Result<usize, InventoryError> {
    inventory::bring_up_to_date(storage).await
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, report, values, places } = self;
        let folder = folder.display();
        let Some(Report { entries, last, head, torn_bytes, .. }) = report else {
            return write!(f, "{folder}: no store yet, so nothing to bring up to date");
        };
        writeln!(f, "{folder}: every record can be read, and the hash chain is whole")?;
        writeln!(f, "  {last} changes with {entries} audit entries and {values} values; the newest hash is {}", hex::encode(head))?;
        if *torn_bytes > 0 {
            writeln!(f, "  {torn_bytes} bytes at the end were never acknowledged, or are being written now")?;
        }
        match places {
            0 => write!(f, "  up to date: nothing to move"),
            _ => write!(f, "  the index of expiry is of an earlier version: {places} places move to where each authority has its own"),
        }
    }
}

fn examine(data_dir: &Path) -> Result<Findings, MigrationError> {
    let mut findings = Findings { folder: data_dir.to_owned(), report: None, values: 0, places: 0 };
    if !data_dir.join("journal").try_exists().map_err(folder(data_dir))? {
        return Ok(findings);
    }
    let mut places = HashSet::<Box<[u8]>>::new();
    let report = audit::verify_with(data_dir, |table, key, value| {
        match (table, value) {
            (Table::CertificatesByExpiry, Some(_)) => drop(places.insert(key.into())),
            (Table::CertificatesByExpiry, None) => drop(places.remove(key)),
            _ => {}
        }
        findings.values += u64::from(value.is_some());
        value.is_none_or(|value| reads(table, key, value))
    });
    findings.report = Some(report.map_err(|source| MigrationError::Unfit { path: data_dir.to_owned(), source })?);
    findings.places = places.len();
    Ok(findings)
}

/// Whether this version reads a value of that table.
fn reads(table: Table, key: &[u8], value: &[u8]) -> bool {
    match table {
        Table::Meta => storage::reads(key, value),
        Table::Organizations | Table::Projects | Table::Users | Table::Tokens => access::reads(table, key, value),
        Table::Roles => profiles::reads(key, value),
        Table::Certificates
        | Table::CertificateState
        | Table::Revocations
        | Table::RevocationLog
        | Table::CertificateParts
        | Table::AuthorityState
        | Table::TrustAnchors
        | Table::KeptKeys
        | Table::TokenKeys
        | Table::ImportedChains => inventory::reads(table, key, value),
        Table::Authorities | Table::CrlState | Table::CrlSettings | Table::OcspResponders | Table::OcspSettings => {
            ca::reads(table, key, value)
        }
        Table::Requests | Table::RequestState => requests::reads(table, key, value),
        Table::Webhooks | Table::WebhookProgress | Table::WebhookDeliveries => events::webhooks::reads(table, key, value),
        Table::Secrets | Table::SecretValues => secrets::reads(table, value),
        Table::IdempotencyKeys | Table::IdempotencyAnswers => idempotency::reads(table, value),
        Table::AcmeSecrets
        | Table::AcmeCredentials
        | Table::AcmeAccounts
        | Table::AcmeOrders
        | Table::AcmeAuthorizations
        | Table::AcmeCertificates
        | Table::AcmeIncidents => acme_server::reads(table, key, value),
        // Numbers, and indexes, whose keys say it all.
        Table::Counters
        | Table::AuthorityNames
        | Table::RoleNames
        | Table::TokenHashes
        | Table::SerialIndex
        | Table::CertificatesByCa
        | Table::CertificatesByExpiry
        | Table::RevocationsByCa
        | Table::BlockedKeys
        | Table::OrganizationEnds
        | Table::CertificatesByCaExpiry
        | Table::ExpiryNotices
        | Table::RequestsByStatus
        | Table::RequestsByOrganization
        | Table::Predecessors
        | Table::Successors
        | Table::ImportedCertificates
        | Table::ImportedSerials
        | Table::SharedKeys
        | Table::AcmeAccountKeys
        | Table::AcmeOrdersByAccount
        | Table::AcmeOrdersByContent
        | Table::AcmeAuthorizationsByName
        | Table::AcmeUsedNonces
        | Table::AcmeEnds
        | Table::AcmeUnfinished
        | Table::AcmeReplacements
        | Table::AcmeUnusedAccounts => true,
    }
}

fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> MigrationError {
    let path = path.to_owned();
    move |source| MigrationError::Folder { path, source }
}
