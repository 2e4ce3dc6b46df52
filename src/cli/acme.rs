//! `chancery acme`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::acme::{CreateCredential, Credential, Credentials, NewCredential};
use crate::base::id::OrgId;
use crate::base::secret::Zeroizing;

use super::failure::Failure;
use super::files::{NewFile, Readers};
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum AcmeCommand {
    /// Credentials that bind ACME accounts to an organization (external account binding)
    #[command(subcommand)]
    Credential(CredentialCommand),
}

#[derive(Debug, Subcommand)]
pub(super) enum CredentialCommand {
    /// Make a credential; its HMAC key is shown this once
    Create {
        /// The role that issues when a client names no profile; it must be open to ACME clients
        #[arg(long, value_name = "NAME")]
        role: Option<String>,
        /// What it is for, such as the name of a cluster
        #[arg(long)]
        label: Option<String>,
        /// The id of the project that certificates are booked on
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// When it binds no more accounts, such as 2030-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
        /// How many accounts it binds at most
        #[arg(long, value_name = "NUMBER")]
        max_uses: Option<u32>,
        /// A host name its accounts may ask for, or *.example.com for one label below it; may be repeated; without any, all that the role allows
        #[arg(long, value_name = "DOMAIN")]
        allowed_name: Option<Vec<String>>,
        /// Write the HMAC key to this new file, which only you can read, instead of printing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        owner: Owner,
    },
    /// List the credentials, without their keys
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Revoke a credential, and stop the accounts that are bound to it
    Revoke {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        owner: Owner,
    },
}

#[derive(Debug, Args)]
pub(super) struct Owner {
    /// The id of the organization; the default one unless given
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
}

impl Owner {
    fn id(self) -> String {
        self.organization.unwrap_or_else(|| OrgId::DEFAULT.to_string())
    }
}

impl AcmeCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let Self::Credential(command) = self;
        let client = session.client.clone();
        match command {
            CredentialCommand::Create { role, label, project, expires_at, max_uses, allowed_name, out, owner } => {
                let body = CreateCredential {
                    project_id: project,
                    default_template_id: role,
                    cluster_label: label,
                    expires_at,
                    max_uses,
                    allowed_names: allowed_name,
                };
                create(session, &owner.id(), &body, out).await
            }
            CredentialCommand::List { owner } => {
                let (organization, mut page) = (owner.id(), 1);
                loop {
                    let found = session.wait("listing the ACME credentials", client.acme_credentials(&organization, page)).await?;
                    let pagination = found.value.pagination;
                    session.print(&found, list)?;
                    if page.saturating_mul(pagination.per_page) >= pagination.total {
                        return Ok(());
                    }
                    page = page.saturating_add(1);
                }
            }
            CredentialCommand::Revoke { id, owner } => {
                session.wait("revoking the ACME credential", client.revoke_acme_credential(&owner.id(), &id)).await?;
                session.screen.note(&format!("revoked {id}; its accounts are stopped"));
                Ok(())
            }
        }
    }
}

async fn create(session: &mut Session<'_, '_>, organization: &str, body: &CreateCredential, out: Option<PathBuf>) -> Result<(), Failure> {
    // Before it is made: without a place for its key it would be of no use.
    let file = out.map(|path| NewFile::create(&path, Readers::Owner)).transpose()?;
    let client = session.client.clone();
    let made = session.wait("making the ACME credential", client.create_acme_credential(organization, body)).await?;
    let NewCredential { credential: _, eab_hmac_key, warnings } = &made.value;
    warnings.iter().for_each(|warning| session.screen.note(&format!("warning: {warning}")));
    let (Some(key), Some(file)) = (eab_hmac_key, file) else {
        return session.print(&made, |made| details(&made.credential, made.eab_hmac_key.as_ref().map(|key| key.expose().to_owned())));
    };
    let line = Zeroizing::new(format!("{}\n", key.expose()));
    let path = file.write(line.as_bytes())?;
    session.screen.note(&format!("its HMAC key is in {}", path.display()));
    if session.json {
        session.screen.line(&made.json_without("eab_hmac_key"))
    } else {
        session.print(&made, |made| details(&made.credential, None))
    }
}

fn list(credentials: &Credentials) -> Rows {
    Rows::list(["ID", "KEY ID", "LABEL", "ROLE", "USES", "STATUS"], &credentials.data, |credential| {
        [
            credential.id.clone(),
            credential.eab_key_id.clone(),
            credential.cluster_label.clone(),
            credential.default_template_id.clone().unwrap_or_default(),
            credential.uses.to_string(),
            credential.status.clone(),
        ]
    })
}

fn details(credential: &Credential, key: Option<String>) -> Rows {
    Rows::fields([
        ("id", Some(credential.id.clone())),
        ("key id", Some(credential.eab_key_id.clone())),
        ("HMAC key", key),
        ("organization", Some(credential.organization_id.clone())),
        ("project", credential.project_id.clone()),
        ("role", credential.default_template_id.clone()),
        ("label", Some(credential.cluster_label.clone()).filter(|text| !text.is_empty())),
        ("names", table::joined(&credential.allowed_names)),
        ("binds until", credential.expires_at.clone()),
        ("accounts at most", credential.max_uses.map(|most| most.to_string())),
        ("status", Some(credential.status.clone())),
        ("created at", Some(credential.created_at.clone())),
    ])
}
