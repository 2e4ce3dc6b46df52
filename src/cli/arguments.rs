//! The command line's shape.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::base::duration::{DurationFault, Span};

use super::acme::AcmeCommand;
use super::audit::AuditCommand;
use super::authority::AuthorityCommand;
use super::certificate::CertificateCommand;
use super::connection::ConnectionArguments;
use super::crl::CrlCommand;
use super::doctor::DoctorCommand;
use super::event::EventCommand;
use super::issue::{IssueCommand, SignCommand};
use super::organization::OrganizationCommand;
use super::project::ProjectCommand;
use super::request::RequestCommand;
use super::role::RoleCommand;
use super::secret::SecretCommand;
use super::token::TokenCommand;
use super::trust_anchor::AnchorCommand;
use super::user::UserCommand;
use super::webhook::WebhookCommand;

const AFTER_HELP: &str = "\
Exit codes:
  0  done; for `doctor`, all is there that the appliance uses
  1  refused by the server (a 4xx answer); for `audit verify`, the log is damaged; for `doctor`, a feature is lacking
  2  usage: the command line, the settings, or a local file that cannot be read or written; for `doctor`, not usable
  3  the server cannot be reached, or fails (a 5xx answer)
  4  not allowed: no token, a token that is not valid, or one without the scope (401, 403)
  5  not found (404)

Environment (an option given on the command line comes first):
  CHANCERY_URL, CHANCERY_CA_FILE, CHANCERY_TOKEN_FILE, CHANCERY_TOKEN, CHANCERY_DIR";

/// Issue and revoke certificates whose authorities' keys live in a token.
#[derive(Debug, Parser)]
#[command(name = "chancery", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Print the API's JSON, unchanged, instead of tables
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) connection: ConnectionArguments,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// Which pages of a long list are wanted.
#[derive(Debug, Args)]
pub(super) struct Pages {
    /// How many on a page, up to 1000
    #[arg(long, value_name = "NUMBER")]
    pub(super) limit: Option<u32>,
    /// The page to begin with, as the page before it named it
    #[arg(long)]
    pub(super) cursor: Option<String>,
    /// All pages
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Authorities
    #[command(subcommand)]
    Ca(AuthorityCommand),
    /// Roles: what may be issued, and by which authority
    #[command(subcommand)]
    Role(RoleCommand),
    /// Issue a certificate and its private key
    Issue(IssueCommand),
    /// Sign a certificate request (CSR)
    Sign(SignCommand),
    /// Certificates that were issued
    #[command(subcommand)]
    Cert(CertificateCommand),
    /// Certificate signing requests that somebody has to approve
    #[command(subcommand)]
    Csr(RequestCommand),
    /// Trust anchors: CA certificates of others that are believed
    #[command(subcommand)]
    Anchor(AnchorCommand),
    /// Certificate revocation lists
    #[command(subcommand)]
    Crl(CrlCommand),
    /// Organizations: the tenants of the appliance
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Projects, which certificates are booked on
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Users, and what they may do
    #[command(subcommand)]
    User(UserCommand),
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Webhooks: where events are sent
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// The ACME server: who may have certificates by it
    #[command(subcommand)]
    Acme(AcmeCommand),
    /// Secrets: values the appliance needs elsewhere, sealed by the token
    #[command(subcommand)]
    Secret(SecretCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What has happened, and what happens
    #[command(subcommand)]
    Event(EventCommand),
    /// Ask whether the appliance is well
    Health,
    /// Examine what an appliance is to be built on
    #[command(subcommand)]
    Doctor(DoctorCommand),
    /// Write the completion script of a shell to standard output
    Completions { shell: Shell },
}

/// A duration as the API takes it, refused here already when it is none.
pub(super) fn duration(text: &str) -> Result<String, DurationFault> {
    text.parse::<Span>().map(|_| text.to_owned())
}
