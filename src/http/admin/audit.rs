//! `/v1/admin/audit`: the trail of what was done and refused.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use crate::api::admin as wire;
use crate::audit::Recorded;
use crate::base::clock::rfc3339;
use crate::base::page::{Cursor, Page};
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

/// Oldest first; the last cursor is the place to go on from when more has happened.
pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let cursor = query.cursor("audit");
    query.finish()?;
    let after = match &cursor {
        None => 0,
        Some(cursor) => u64::from_be_bytes(cursor.key().try_into().map_err(|_| Problem::field("cursor", "not from this list"))?),
    };
    let ledger = call.app.ledger.clone();
    // Reading back a part of the journal is long work for a connection's thread.
    let found = tokio::task::spawn_blocking(move || ledger.page(after, limit + 1)).await.map_err(Problem::internal)??;
    let mut items = found;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| Cursor::after("audit", &last.sequence.to_be_bytes()));
    present::json(StatusCode::OK, &present::page(Page { items, next }, |entry| view(&entry)))
}

fn view(recorded: &Recorded) -> wire::AuditEntry {
    let entry = &recorded.entry;
    wire::AuditEntry {
        sequence: recorded.sequence,
        time: rfc3339(entry.time()),
        request_id: entry.request_id().map(|id| id.to_string()),
        actor: entry.actor().to_string(),
        action: entry.action().name().to_owned(),
        object: entry.subject().map(str::to_owned),
        outcome: entry.outcome().to_string(),
        details: entry.details().map(|(field, value)| (field.name().to_owned(), value.to_owned())).collect(),
    }
}
