//! Accounts on disk.

use serde::{Deserialize, Serialize};

use crate::acme_server::account::Account;
use crate::acme_server::jws::Jwk;
use crate::base::clock::from_seconds;
use crate::base::id::{AcmeAccountId, AcmeCredentialId, OrgId, ProjectId};

#[derive(Serialize, Deserialize)]
pub enum AccountRecord {
    V1 {
        organization: [u8; 16],
        project: Option<[u8; 16]>,
        credential: Option<[u8; 16]>,
        /// In the form of RFC 7638.
        key: String,
        url: String,
        contacts: Vec<String>,
        terms_agreed_at: Option<i64>,
        created_at: i64,
        deactivated_at: Option<i64>,
    },
}

impl AccountRecord {
    pub fn encode(account: &Account) -> Result<Vec<u8>, postcard::Error> {
        let Account { id: _, organization, project, credential, key, url, contacts, terms_agreed_at, created_at, deactivated_at } = account;
        postcard::to_allocvec(&Self::V1 {
            organization: *organization.as_bytes(),
            project: project.map(|id| *id.as_bytes()),
            credential: credential.map(|id| *id.as_bytes()),
            key: key.canonical(),
            url: url.clone(),
            contacts: contacts.clone(),
            terms_agreed_at: terms_agreed_at.map(|time| time.as_second()),
            created_at: created_at.as_second(),
            deactivated_at: deactivated_at.map(|time| time.as_second()),
        })
    }

    pub fn decode(id: AcmeAccountId, bytes: &[u8]) -> Option<Account> {
        let Self::V1 { organization, project, credential, key, url, contacts, terms_agreed_at, created_at, deactivated_at } =
            postcard::from_bytes(bytes).ok()?;
        Some(Account {
            id,
            organization: OrgId::from_bytes(organization),
            project: project.map(ProjectId::from_bytes),
            credential: credential.map(AcmeCredentialId::from_bytes),
            key: Jwk::kept(&key)?,
            url,
            contacts,
            terms_agreed_at: terms_agreed_at.map(from_seconds),
            created_at: from_seconds(created_at),
            deactivated_at: deactivated_at.map(from_seconds),
        })
    }
}
