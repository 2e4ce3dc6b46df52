//! `chancery anchor`, and `chancery cert validate`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::pki::{CreateTrustAnchor, TrustAnchor, Validate, Validation};

use super::failure::Failure;
use super::files;
use super::session::Session;
use super::table::{self, Rows};
use crate::x509::pem::Label;

#[derive(Debug, Subcommand)]
pub(super) enum AnchorCommand {
    /// List all trust anchors
    List,
    /// Trust a CA certificate of somebody else
    Add {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The CA certificate in PEM; - for standard input
        #[arg(value_name = "FILE")]
        certificate: PathBuf,
    },
    /// Show one trust anchor
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Trust it no longer
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct ValidateArguments {
    /// The certificate in PEM; - for standard input
    #[arg(value_name = "FILE")]
    certificate: PathBuf,
    /// Intermediate certificates in PEM, in any order
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// CRLs of authorities elsewhere in PEM
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// Look for the status of certificates that authorities elsewhere issued, and warn where it is not known
    #[arg(long)]
    check_revocation: bool,
    /// Take a status that is not known for an error
    #[arg(long, requires = "check_revocation")]
    require_revocation: bool,
}

impl AnchorCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List => {
                let fetch = async |cursor: Option<String>| client.trust_anchors(cursor.as_deref()).await;
                session.print_pages("listing the trust anchors", true, None, fetch, list).await
            }
            Self::Add { name, certificate } => {
                let body = CreateTrustAnchor { name, certificate_pem: files::read_pem(&certificate, Label::Certificate)? };
                session.show("adding the trust anchor", client.create_trust_anchor(&body), details).await
            }
            Self::Show { id } => session.show("reading the trust anchor", client.trust_anchor(&id), details).await,
            Self::Delete { id } => {
                session.done("deleting the trust anchor", client.delete_trust_anchor(&id), &format!("deleted {id}")).await
            }
        }
    }
}

impl ValidateArguments {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { certificate, chain, crl, check_revocation, require_revocation } = self;
        let body = Validate {
            certificate_pem: files::read_pem(&certificate, Label::Certificate)?,
            chain_pem: chain.as_deref().map(|path| files::read_pem(path, Label::Certificate)).transpose()?,
            crl_pem: crl.as_deref().map(|path| files::read_pem(path, Label::Crl)).transpose()?,
            check_revocation: Some(check_revocation),
            revocation_required: Some(require_revocation),
        };
        session.show("validating the certificate", client.validate(&body), verdict).await
    }
}

fn list(anchors: &[TrustAnchor]) -> Rows {
    Rows::list(["ID", "NAME", "VALID UNTIL", "SUBJECT"], anchors, |anchor| {
        [anchor.id.clone(), anchor.name.clone(), anchor.valid_until.clone(), anchor.subject.clone()]
    })
}

fn details(anchor: &TrustAnchor) -> Rows {
    Rows::fields([
        ("id", Some(anchor.id.clone())),
        ("name", Some(anchor.name.clone())),
        ("subject", Some(anchor.subject.clone())),
        ("serial number", Some(anchor.serial_number.clone())),
        ("fingerprint (SHA-256)", Some(anchor.fingerprint_sha256.clone())),
        ("valid from", Some(anchor.valid_from.clone())),
        ("valid until", Some(anchor.valid_until.clone())),
        ("created at", Some(anchor.created_at.clone())),
    ])
}

fn verdict(validation: &Validation) -> Rows {
    Rows::fields([
        ("valid", Some(table::yes(validation.valid))),
        ("chain valid", Some(table::yes(validation.chain_valid))),
        ("not expired", Some(table::yes(validation.not_expired))),
        ("not revoked", Some(table::yes(validation.not_revoked))),
        ("trust anchor", validation.trusted_anchor.clone()),
        ("path", table::joined(&validation.path)),
        ("errors", table::joined(&validation.errors)),
        ("warnings", table::joined(&validation.warnings)),
    ])
}
