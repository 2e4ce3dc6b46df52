//! `chancery ca`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::crl::CrlSettings;
use crate::api::pki::{Authority, CreateAuthority, RevokeAuthority};

use super::crl::{CrlArguments, GetCrl};
use super::failure::Failure;
use super::files;
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum AuthorityCommand {
    /// List all authorities
    List,
    /// Create a root, or an intermediate below an authority of this appliance
    Create(Box<CreateArguments>),
    /// Show one authority
    Show {
        /// Its id or name
        #[arg(value_name = "CA", value_parser = NonEmptyStringValueParser::new())]
        ca: String,
    },
    /// Print an authority's certificate as PEM
    Certificate {
        /// Its id or name
        #[arg(value_name = "CA", value_parser = NonEmptyStringValueParser::new())]
        ca: String,
        /// Write it to this file, in the place of what is there
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Revoke an authority and with it every certificate under it, for good
    Revoke {
        /// Its id or name
        #[arg(value_name = "CA", value_parser = NonEmptyStringValueParser::new())]
        ca: String,
        /// A reason of RFC 5280, 5.3.1: unspecified, key_compromise, ca_compromise, affiliation_changed, superseded, cessation_of_operation,
        /// privilege_withdrawn or aa_compromise
        #[arg(long)]
        reason: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Get an authority's current CRL; the same as `crl get`
    Crl(GetCrl),
}

#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// How the appliance calls it
    #[arg(long)]
    name: String,
    /// The common name of its subject
    #[arg(long, value_name = "NAME")]
    common_name: String,
    /// A root signs itself; an intermediate is signed by its parent
    #[arg(long = "type", value_name = "TYPE", value_parser = ["root", "intermediate"])]
    ca_type: String,
    /// The id or name of the authority above it
    #[arg(long, value_name = "CA", required_if_eq("ca_type", "intermediate"))]
    parent: Option<String>,
    /// The configured PKCS#11 token that is to hold its key; the first unless given
    #[arg(long, value_name = "NAME")]
    held_by: Option<String>,
    /// The kind of its key; rsa unless given
    #[arg(long, value_name = "TYPE", value_parser = ["rsa", "ec", "ed25519"])]
    key_type: Option<String>,
    /// 2048, 3072 or 4096 for rsa; 256, 384 or 521 for ec
    #[arg(long, value_name = "BITS")]
    key_size: Option<u32>,
    /// How long it is valid; 3650 days for a root and 1825 for an intermediate unless given
    #[arg(long, value_name = "DAYS")]
    validity_days: Option<u32>,
    /// How many intermediates may follow below it
    #[arg(long, value_name = "NUMBER")]
    path_length: Option<u32>,
    /// How its key signs, such as rsa-pss-sha256
    #[arg(long, value_name = "NAME")]
    signature_algorithm: Option<String>,
    /// The organization of its subject
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// The organizational unit of its subject
    #[arg(long, value_name = "NAME")]
    organizational_unit: Option<String>,
    /// The country of its subject, two letters
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// The state or province of its subject
    #[arg(long, value_name = "NAME")]
    state: Option<String>,
    /// The locality of its subject
    #[arg(long, value_name = "NAME")]
    locality: Option<String>,
    /// Where its CRL is fetched from, written into what it issues; may be repeated
    #[arg(long, value_name = "URL")]
    crl_url: Option<Vec<String>>,
    /// Where its certificate is fetched from, written into what it issues; may be repeated
    #[arg(long, value_name = "URL")]
    issuer_url: Option<Vec<String>>,
    /// Where its OCSP responder is, written into what it issues; may be repeated
    #[arg(long, value_name = "URL", conflicts_with = "no_ocsp")]
    ocsp_url: Option<Vec<String>>,
    /// Its OCSP responder does not answer
    #[arg(long)]
    no_ocsp: bool,
    #[command(flatten)]
    crl: CrlArguments,
}

impl AuthorityCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List => {
                let fetch = async |cursor: Option<String>| client.authorities(cursor.as_deref()).await;
                session.print_pages("listing the authorities", true, None, fetch, list).await
            }
            Self::Create(arguments) => {
                let body = arguments.body(session).await?;
                session.show("creating the authority", client.create_authority(&body), details).await
            }
            Self::Show { ca } => {
                let id = session.authority_id(&ca).await?;
                session.show("reading the authority", client.authority(&id), details).await
            }
            Self::Certificate { ca, out } => {
                let id = session.authority_id(&ca).await?;
                let certificate = session.wait("reading the authority's certificate", client.authority_certificate(&id)).await?;
                match out {
                    Some(path) => files::replace(&path, certificate.value.certificate_pem.as_bytes())?,
                    None if !session.json => session.screen.line(certificate.value.certificate_pem.as_bytes())?,
                    None => {}
                }
                if session.json { session.screen.line(certificate.json()) } else { Ok(()) }
            }
            Self::Revoke { ca, reason, yes } => {
                let id = session.authority_id(&ca).await?;
                if !yes {
                    session.confirm(&format!("This revokes {ca} and every certificate under it, and cannot be undone."))?;
                }
                session.show("revoking the authority", client.revoke_authority(&id, &RevokeAuthority { reason }), details).await
            }
            Self::Crl(command) => command.run(session).await,
        }
    }
}

impl CreateArguments {
    async fn body(self, session: &Session<'_, '_>) -> Result<CreateAuthority, Failure> {
        let parent_ca_id = match &self.parent {
            Some(parent) => Some(session.authority_id(parent).await?),
            None => None,
        };
        Ok(CreateAuthority {
            name: self.name,
            common_name: self.common_name,
            ca_type: self.ca_type,
            parent_ca_id,
            token: self.held_by,
            key_type: self.key_type,
            key_size: self.key_size,
            validity_days: self.validity_days,
            path_length: self.path_length,
            signature_algorithm: self.signature_algorithm,
            organization: self.organization,
            organizational_unit: self.organizational_unit,
            country: self.country,
            state: self.state,
            locality: self.locality,
            crl_urls: self.crl_url,
            issuer_urls: self.issuer_url,
            ocsp: self.no_ocsp.then_some(false),
            ocsp_urls: self.ocsp_url,
            crl: self.crl.body(),
        })
    }
}

fn status(authority: &Authority) -> &'static str {
    match (authority.is_revoked, authority.is_active) {
        (true, _) => "revoked",
        (false, true) => "active",
        (false, false) => "inactive",
    }
}

fn list(authorities: &[Authority]) -> Rows {
    Rows::list(["ID", "NAME", "TYPE", "KEY", "STATUS", "VALID UNTIL", "COMMON NAME"], authorities, |a| {
        [
            a.id.clone(),
            a.name.clone(),
            a.ca_type.clone(),
            table::key(&a.key_type, a.key_size),
            status(a).to_owned(),
            a.valid_until.clone(),
            a.common_name.clone(),
        ]
    })
}

pub(super) fn details(a: &Authority) -> Rows {
    Rows::fields([
        ("id", Some(a.id.clone())),
        ("name", Some(a.name.clone())),
        ("common name", Some(a.common_name.clone())),
        ("type", Some(a.ca_type.clone())),
        ("parent", a.parent_ca_id.clone()),
        ("status", Some(status(a).to_owned())),
        ("revoked at", a.revoked_at.clone()),
        ("reason", a.revocation_reason.clone()),
        ("key", Some(table::key(&a.key_type, a.key_size))),
        ("signs with", Some(a.signature_algorithm.clone())),
        ("path length", a.path_length.map(|n| n.to_string())),
        ("serial number", Some(a.serial_number.clone())),
        ("valid from", Some(a.valid_from.clone())),
        ("valid until", Some(a.valid_until.clone())),
        ("certificates issued", Some(a.certificates_issued.to_string())),
        ("created at", Some(a.created_at.clone())),
        ("CRL", Some(crl(&a.crl)).filter(|_| !a.crl.period.is_empty())),
    ])
}

fn crl(settings: &CrlSettings) -> String {
    let CrlSettings { period, validity, overlap, delta, delta_period, shards, publish_on_revocation, publish_within } = settings;
    let mut text = format!("every {period}, good for {validity}, replaced {overlap} before its end");
    if *delta {
        text += &format!("; delta every {delta_period}");
    }
    if *shards > 0 {
        text += &format!("; divided into {shards}");
    }
    if *publish_on_revocation {
        text += &format!("; within {publish_within} of a revocation");
    }
    text
}
