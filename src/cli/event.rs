//! `chancery event`: what has happened, and what happens.

use clap::{Args, Subcommand};

use crate::api::events::CloudEvent;

use super::arguments::Pages;
use super::failure::Failure;
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// List what has happened, oldest first
    List(ListArguments),
    /// Print what happens, one JSON document a line, until the appliance stops
    Follow(FollowArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    pages: Pages,
}

#[derive(Debug, Args)]
pub(super) struct FollowArguments {
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Debug, Args)]
struct Wanted {
    /// Only such events: certificate.issued, or certificate.* for all of a kind
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events behind the one of this id
    #[arg(long, value_name = "ID")]
    after: Option<u64>,
}

impl EventCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Follow(command) => command.run(session).await,
        }
    }
}

impl ListArguments {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let (Wanted { kind, after }, Pages { limit, cursor, all }) = (self.wanted, self.pages);
        let fetch = async |cursor: Option<String>| client.events(kind.as_deref(), after, limit, cursor.as_deref()).await;
        session.print_pages("listing the events", all, cursor, fetch, list).await
    }
}

impl FollowArguments {
    async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let doing = "following the events";
        let Wanted { kind, after } = self.wanted;
        let mut stream = session.wait(doing, session.client.follow_events(kind.as_deref(), after)).await?;
        while let Some(event) = stream.next().await.map_err(|source| Failure::Call { doing, source })? {
            let line = serde_json::to_vec(&event).unwrap_or_default();
            session.screen.line(&line)?;
        }
        session.screen.note("the appliance has ended the stream; --after with the last id goes on behind it");
        Ok(())
    }
}

fn list(events: &[CloudEvent]) -> Rows {
    Rows::list(["ID", "TIME", "TYPE", "SUBJECT", "DATA"], events, |event| {
        let data = event.data.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        [event.id.clone(), event.time.clone(), event.kind.clone(), event.subject.clone().unwrap_or_default(), data.join(" ")]
    })
}
