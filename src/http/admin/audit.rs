//! `/v1/admin/audit`: the trail of what was done and refused.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use crate::access::Scope;
use crate::api::admin as wire;
use crate::audit::{Entry, Filter, Listed, Outcome, Start};
use crate::base::clock::rfc3339;
use crate::base::page::{Cursor, NotACursor, Page};
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

/// Oldest first. A page may be short, for a page reads a bounded part of the journal.
pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let mark = call.mark("audit");
    let cursor = query.cursor(&mark);
    query.finish()?;
    let after = match &cursor {
        None => 0,
        Some(cursor) => u64::from_be_bytes(cursor.key().try_into().map_err(|_| NotACursor)?),
    };
    let ledger = call.app.ledger.clone();
    // Reading back a part of the journal is long work for a connection's thread.
    // The appliance's own affairs, and everybody's, are for those who answer for the appliance.
    let organization = (!call.caller.holds(Scope::System)).then_some(call.caller.organization());
    let filter = Filter { organization, ..Filter::default() };
    let read = move || ledger.page(&filter, Start::After(after), limit);
    let found = call.app.long_work.run(call.caller.organization(), read).await??;
    let next = found.next.map(|start| match start {
        Start::After(sequence) | Start::Before(sequence) => Cursor::after(&mark, &sequence.to_be_bytes()),
    });
    present::json(StatusCode::OK, &present::page(Page { items: found.entries, next }, view))
}

fn view(listed: Listed) -> wire::AuditEntry {
    let Listed { sequence, entry, chain: _ } = listed;
    let Entry { time, request, organization, actor, action, object, outcome, details } = entry;
    wire::AuditEntry {
        sequence,
        time: rfc3339(time),
        request_id: request.map(|id| id.to_string()),
        organization_id: organization.map(|id| id.to_string()),
        actor: actor.to_string(),
        action: action.name().to_owned(),
        severity: action.severity().name().to_owned(),
        object,
        outcome: match outcome {
            Outcome::Done => "done".to_owned(),
            Outcome::Refused { code } => format!("refused: {code}"),
        },
        details: details.into_iter().map(|(field, value)| (field.name().to_owned(), value)).collect(),
    }
}
