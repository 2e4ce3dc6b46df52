//! `chancery crl`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::pki::CrlPublished;
use crate::client::CrlForm;

use super::failure::Failure;
use super::files;
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Subcommand)]
pub(super) enum CrlCommand {
    /// Get an authority's current CRL
    Get(GetCrl),
    /// Make and publish a new CRL now
    Publish {
        /// The authority's id or name
        #[arg(value_name = "CA", value_parser = NonEmptyStringValueParser::new())]
        ca: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct GetCrl {
    /// The authority's id or name
    #[arg(value_name = "CA", value_parser = NonEmptyStringValueParser::new())]
    ca: String,
    /// As PEM, which is the default
    #[arg(long, conflicts_with = "der")]
    pem: bool,
    /// As DER
    #[arg(long)]
    der: bool,
    /// Write it to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl CrlCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::Get(command) => command.run(session).await,
            Self::Publish { ca } => {
                let id = session.authority_id(&ca).await?;
                let client = session.client.clone();
                let published = session.wait("publishing the CRL", client.publish_crl(&id)).await?;
                session.print(&published, details)
            }
        }
    }
}

impl GetCrl {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        // `pem` only exists to say the default aloud.
        let Self { ca, pem: _, der, out } = self;
        if der && out.is_none() && session.screen.out_is_terminal {
            return Err(Failure::BinaryToTerminal);
        }
        let id = session.authority_id(&ca).await?;
        let client = session.client.clone();
        let crl = session.wait("reading the CRL", client.crl(&id, if der { CrlForm::Der } else { CrlForm::Pem })).await?;
        match out {
            Some(path) => files::replace(&path, &crl),
            None if der => session.screen.write(&crl),
            None => session.screen.line(&crl),
        }
    }
}

fn details(crl: &CrlPublished) -> Rows {
    Rows::fields([
        ("CRL number", Some(crl.crl_number.to_string())),
        ("this update", Some(crl.this_update.clone())),
        ("next update", Some(crl.next_update.clone())),
        ("revoked certificates", Some(crl.revoked_certificates.to_string())),
    ])
}
