//! `chancery cert`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::pki::{Certificate, CertificateSummary, Revoke, UpdateCertificate};
use crate::base::id::CertId;
use crate::client::CertificateFilter;

use super::arguments::duration;
use super::failure::Failure;
use super::files;
use super::session::Session;
use super::table::{self, Rows};
use super::trust_anchor::ValidateArguments;

#[derive(Debug, Subcommand)]
pub(super) enum CertificateCommand {
    /// List certificates
    List(ListArguments),
    /// Show one certificate
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Print a certificate as PEM
    Pem {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Write it to this file, in the place of what is there
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Change a certificate's tags or description
    Update {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// A tag; those given replace those it had; may be repeated
        #[arg(long, value_name = "TAG", required_unless_present_any = ["no_tags", "description"])]
        tag: Option<Vec<String>>,
        /// Take all tags away
        #[arg(long, conflicts_with = "tag")]
        no_tags: bool,
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// Validate any certificate against our authorities and the trust anchors
    Validate(ValidateArguments),
    /// Revoke a certificate
    Revoke {
        /// Its id or its serial number
        #[arg(value_name = "ID|SERIAL", value_parser = NonEmptyStringValueParser::new())]
        certificate: String,
        /// A reason of RFC 5280, 5.3.1, such as key_compromise or superseded
        #[arg(long)]
        reason: Option<String>,
        /// When the key is thought to have been lost, such as 2026-04-23T14:00:00Z
        #[arg(long, value_name = "TIME")]
        invalidity_date: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those of the authority with this id or name
    #[arg(long, value_name = "CA")]
    ca: Option<String>,
    /// Only those that expire within this time, such as 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expiring_within: Option<String>,
    /// Revoked ones too
    #[arg(long)]
    include_revoked: bool,
    /// How many on a page, up to 1000
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u32>,
    /// The page to begin with, as the page before it named it
    #[arg(long)]
    cursor: Option<String>,
    /// All pages
    #[arg(long)]
    all: bool,
}

impl CertificateCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List(arguments) => arguments.run(session).await,
            Self::Validate(arguments) => arguments.run(session).await,
            Self::Show { id } => {
                let certificate = session.wait("reading the certificate", client.certificate(&id)).await?;
                session.print(&certificate, details)
            }
            Self::Pem { id, out } => {
                let pem = session.wait("reading the certificate", client.certificate_pem(&id)).await?;
                match out {
                    Some(path) => files::replace(&path, pem.as_bytes()),
                    None => session.screen.line(pem.as_bytes()),
                }
            }
            Self::Update { id, tag, no_tags, description } => {
                let body = UpdateCertificate { tags: if no_tags { Some(Vec::new()) } else { tag }, description };
                let certificate = session.wait("changing the certificate", client.update_certificate(&id, &body)).await?;
                session.print(&certificate, details)
            }
            Self::Revoke { certificate, reason, invalidity_date } => {
                let body = revocation(certificate, reason, invalidity_date);
                let certificate = session.wait("revoking the certificate", client.revoke(&body)).await?;
                session.print(&certificate, details)
            }
        }
    }
}

impl ListArguments {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { ca, expiring_within, include_revoked, limit, cursor, all } = self;
        let ca_id = match ca {
            Some(ca) => Some(session.authority_id(&ca).await?),
            None => None,
        };
        let filter = CertificateFilter { ca_id, expiring_within, include_revoked: include_revoked.then_some(true), limit, cursor: None };
        let fetch = async |cursor: Option<String>| client.certificates(&CertificateFilter { cursor, ..filter.clone() }).await;
        session.print_pages("listing the certificates", all, cursor, fetch, list).await
    }
}

fn revocation(certificate: String, reason: Option<String>, invalidity_date: Option<String>) -> Revoke {
    let (serial_number, certificate_id) = match certificate.parse::<CertId>() {
        Ok(_) => (None, Some(certificate)),
        Err(_) => (Some(certificate), None),
    };
    Revoke { serial_number, certificate_id, reason, invalidity_date, use_acme: None }
}

fn list(certificates: &[CertificateSummary]) -> Rows {
    Rows::list(["ID", "VALID UNTIL", "REVOKED", "COMMON NAME"], certificates, |c| {
        [c.id.clone(), c.valid_until.clone(), table::yes(c.is_revoked), c.common_name.clone()]
    })
}

fn details(certificate: &Certificate) -> Rows {
    let summary = &certificate.summary;
    Rows::fields([
        ("id", Some(summary.id.clone())),
        ("common name", Some(summary.common_name.clone())),
        ("host names", table::joined(&certificate.alt_names)),
        ("IP addresses", table::joined(&certificate.ip_sans)),
        ("authority", Some(summary.issuer_ca_id.clone())),
        ("role", Some(certificate.role.clone())),
        ("key", Some(table::key(&certificate.key_type, certificate.key_bits))),
        ("serial number", Some(summary.serial_number.clone())),
        ("fingerprint (SHA-256)", Some(certificate.fingerprint_sha256.clone())),
        ("valid from", Some(summary.valid_from.clone())),
        ("valid until", Some(summary.valid_until.clone())),
        ("revoked", Some(table::yes(summary.is_revoked))),
        ("revoked at", certificate.revoked_at.clone()),
        ("reason", certificate.revocation_reason.clone()),
        ("tags", table::joined(&certificate.tags)),
        ("description", Some(certificate.description.clone()).filter(|text| !text.is_empty())),
        ("created at", Some(certificate.created_at.clone())),
    ])
}
