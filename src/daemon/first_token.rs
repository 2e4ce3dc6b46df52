//! `chanceryd create-token`: the first API token of a new appliance, made while no daemon serves its directory.
//!
//! Whoever may read the data directory may do this: there is no other caller yet who could be asked. The store's lock keeps it
//! apart from a running daemon, and the audit trail tells of it.

use std::path::{Path, PathBuf};

use super::{assembly, private_file};
use crate::access::{AccessError, Caller, Directory, Grant, Scope, Secret, TokenRequest};
use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::base::duration::Span;
use crate::base::id::OrgId;
use crate::config::{Config, ConfigError};
use crate::storage::{OpenError, Storage};

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum FirstTokenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the data directory cannot be opened; stop the daemon, or use its API")]
    Storage(#[from] OpenError),
    #[error("the token cannot be made")]
    Access(#[from] AccessError),
    #[error("{0} exists; it is not overwritten")]
    Exists(PathBuf),
    #[error("{path} cannot be written; the token is in the store without anybody knowing it: revoke it later by its id")]
    File { path: PathBuf, source: std::io::Error },
}

/// Makes a token and writes it to a new file that its owner alone may read.
pub async fn create(config: &Path, name: String, scopes: Vec<Scope>, ttl: Span, out: &Path) -> Result<(), FirstTokenError> {
    let config = Config::read(config)?;
    if out.exists() {
        return Err(FirstTokenError::Exists(out.to_owned()));
    }
    let (storage, _) = Storage::open(&config.data_dir, assembly::storage_options(&config))?;
    let access = Directory::load(&storage, Ledger::new(storage.clone()), Clock::System)?;
    let request = TokenRequest {
        organization: OrgId::DEFAULT,
        user: None,
        project: None,
        name,
        scopes: scopes.into_iter().map(Grant::from).collect(),
        ttl: Some(ttl),
        client_spki_sha256: None,
    };
    let made = access.create_token(request, &Caller::system()).await?;
    let secret = made.secret.as_ref().map(Secret::expose).unwrap_or_default();
    private_file::replace(out, secret.as_bytes()).map_err(|source| FirstTokenError::File { path: out.to_owned(), source })
}
