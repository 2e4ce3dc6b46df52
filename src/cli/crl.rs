//! `chancery crl`.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::crl::{RegenerateCrl, RegeneratedCrl, SetCrl, UpdateAuthority};
use crate::api::pki::CrlPublished;
use crate::client::CrlForm;
use crate::x509::pem::{self, Label};

use super::arguments::duration;
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
        /// A delta CRL instead of a full one
        #[arg(long)]
        delta: bool,
    },
    /// Change how an authority's CRLs are made
    Configure {
        /// The authority's id or name
        #[arg(value_name = "CA", value_parser = NonEmptyStringValueParser::new())]
        ca: String,
        #[command(flatten)]
        settings: CrlArguments,
    },
}

/// How the CRLs of an authority are made.
#[derive(Debug, Args)]
pub(super) struct CrlArguments {
    /// How often a full CRL is made, such as 1h
    #[arg(long = "crl-period", value_name = "DURATION", value_parser = duration)]
    period: Option<String>,
    /// How long a full CRL is good for, such as 24h
    #[arg(long = "crl-validity", value_name = "DURATION", value_parser = duration)]
    validity: Option<String>,
    /// How long before its end a full CRL is replaced at the latest
    #[arg(long = "crl-overlap", value_name = "DURATION", value_parser = duration)]
    overlap: Option<String>,
    /// Whether delta CRLs are made between the full ones
    #[arg(long = "crl-delta", value_name = "BOOLEAN")]
    delta: Option<bool>,
    /// How often a delta CRL is made
    #[arg(long = "crl-delta-period", value_name = "DURATION", value_parser = duration)]
    delta_period: Option<String>,
    /// Among how many CRLs users' certificates are divided from now on; it only grows
    #[arg(long = "crl-shards", value_name = "NUMBER")]
    shards: Option<u32>,
    /// Whether a revocation has a CRL made soon
    #[arg(long = "crl-on-revocation", value_name = "BOOLEAN")]
    on_revocation: Option<bool>,
    /// How soon, such as 5s
    #[arg(long = "crl-within", value_name = "DURATION", value_parser = duration)]
    within: Option<String>,
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
    /// The delta CRL
    #[arg(long)]
    delta: bool,
    /// That of the certificates of users with this number, where they are divided
    #[arg(long, value_name = "NUMBER")]
    shard: Option<u16>,
    /// That of the certificates of authorities alone, where they are divided
    #[arg(long, conflicts_with = "shard")]
    authorities: bool,
    /// Write it to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl CrlCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::Get(command) => command.run(session).await,
            Self::Publish { ca, delta: true } => {
                let id = session.authority_id(&ca).await?;
                let client = session.client.clone();
                let body = RegenerateCrl { kind: "delta".to_owned() };
                session.show("publishing the CRL", client.regenerate_crl(&id, &body), regenerated).await
            }
            Self::Configure { ca, settings } => {
                let id = session.authority_id(&ca).await?;
                let client = session.client.clone();
                let body = UpdateAuthority { crl: Some(settings.body().unwrap_or_default()) };
                let authority = session.wait("changing how CRLs are made", client.update_authority(&id, &body)).await?;
                session.print(&authority, super::authority::details)
            }
            Self::Publish { ca, delta: false } => {
                let id = session.authority_id(&ca).await?;
                let client = session.client.clone();
                session.show("publishing the CRL", client.publish_crl(&id), details).await
            }
        }
    }
}

impl GetCrl {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        // `pem` only exists to say the default aloud.
        let Self { ca, pem: _, der, delta, shard, authorities, out } = self;
        if der && out.is_none() && session.screen.out_is_terminal {
            return Err(Failure::BinaryToTerminal);
        }
        let id = session.authority_id(&ca).await?;
        let client = session.client.clone();
        let suffix = match (shard, authorities) {
            (Some(shard), _) => format!("-{shard}"),
            (None, true) => "-ca".to_owned(),
            (None, false) => String::new(),
        };
        let crl = match (suffix.is_empty(), delta) {
            (true, false) => session.wait("reading the CRL", client.crl(&id, if der { CrlForm::Der } else { CrlForm::Pem })).await?,
            _ => {
                let file = format!("{id}{suffix}{}.crl", if delta { "-delta" } else { "" });
                let crl = session.wait("reading the CRL", client.crl_file(&file)).await?;
                if der { crl } else { pem::encode(Label::Crl, &crl).into_bytes() }
            }
        };
        match out {
            Some(path) => files::replace(&path, &crl),
            None if der => session.screen.write(&crl),
            None => session.screen.line(&crl),
        }
    }
}

impl CrlArguments {
    /// None when nothing is asked for.
    pub(super) fn body(self) -> Option<SetCrl> {
        let Self { period, validity, overlap, delta, delta_period, shards, on_revocation, within } = self;
        let is_empty = [&period, &validity, &overlap, &delta_period, &within].iter().all(|text| text.is_none())
            && (delta, shards, on_revocation) == (None, None, None);
        let publish_on_revocation = on_revocation;
        let body = SetCrl { period, validity, overlap, delta, delta_period, shards, publish_on_revocation, publish_within: within };
        (!is_empty).then_some(body)
    }
}

fn regenerated(crl: &RegeneratedCrl) -> Rows {
    Rows::fields([
        ("CRL number", Some(crl.crl_number.to_string())),
        ("number of its full CRL", crl.base_crl_number.map(|number| number.to_string())),
        ("this update", Some(crl.this_update.clone())),
        ("next update", Some(crl.next_update.clone())),
        ("entries", Some(crl.revoked_certificates.to_string())),
    ])
}

fn details(crl: &CrlPublished) -> Rows {
    Rows::fields([
        ("CRL number", Some(crl.crl_number.to_string())),
        ("this update", Some(crl.this_update.clone())),
        ("next update", Some(crl.next_update.clone())),
        ("revoked certificates", Some(crl.revoked_certificates.to_string())),
    ])
}
