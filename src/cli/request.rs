//! `chancery csr`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::pki::{
    ApproveSigningRequest, CreateSigningRequest, ImportSigningRequest, RejectSigningRequest, SignSigningRequest, SigningRequest,
    SigningRequestDetails,
};
use crate::x509::pem::Label;

use super::failure::Failure;
use super::files;
use super::issue;
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// List requests
    List {
        /// Only those of this status
        #[arg(long, value_parser = ["pending", "approved", "rejected", "signed"])]
        status: Option<String>,
    },
    /// Make a key in the token and a request for it; the key stays in the token
    Create(CreateCommand),
    /// Hand in a request that somebody else made
    Import {
        /// The request in PEM or DER; - for standard input
        #[arg(value_name = "FILE")]
        csr: PathBuf,
    },
    /// Show what a request asks for, and what became of it
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Print a request as PEM
    Pem {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Write it to this file, in the place of what is there
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Approve a pending request
    Approve {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// The hash that `show` gave for what you have reviewed; anything else is not approved
        #[arg(long, value_name = "SHA256")]
        request_sha256: Option<String>,
    },
    /// Reject a pending request
    Reject {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Why, for whoever asked
        #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
        reason: String,
    },
    /// Sign an approved request
    Sign(SignApprovedCommand),
    /// Delete a request; the key of one that was made here and not signed is destroyed
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateCommand {
    /// A field of the subject, such as common_name=www.example.com or organization=Example; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    subject: Vec<(String, String)>,
    /// A host name; may be repeated
    #[arg(long, value_name = "NAME")]
    dns: Option<Vec<String>>,
    /// An IP address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Vec<String>>,
    /// A mailbox; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    email: Option<Vec<String>>,
    /// ec unless given
    #[arg(long, value_name = "TYPE", value_parser = ["rsa", "ec", "ed25519"])]
    key_type: Option<String>,
    /// Bits; 256 for ec and 2048 for rsa unless given
    #[arg(long, value_name = "BITS")]
    key_size: Option<u32>,
    /// Write the request to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SignApprovedCommand {
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// The id or name of the authority that signs
    #[arg(long, value_name = "CA")]
    ca: String,
    /// How many days it is valid; 90 unless given
    #[arg(long, value_name = "DAYS")]
    validity_days: Option<u32>,
    /// A name; those given replace those of the request; may be repeated
    #[arg(long, value_name = "NAME")]
    san: Option<Vec<String>>,
    /// Write the certificate to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Write the certificates above it to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    chain_file: Option<PathBuf>,
}

impl RequestCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::Create(command) => command.run(session).await,
            Self::Sign(command) => command.run(session).await,
            Self::List { status } => {
                let fetch = async |cursor: Option<String>| client.signing_requests(status.as_deref(), cursor.as_deref()).await;
                session.print_pages("listing the requests", true, None, fetch, list).await
            }
            Self::Import { csr } => {
                let body = ImportSigningRequest { csr_pem: files::read_pem(&csr, Label::CertificateRequest)? };
                session.show("handing in the request", client.import_signing_request(&body), details).await
            }
            Self::Show { id } => session.show("reading the request", client.signing_request(&id), details).await,
            Self::Pem { id, out } => {
                let request = session.wait("reading the request", client.signing_request(&id)).await?.into_value();
                match out {
                    Some(path) => files::replace(&path, request.csr_pem.as_bytes()),
                    None => session.screen.write(request.csr_pem.as_bytes()),
                }
            }
            Self::Approve { id, request_sha256 } => {
                let body = ApproveSigningRequest { request_sha256 };
                session.show("approving the request", client.approve_signing_request(&id, &body), details).await
            }
            Self::Reject { id, reason } => {
                let body = RejectSigningRequest { reason };
                session.show("rejecting the request", client.reject_signing_request(&id, &body), details).await
            }
            Self::Delete { id } => session.done("deleting the request", client.delete_signing_request(&id), &format!("deleted {id}")).await,
        }
    }
}

impl CreateCommand {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { subject, dns, ip, email, key_type, key_size, out } = self;
        let subject: BTreeMap<_, _> = subject.into_iter().collect();
        let body = CreateSigningRequest { subject, san_dns: dns, san_ip: ip, san_email: email, key_type, key_size };
        let request = session.wait("making the request", client.create_signing_request(&body)).await?;
        if let Some(path) = out {
            files::replace(&path, request.value.csr_pem.as_bytes())?;
        }
        session.print(&request, details)
    }
}

impl SignApprovedCommand {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { id, ca, validity_days, san, cert_file, chain_file } = self;
        let body = SignSigningRequest { ca_id: session.authority_id(&ca).await?, validity_days, san };
        let signed = session.wait("signing the request", client.sign_signing_request(&id, &body)).await?;
        issue::deliver(session, &signed, cert_file, chain_file)
    }
}

/// A field of a subject as it is given on the command line.
fn field(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write it as FIELD=VALUE, such as common_name=www.example.com")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn list(requests: &[SigningRequest]) -> Rows {
    Rows::list(["ID", "STATUS", "CREATED AT", "COMMON NAME"], requests, |request| {
        [request.id.clone(), request.status.clone(), request.created_at.clone(), request.common_name.clone()]
    })
}

fn details(request: &SigningRequestDetails) -> Rows {
    let summary = &request.summary;
    Rows::fields([
        ("id", Some(summary.id.clone())),
        ("status", Some(summary.status.clone())),
        ("subject", Some(request.subject_dn.clone())),
        ("host names", table::joined(&request.san_dns)),
        ("IP addresses", table::joined(&request.san_ip)),
        ("mailboxes", table::joined(&request.san_email)),
        ("URIs", table::joined(&request.san_uri)),
        ("names that cannot be certified", table::joined(&request.san_other)),
        ("key", Some(table::key(&summary.key_type, summary.key_size))),
        ("key usage", table::joined(&request.key_usage)),
        ("purposes", table::joined(&request.extended_key_usage)),
        ("asks to become a CA", Some(table::yes(request.asks_for_ca))),
        ("other extensions", table::joined(&request.other_extensions)),
        ("source", Some(summary.source.clone())),
        ("requested by", Some(summary.requested_by.clone())),
        ("created at", Some(summary.created_at.clone())),
        ("hash (SHA-256)", Some(request.request_sha256.clone())),
        ("approved by", request.approved_by.clone()),
        ("approved at", request.approved_at.clone()),
        ("rejected by", request.rejected_by.clone()),
        ("rejected at", request.rejected_at.clone()),
        ("reason", request.reason.clone()),
        ("signed by", request.signed_by.clone()),
        ("signed at", request.signed_at.clone()),
        ("certificate", summary.certificate_id.clone()),
    ])
}
