//! `chancery secret`.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use crate::api::secrets::{Secret, SecretSummary, WriteSecret};
use crate::base::secret::Zeroizing;

use super::failure::Failure;
use super::files::{self, NewFile, Readers};
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Subcommand)]
pub(super) enum SecretCommand {
    /// Write a new version of a secret; its value is never an argument
    Put {
        /// Segments with slashes between them, as in dns/example.com/api-key
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        path: String,
        /// The file with the value, byte for byte; - for standard input
        #[arg(value_name = "FILE", default_value = "-")]
        value: PathBuf,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// Write only when this is the newest version; 0 when there shall be none
        #[arg(long, value_name = "NUMBER")]
        expected_version: Option<u32>,
    },
    /// Print the value of a secret, or write it to a new file
    Get {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        path: String,
        /// Another version than the newest
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
        /// Write the value to this new file, which only you can read
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Show what is known of it instead, without the value
        #[arg(long, conflicts_with_all = ["version", "out"])]
        metadata: bool,
    },
    /// List the secrets, without their values
    List {
        /// Only those whose paths begin so
        #[arg(long)]
        prefix: Option<String>,
    },
    /// Destroy a secret with all its versions
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        path: String,
    },
}

impl SecretCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::Put { path, value, description, expected_version } => {
                let bytes = Zeroizing::new(files::read(&value)?);
                let (value, encoding) = match std::str::from_utf8(&bytes) {
                    Ok(text) => (text.to_owned(), None),
                    Err(_) => (STANDARD.encode(&bytes), Some("base64".to_owned())),
                };
                let body = WriteSecret { value: value.into(), encoding, description, expected_version };
                session.show("writing the secret", client.write_secret(&path, &body), details).await
            }
            Self::Get { path, version: _, out: _, metadata: true } => {
                session.show("reading the secret", client.secret_metadata(&path), details).await
            }
            Self::Get { path, version, out, metadata: false } => {
                // Before it is asked for: a value that cannot be written must not leave the appliance.
                let file = out.map(|path| NewFile::create(&path, Readers::Owner)).transpose()?;
                let secret = session.wait("reading the secret", client.secret(&path, version)).await?;
                let value = value(&secret.value).ok_or(Failure::ValueWithheld { path })?;
                match file {
                    Some(file) => {
                        let path = file.write(&value)?;
                        session.screen.note(&format!("the value is in {}", path.display()));
                        Ok(())
                    }
                    None if session.json => session.screen.line(secret.json()),
                    None => session.screen.write(&value),
                }
            }
            Self::List { prefix } => {
                let fetch = async |cursor: Option<String>| client.secrets(prefix.as_deref(), cursor.as_deref()).await;
                session.print_pages("listing the secrets", true, None, fetch, list).await
            }
            Self::Delete { path } => session.done("deleting the secret", client.delete_secret(&path), &format!("deleted {path}")).await,
        }
    }
}

/// The bytes of the value that came; none when there was none.
fn value(secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let text = secret.value.as_ref()?.expose();
    match secret.encoding.as_deref() {
        Some("base64") => STANDARD.decode(text).ok().map(Zeroizing::new),
        Some(_) | None => Some(Zeroizing::new(text.as_bytes().to_vec())),
    }
}

fn list(secrets: &[SecretSummary]) -> Rows {
    Rows::list(["PATH", "VERSION", "UPDATED AT", "DESCRIPTION"], secrets, |secret| {
        [secret.path.clone(), secret.version.to_string(), secret.updated_at.clone(), secret.description.clone()]
    })
}

fn details(secret: &Secret) -> Rows {
    let versions = secret.versions.iter().map(|v| format!("{} at {} by {}", v.version, v.created_at, v.created_by));
    let summary = &secret.summary;
    Rows::fields([
        ("path", Some(summary.path.clone())),
        ("version", Some(summary.version.to_string())),
        ("description", Some(summary.description.clone()).filter(|text| !text.is_empty())),
        ("created at", Some(summary.created_at.clone())),
        ("updated at", Some(summary.updated_at.clone())),
        ("versions kept", Some(versions.collect::<Vec<_>>().join(", "))),
    ])
}
