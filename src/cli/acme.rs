//! `chancery acme`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::acme::{CreateCredential, Credential, DeclareIncident, Incident, ManagedAccount, NewCredential};
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
    /// The accounts of ACME clients
    #[command(subcommand)]
    Account(AccountCommand),
    /// What ACME clients are told to replace now
    #[command(subcommand)]
    Incident(IncidentCommand),
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

#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// List the accounts
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Show an account
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        owner: Owner,
    },
    /// Deactivate an account, for good; its certificates stay
    Deactivate {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[command(flatten)]
        owner: Owner,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum IncidentCommand {
    /// Have clients told to replace a certificate now, or all that an authority has issued until now
    Declare {
        /// The ids of certificates and authorities
        #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
        id: Vec<String>,
        /// Where people can read what has happened
        #[arg(long, value_name = "URL")]
        explanation: Option<String>,
        #[command(flatten)]
        owner: Owner,
    },
    /// List the incidents
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Have clients told so no more
    End {
        /// The ids of certificates and authorities
        #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
        id: Vec<String>,
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
        match self {
            Self::Credential(command) => command.run(session).await,
            Self::Account(command) => command.run(session).await,
            Self::Incident(command) => command.run(session).await,
        }
    }
}

impl CredentialCommand {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::Create { role, label, project, expires_at, max_uses, allowed_name, out, owner } => {
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
            Self::List { owner } => {
                let organization = owner.id();
                session
                    .print_numbered("listing the ACME credentials", async |page| client.acme_credentials(&organization, page).await, list)
                    .await
            }
            Self::Revoke { id, owner } => {
                session.wait("revoking the ACME credential", client.revoke_acme_credential(&owner.id(), &id)).await?;
                session.screen.note(&format!("revoked {id}; its accounts are stopped"));
                Ok(())
            }
        }
    }
}

impl AccountCommand {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List { owner } => {
                let organization = owner.id();
                session
                    .print_numbered("listing the ACME accounts", async |page| client.acme_accounts(&organization, page).await, account_list)
                    .await
            }
            Self::Show { id, owner } => {
                session.show("asking for the ACME account", client.acme_account(&owner.id(), &id), account_details).await
            }
            Self::Deactivate { id, owner } => {
                session
                    .done("deactivating the ACME account", client.deactivate_acme_account(&owner.id(), &id), &format!("deactivated {id}"))
                    .await
            }
        }
    }
}

impl IncidentCommand {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::Declare { id, explanation, owner } => {
                let (organization, body) = (owner.id(), DeclareIncident { explanation_url: explanation });
                for id in id {
                    session.wait("declaring the incident", client.declare_acme_incident(&organization, &id, &body)).await?;
                    session.screen.note(&format!("ACME clients are told to replace now: {id}"));
                }
                Ok(())
            }
            Self::List { owner } => {
                let organization = owner.id();
                session
                    .print_numbered("listing the incidents", async |page| client.acme_incidents(&organization, page).await, incident_list)
                    .await
            }
            Self::End { id, owner } => {
                let organization = owner.id();
                for id in id {
                    session.wait("ending the incident", client.end_acme_incident(&organization, &id)).await?;
                    session.screen.note(&format!("ended: {id}"));
                }
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

fn list(credentials: &[Credential]) -> Rows {
    Rows::list(["ID", "KEY ID", "LABEL", "ROLE", "USES", "STATUS"], credentials, |credential| {
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

fn account_list(accounts: &[ManagedAccount]) -> Rows {
    Rows::list(["ID", "CREDENTIAL", "CONTACT", "STATUS", "CREATED AT"], accounts, |account| {
        [
            account.id.clone(),
            account.credential_id.clone().unwrap_or_default(),
            account.contact.join(", "),
            account.status.clone(),
            account.created_at.clone(),
        ]
    })
}

fn account_details(account: &ManagedAccount) -> Rows {
    Rows::fields([
        ("id", Some(account.id.clone())),
        ("organization", Some(account.organization_id.clone())),
        ("project", account.project_id.clone()),
        ("credential", account.credential_id.clone()),
        ("status", Some(account.status.clone())),
        ("contact", table::joined(&account.contact)),
        ("URL", Some(account.url.clone())),
        ("key", Some(account.key_thumbprint.clone())),
        ("created at", Some(account.created_at.clone())),
        ("deactivated at", account.deactivated_at.clone()),
    ])
}

fn incident_list(incidents: &[Incident]) -> Rows {
    Rows::list(["AFFECTED", "DECLARED AT", "EXPLANATION"], incidents, |incident| {
        [incident.affected_id.clone(), incident.declared_at.clone(), incident.explanation_url.clone().unwrap_or_default()]
    })
}
