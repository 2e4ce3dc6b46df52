//! `chancery audit`.

use clap::Subcommand;

use crate::api::admin::AuditEntry;

use super::failure::Failure;
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List entries of the audit trail
    List {
        /// How many on a page, up to 1000
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u32>,
        /// The page to begin with, as the page before it named it
        #[arg(long)]
        cursor: Option<String>,
        /// All pages
        #[arg(long)]
        all: bool,
    },
}

impl AuditCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List { limit, cursor, all } => {
                let fetch = async |cursor: Option<String>| client.audit(limit, cursor.as_deref()).await;
                session.print_pages("listing the audit trail", all, cursor, fetch, list).await
            }
        }
    }
}

fn list(entries: &[AuditEntry]) -> Rows {
    Rows::list(["SEQUENCE", "TIME", "ACTOR", "ACTION", "OUTCOME", "OBJECT"], entries, |entry| {
        [
            entry.sequence.to_string(),
            entry.time.clone(),
            entry.actor.clone(),
            entry.action.clone(),
            entry.outcome.clone(),
            entry.object.clone().unwrap_or_default(),
        ]
    })
}
