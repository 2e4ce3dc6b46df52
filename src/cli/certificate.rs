//! `chancery cert`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::pki::{Certificate, CertificateSummary, Renew, RetrievePrivateKey, Revoke, UpdateCertificate};
use crate::base::id::CertId;
use crate::base::secret::ExposeSecret;
use crate::client::CertificateFilter;
use crate::x509::pem::Label;

use super::arguments::{Pages, duration};
use super::certificate_import::ImportArguments;
use super::failure::Failure;
use super::files::{self, NewFile, Readers};
use super::issue::{Named, NewFiles};
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
    /// Retrieve the private key of a certificate, where its role has it kept
    PrivateKey {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// traditional (SEC1 or PKCS#1, by the kind of key) or pkcs8; traditional unless given
        #[arg(long, value_name = "FORMAT", value_parser = ["traditional", "pkcs8"])]
        key_format: Option<String>,
        /// Write it to this new file, for its owner alone
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
    /// Import a certificate that was issued elsewhere
    Import(ImportArguments),
    /// Validate any certificate against our authorities and the trust anchors
    Validate(ValidateArguments),
    /// Issue a new certificate for the same subject and names; the old one stays valid
    Renew(RenewCommand),
    /// Delete a certificate that expired, was revoked or is from elsewhere, and its kept private key, for good
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Destroy its kept private key and leave the certificate
        #[arg(long)]
        only_private_key: bool,
        /// Do not ask on a terminal
        #[arg(long)]
        yes: bool,
    },
    /// Revoke a certificate
    Revoke {
        /// Its id or its serial number
        #[arg(value_name = "ID|SERIAL", value_parser = NonEmptyStringValueParser::new(), required_unless_present = "file")]
        certificate: Option<String>,
        /// The certificate itself, in PEM or DER; `-` is standard input
        #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
        file: Option<PathBuf>,
        /// A reason of RFC 5280, 5.3.1: unspecified, key_compromise, ca_compromise, affiliation_changed, superseded, cessation_of_operation,
        /// certificate_hold, privilege_withdrawn or aa_compromise
        #[arg(long)]
        reason: Option<String>,
        /// When the key is thought to have been lost, such as 2026-04-23T14:00:00Z
        #[arg(long, value_name = "TIME")]
        invalidity_date: Option<String>,
    },
    /// Lift the hold of a certificate that was revoked with the reason certificate_hold
    Unrevoke {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct RenewCommand {
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// How long it is valid, such as 168h or 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<String>,
    /// A request in PEM or DER whose key the new certificate is for; `-` is standard input
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The form of a new private key; traditional (SEC1 or PKCS#1 by the key's type) unless given
    #[arg(long, value_name = "FORMAT", value_parser = ["traditional", "pkcs8"])]
    key_format: Option<String>,
    #[command(flatten)]
    files: Named,
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
    #[command(flatten)]
    pages: Pages,
}

impl CertificateCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List(arguments) => arguments.run(session).await,
            Self::Import(arguments) => arguments.run(session).await,
            Self::Validate(arguments) => arguments.run(session).await,
            Self::Renew(command) => command.run(session).await,
            Self::Show { id } => session.show("reading the certificate", client.certificate(&id), details).await,
            Self::Pem { id, out } => {
                let pem = session.wait("reading the certificate", client.certificate_pem(&id)).await?;
                match out {
                    Some(path) => files::replace(&path, pem.as_bytes()),
                    None => session.screen.line(pem.as_bytes()),
                }
            }
            Self::PrivateKey { id, key_format, out } => {
                // Before it is asked for: a key that cannot be written must not leave the appliance.
                let file = out.map(|path| NewFile::create(&path, Readers::Owner)).transpose()?;
                let body = RetrievePrivateKey { private_key_format: key_format };
                let answer = session.wait("retrieving the private key", client.private_key(&id, &body)).await?;
                match file {
                    Some(file) => {
                        let path = file.write(answer.value.private_key.expose_secret().as_bytes())?;
                        session.screen.note(&format!("the private key is in {}", path.display()));
                        Ok(())
                    }
                    None if session.json => session.screen.line(answer.json()),
                    None => session.screen.write(answer.value.private_key.expose_secret().as_bytes()),
                }
            }
            Self::Update { id, tag, no_tags, description } => {
                let body = UpdateCertificate { tags: if no_tags { Some(Vec::new()) } else { tag }, description };
                session.show("changing the certificate", client.update_certificate(&id, &body), details).await
            }
            Self::Delete { id, only_private_key: true, yes } => {
                if !yes {
                    session.confirm(&format!("This destroys the private key that is kept for {id}."))?;
                }
                session
                    .done("destroying the private key", client.destroy_private_key(&id), &format!("destroyed the private key of {id}"))
                    .await
            }
            Self::Delete { id, only_private_key: false, yes } => {
                if !yes {
                    session.confirm(&format!("This deletes {id}, and its private key where that is kept, for good."))?;
                }
                session.done("deleting the certificate", client.delete_certificate(&id), &format!("deleted {id}")).await
            }
            Self::Unrevoke { id } => session.show("lifting the hold", client.unrevoke(&id), details).await,
            Self::Revoke { certificate, file, reason, invalidity_date } => {
                let certificate_pem = file.as_deref().map(|path| files::read_pem(path, Label::Certificate)).transpose()?;
                let body = Revoke { certificate_pem, reason, invalidity_date, ..named(certificate) };
                session.show("revoking the certificate", client.revoke(&body), details).await
            }
        }
    }
}

impl RenewCommand {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { id, ttl, csr, key_format, files } = self;
        let csr_pem = csr.as_deref().map(|path| files::read_pem(path, Label::CertificateRequest)).transpose()?;
        let files = NewFiles::create(files)?;
        let body = Renew { ttl, csr_pem, private_key_format: key_format };
        let renewed = session.wait("renewing the certificate", client.renew(&id, &body)).await?;
        files.fill(session, &renewed)
    }
}

impl ListArguments {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { ca, expiring_within, include_revoked, pages: Pages { limit, cursor, all } } = self;
        let ca_id = match ca {
            Some(ca) => Some(session.authority_id(&ca).await?),
            None => None,
        };
        let filter = CertificateFilter { ca_id, expiring_within, include_revoked: include_revoked.then_some(true), limit, cursor: None };
        let fetch = async |cursor: Option<String>| client.certificates(&CertificateFilter { cursor, ..filter.clone() }).await;
        session.print_pages("listing the certificates", all, cursor, fetch, list).await
    }
}

fn named(certificate: Option<String>) -> Revoke {
    let is_id = certificate.as_ref().is_some_and(|text| text.parse::<CertId>().is_ok());
    let (serial_number, certificate_id) = if is_id { (None, certificate) } else { (certificate, None) };
    Revoke { serial_number, certificate_id, ..Revoke::default() }
}

fn list(certificates: &[CertificateSummary]) -> Rows {
    Rows::list(["ID", "VALID UNTIL", "REVOKED", "COMMON NAME"], certificates, |c| {
        [c.id.clone(), c.valid_until.clone(), table::yes(c.is_revoked), c.common_name.clone()]
    })
}

pub(super) fn details(certificate: &Certificate) -> Rows {
    let summary = &certificate.summary;
    Rows::fields([
        ("id", Some(summary.id.clone())),
        ("common name", Some(summary.common_name.clone())),
        ("host names", table::joined(&certificate.alt_names)),
        ("IP addresses", table::joined(&certificate.ip_sans)),
        ("authority", Some(summary.issuer_ca_id.clone()).filter(|id| !id.is_empty())),
        ("issuer", certificate.issuer.clone()),
        ("role", Some(certificate.role.clone()).filter(|role| !role.is_empty())),
        ("request", certificate.csr_id.clone()),
        ("renewed from", certificate.renewed_from.clone()),
        ("renewed by", certificate.renewed_by.clone()),
        ("key", Some(table::key(&certificate.key_type, certificate.key_bits))),
        ("serial number", Some(summary.serial_number.clone())),
        ("fingerprint (SHA-256)", Some(certificate.fingerprint_sha256.clone())),
        ("valid from", Some(summary.valid_from.clone())),
        ("valid until", Some(summary.valid_until.clone())),
        ("revoked", Some(table::yes(summary.is_revoked))),
        ("revoked at", certificate.revoked_at.clone()),
        ("reason", certificate.revocation_reason.clone()),
        ("private key kept", Some(table::yes(certificate.has_private_key))),
        ("tags", table::joined(&certificate.tags)),
        ("description", Some(certificate.description.clone()).filter(|text| !text.is_empty())),
        ("created at", Some(certificate.created_at.clone())),
    ])
}
