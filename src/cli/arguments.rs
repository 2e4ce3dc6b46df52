//! The command line's shape.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::base::duration::{DurationFault, Span};

use super::audit::AuditCommand;
use super::authority::AuthorityCommand;
use super::certificate::CertificateCommand;
use super::connection::ConnectionArguments;
use super::crl::CrlCommand;
use super::issue::{IssueCommand, SignCommand};
use super::role::RoleCommand;
use super::token::TokenCommand;
use super::trust_anchor::AnchorCommand;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  refused by the server (a 4xx answer); for `audit verify`, the log is damaged
  2  usage: the command line, the settings, or a local file that cannot be read or written
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
    /// Trust anchors: CA certificates of others that are believed
    #[command(subcommand)]
    Anchor(AnchorCommand),
    /// Certificate revocation lists
    #[command(subcommand)]
    Crl(CrlCommand),
    /// API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Ask whether the appliance is well
    Health,
    /// Write the completion script of a shell to standard output
    Completions { shell: Shell },
}

/// A duration as the API takes it, refused here already when it is none.
pub(super) fn duration(text: &str) -> Result<String, DurationFault> {
    text.parse::<Span>().map(|_| text.to_owned())
}
