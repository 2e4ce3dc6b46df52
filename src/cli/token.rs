//! `chancery token`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use crate::api::admin::{CreateToken, Token};
use crate::base::secret::{ExposeSecret, Zeroizing};
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};

use super::arguments::duration;
use super::failure::Failure;
use super::files::{self, NewFile, Readers};
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make an API token; the token is printed alone, this once
    Create {
        /// What or whom it is for
        #[arg(long)]
        name: String,
        /// Such as pki:read, pki:issue, pki:admin, or a capability on one authority such as create_cert@ca_…; may be repeated
        #[arg(long, value_name = "SCOPE", required = true)]
        scope: Vec<String>,
        /// How long it is good for, such as 30d
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        ttl: String,
        /// Write the token to this new file, which only you can read
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// A certificate whose key stands for the token instead of a secret, also in certificates that follow it
        #[arg(long, value_name = "FILE", conflicts_with = "out")]
        client_certificate: Option<PathBuf>,
        /// The id of the user that acts by it: it can do no more than the user can
        #[arg(long, value_name = "ID")]
        user: Option<String>,
        /// The id of the project that its certificates are booked on
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// The id of another organization than your own; this needs the scope system
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// List the tokens of an organization, without their secrets
    List {
        /// The id of another organization than your own; this needs the scope system
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Revoke a token
    Revoke {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

impl TokenCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::Create { name, scope, ttl, out, client_certificate, user, project, organization } => {
                let client_spki_sha256 = client_certificate.as_deref().map(spki_sha256).transpose()?;
                let file = out.map(|path| NewFile::create(&path, Readers::Owner)).transpose()?;
                let body = CreateToken {
                    name,
                    scopes: scope,
                    ttl,
                    client_spki_sha256,
                    organization_id: organization,
                    user_id: user,
                    project_id: project,
                };
                let made = session.wait("making the token", client.create_token(&body)).await?;
                let Some(secret) = &made.value.secret else {
                    return session.print(&made, |token| details(&token.details));
                };
                let secret = Zeroizing::new(format!("{}\n", secret.expose_secret()));
                let in_file = match file {
                    Some(file) => Some(file.write(secret.as_bytes())?),
                    None => None,
                };
                match (in_file, session.json) {
                    (Some(_), true) => session.screen.line(&made.json_without("token")),
                    (Some(_), false) => session.print(&made, |token| details(&token.details)),
                    (None, true) => session.screen.line(made.json()),
                    (None, false) => {
                        let id = &made.value.details.id;
                        session.screen.note(&format!("{id}; the token is not shown again"));
                        session.screen.write(secret.as_bytes())
                    }
                }
            }
            Self::List { organization } => {
                let fetch = async |cursor: Option<String>| client.tokens(organization.as_deref(), cursor.as_deref()).await;
                session.print_pages("listing the tokens", true, None, fetch, list).await
            }
            Self::Revoke { id } => session.done("revoking the token", client.delete_token(&id), &format!("revoked {id}")).await,
        }
    }
}

/// The hash that names the certificate's key.
fn spki_sha256(path: &Path) -> Result<String, Failure> {
    let text = files::read_pem(path, Label::Certificate)?;
    let der = pem::decode_one(&text, Label::Certificate).ok();
    let key = der.and_then(|der| Certificate::from_der(&der).ok()?.public_key().ok());
    let key = key.ok_or_else(|| Failure::NotPem { path: path.to_owned(), wanted: Label::Certificate })?;
    Ok(hex::encode(key.spki_sha256()))
}

fn list(tokens: &[Token]) -> Rows {
    Rows::list(["ID", "ACTIVE", "EXPIRES AT", "SCOPES", "NAME"], tokens, |token| {
        let expires = token.expires_at.clone().unwrap_or_else(|| "never".to_owned());
        [token.id.clone(), table::yes(token.is_active), expires, token.scopes.join(","), token.name.clone()]
    })
}

fn details(token: &Token) -> Rows {
    Rows::fields([
        ("id", Some(token.id.clone())),
        ("organization", Some(token.organization_id.clone()).filter(|id| !id.is_empty())),
        ("user", token.user_id.clone()),
        ("project", token.project_id.clone()),
        ("name", Some(token.name.clone())),
        ("scopes", table::joined(&token.scopes)),
        ("created at", Some(token.created_at.clone())),
        ("expires at", Some(token.expires_at.clone().unwrap_or_else(|| "never".to_owned()))),
        ("active", Some(table::yes(token.is_active))),
        ("client key", token.client_spki_sha256.clone()),
    ])
}
