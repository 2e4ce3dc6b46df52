//! What anybody may ask: health and metrics. Neither names an object of the appliance but its tokens, as the configuration calls them.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::call::Call;
use super::pki::present;
use super::problem::Problem;
use crate::api::admin::{Health, TokenHealth};
use crate::ca::CrlHealth;
use crate::token::WorkerHealth;

/// 200 when the appliance can sign and write, 503 when it cannot.
pub async fn health(call: Call) -> Result<Response<Body>, Problem> {
    let token = call.app.token.health();
    let storage = call.app.storage.health();
    let storage_text = match (storage.is_dead, storage.is_low) {
        (true, _) => "failed",
        (false, true) => "full",
        (false, false) => "ok",
    };
    let is_well = token.reachable && !storage.is_dead;
    let body = Health {
        status: if is_well { "ok" } else { "failing" }.to_owned(),
        token: if token.reachable { "ok" } else { "unreachable" }.to_owned(),
        tokens: call.app.token.workers().iter().map(of_worker).collect(),
        storage: storage_text.to_owned(),
        key_faults: call.app.key_faults.iter().map(|(fault, count)| (fault.name().to_owned(), *count)).collect(),
        crls: match call.app.crls.health() {
            CrlHealth { rejected: 1.., .. } => "rejected",
            CrlHealth { ended: 1.., .. } => "ended",
            CrlHealth { .. } => "ok",
        }
        .to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    present::json(if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

fn of_worker(worker: &WorkerHealth) -> TokenHealth {
    let status = match (worker.health.reachable, worker.lacks_key) {
        (false, _) => "unreachable",
        (true, true) => "incomplete",
        (true, false) => "ok",
    };
    TokenHealth { name: worker.token.to_string(), status: status.to_owned() }
}

/// The metrics in the text form of Prometheus.
pub async fn metrics(call: Call) -> Result<Response<Body>, Problem> {
    call.app.metrics.remembered(call.app.rates.remembered());
    let text = call
        .app
        .metrics
        .render(&call.app.token.health_by_name(), &call.app.storage.health(), &call.app.key_faults, call.app.crls.health())
        .map_err(Problem::internal)?;
    present::bytes_of(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
}
