//! `chancery webhook`.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use crate::api::events::{CreateWebhook, NewWebhook, UpdateWebhook, Webhook, WebhookDelivery, WebhookTest};
use crate::base::secret::Zeroizing;

use super::failure::Failure;
use super::files::{self, NewFile, Readers};
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// List the webhooks
    List,
    /// Make a webhook; the secret its messages are signed with is printed alone, this once
    Create {
        /// The URL events are sent to, https
        #[arg(value_name = "RECEIVER", value_parser = NonEmptyStringValueParser::new())]
        receiver: String,
        /// Such as certificate.issued, or certificate.* for all of a kind; may be repeated; all events unless given
        #[arg(long, value_name = "TYPE")]
        event: Vec<String>,
        #[arg(long)]
        description: Option<String>,
        /// A file of PEM certificates to trust to be the receiver's issuers, in the place of the appliance's
        #[arg(long, value_name = "FILE")]
        receiver_ca: Option<PathBuf>,
        /// Send nothing yet
        #[arg(long)]
        disabled: bool,
        /// Write the secret to this new file, which only you can read
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show one webhook and how far it is
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Change a webhook: what is given replaces what was
    Update {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// The URL events are sent to
        #[arg(long, value_name = "RECEIVER")]
        receiver: Option<String>,
        /// May be repeated
        #[arg(long, value_name = "TYPE")]
        event: Vec<String>,
        #[arg(long)]
        description: Option<String>,
        #[arg(long, value_name = "FILE")]
        receiver_ca: Option<PathBuf>,
        /// Send again, beginning with what waits
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Send nothing; events wait
        #[arg(long)]
        disable: bool,
    },
    /// Delete a webhook; what was not sent is not sent any more
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Send a message that tells of nothing, once, and say what came of it
    Test {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// List what became of the last events, newest first
    Deliveries {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

impl WebhookCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List => {
                let fetch = async |cursor: Option<String>| client.webhooks(cursor.as_deref()).await;
                session.print_pages("listing the webhooks", true, None, fetch, list).await
            }
            Self::Create { receiver, event, description, receiver_ca, disabled, out } => {
                let events = Some(event).filter(|events| !events.is_empty());
                let body = CreateWebhook { url: receiver, events, enabled: Some(!disabled), description, ca_pem: bundle(receiver_ca)? };
                create(session, body, out).await
            }
            Self::Show { id } => session.show("reading the webhook", client.webhook(&id), details).await,
            Self::Update { id, receiver, event, description, receiver_ca, enable, disable } => {
                let events = Some(event).filter(|events| !events.is_empty());
                let enabled = (enable || disable).then_some(enable);
                let body = UpdateWebhook { url: receiver, events, enabled, description, ca_pem: bundle(receiver_ca)? };
                session.show("changing the webhook", client.update_webhook(&id, &body), details).await
            }
            Self::Delete { id } => session.done("deleting the webhook", client.delete_webhook(&id), &format!("deleted {id}")).await,
            Self::Test { id } => session.show("sending a message", client.test_webhook(&id), tried).await,
            Self::Deliveries { id } => {
                let fetch = async |cursor: Option<String>| client.webhook_deliveries(&id, cursor.as_deref()).await;
                session.print_pages("listing the deliveries", true, None, fetch, deliveries).await
            }
        }
    }
}

async fn create(session: &mut Session<'_, '_>, body: CreateWebhook, out: Option<PathBuf>) -> Result<(), Failure> {
    // Before it is made: without a place for its secret it would be of no use.
    let file = out.map(|path| NewFile::create(&path, Readers::Owner)).transpose()?;
    let client = session.client.clone();
    let made = session.wait("making the webhook", client.create_webhook(&body)).await?;
    let NewWebhook { webhook, secret, warnings } = &made.value;
    warnings.iter().for_each(|warning| session.screen.note(&format!("warning: {warning}")));
    let Some(secret) = secret else { return session.print(&made, |made| details(&made.webhook)) };
    let line = Zeroizing::new(format!("{secret}\n"));
    match file {
        Some(file) => {
            let path = file.write(line.as_bytes())?;
            session.screen.note(&format!("its secret is in {}", path.display()));
            if session.json {
                session.screen.line(&made.json_without("secret"))
            } else {
                session.print(&made, |made| details(&made.webhook))
            }
        }
        None if session.json => session.screen.line(made.json()),
        None => {
            session.screen.note(&format!("{}; the secret is not shown again", webhook.id));
            session.screen.write(line.as_bytes())
        }
    }
}

fn bundle(path: Option<PathBuf>) -> Result<Option<String>, Failure> {
    let read = path.map(|path| files::read(&path)).transpose()?;
    Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn list(webhooks: &[Webhook]) -> Rows {
    Rows::list(["ID", "URL", "EVENTS", "ENABLED", "LAG", "LAST ERROR"], webhooks, |webhook| {
        let failing = webhook.status.failing_since.as_ref().and(webhook.status.last_error.clone());
        [
            webhook.id.clone(),
            webhook.url.clone(),
            table::joined(&webhook.events).unwrap_or_else(|| "all".to_owned()),
            table::yes(webhook.enabled),
            webhook.status.lag.to_string(),
            failing.unwrap_or_default(),
        ]
    })
}

fn details(webhook: &Webhook) -> Rows {
    let status = &webhook.status;
    Rows::fields([
        ("id", Some(webhook.id.clone())),
        ("url", Some(webhook.url.clone())),
        ("events", Some(table::joined(&webhook.events).unwrap_or_else(|| "all".to_owned()))),
        ("enabled", Some(table::yes(webhook.enabled))),
        ("description", Some(webhook.description.clone()).filter(|text| !text.is_empty())),
        ("created at", Some(webhook.created_at.clone())),
        ("position", Some(status.position.clone())),
        ("lag", Some(status.lag.to_string())),
        ("last success", status.last_success_at.clone()),
        ("last error", status.last_error.clone()),
        ("last error at", status.last_error_at.clone()),
        ("failing since", status.failing_since.clone()),
        ("retrying event", status.retrying_event.clone()),
        ("attempts", Some(status.attempts).filter(|attempts| *attempts > 0).map(|attempts| attempts.to_string())),
        ("next attempt", status.next_attempt_at.clone()),
    ])
}

fn tried(test: &WebhookTest) -> Rows {
    Rows::fields([
        ("delivered", Some(table::yes(test.delivered))),
        ("status", test.status_code.map(|status| status.to_string())),
        ("error", test.error.clone()),
    ])
}

fn deliveries(deliveries: &[WebhookDelivery]) -> Rows {
    Rows::list(["EVENT", "TYPE", "STATE", "ATTEMPTS", "LAST ATTEMPT", "STATUS", "ERROR"], deliveries, |delivery| {
        [
            delivery.event_id.clone(),
            delivery.event_type.clone(),
            delivery.state.clone(),
            delivery.attempts.to_string(),
            delivery.last_attempt_at.clone(),
            delivery.status_code.map(|status| status.to_string()).unwrap_or_default(),
            delivery.error.clone().unwrap_or_default(),
        ]
    })
}
