//! Whether a request is one too many, told as problem documents, in the metrics and, within bounds, in the audit trail.
//!
//! It comes behind the look for the caller, who is known by then: a right credential is judged by its own budget and by nothing that
//! others from the same address have done.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};

use super::app::App;
use super::authenticate::Approach;
use super::metrics::Limited;
use super::peer::Peer;
use super::problem::Problem;
use super::rate::{TooMany, Verdict, Work};
use super::routes::Route;
use super::source::Source;
use crate::access::{Caller, without_secrets};
use crate::audit::{Action, Actor, Field};

/// The code of a request beyond its caller's or its address's rate.
pub const RATE_LIMITED: &str = "rate_limited";
/// The code of a wrong secret beyond those that are answered as such.
pub const TOO_MANY_WRONG: &str = "too_many_wrong_credentials";

/// The caller, whose request is within what is allowed; or why it is not answered.
pub fn admit(app: &App, route: &Route, approach: &Approach, known: Result<Caller, Problem>) -> Result<Caller, Problem> {
    let source = approach.peer.as_ref().and_then(Peer::source);
    match known {
        Ok(caller) => match caller.origin().actor() {
            Actor::Token { id, .. } => {
                let spent = app.rates.caller(*id, work(route), Instant::now());
                spent.map_err(|too_many| of_caller(app, route, &caller, too_many))?;
                Ok(caller)
            }
            // Public routes; each address has its part of them.
            Actor::Anonymous => stranger(app, approach, source).map(|()| caller),
            // Root on this machine could stop the daemon altogether.
            Actor::BreakGlass { .. } | Actor::System | Actor::AcmeAccount { .. } => Ok(caller),
        },
        Err(problem) => {
            stranger(app, approach, source)?;
            match source {
                Some(source) if problem.status == StatusCode::UNAUTHORIZED && approach.shows_secret() => {
                    wrong_secret(app, approach, source, problem)
                }
                Some(_) | None => Err(problem),
            }
        }
    }
}

/// The same for what no route takes.
pub fn unrouted(app: &App, peer: Option<&Peer>) -> Result<(), Problem> {
    let Some(source) = peer.and_then(Peer::source) else { return Ok(()) };
    app.rates.stranger(source, Instant::now()).map_err(|too_many| of_address(app, too_many.wait))
}

/// What a route asks for. Whatever may change something is written durably, and most of it is signed.
fn work(route: &Route) -> Work {
    if route.method == Method::GET { Work::Read } else { Work::Sign }
}

fn stranger(app: &App, approach: &Approach, source: Option<Source>) -> Result<(), Problem> {
    let Some(source) = source else { return Ok(()) };
    app.rates.stranger(source, Instant::now()).map_err(|TooMany { wait, is_to_tell }| {
        if is_to_tell {
            let entry = approach.stranger().origin().refused(Action::RequestRefused, app.clock.now(), RATE_LIMITED);
            app.ledger.note_soon(entry);
        }
        of_address(app, wait)
    })
}

fn of_address(app: &App, wait: Duration) -> Problem {
    app.metrics.limited(Limited::Address);
    too_many(RATE_LIMITED, "More requests without a valid credential came from this address than are taken; try again later.", wait)
}

fn of_caller(app: &App, route: &Route, caller: &Caller, refused: TooMany) -> Problem {
    app.metrics.limited(Limited::Caller);
    if refused.is_to_tell {
        let entry = caller.origin().refused(Action::RequestRefused, app.clock.now(), RATE_LIMITED);
        app.ledger.note_soon(entry.detail(Field::Method, &route.method).detail(Field::Path, without_secrets(route.path)));
        tracing::warn!(%caller, "requests of this caller are refused for being too many");
    }
    too_many(RATE_LIMITED, "This caller makes more requests than it may; try again later.", refused.wait)
}

fn wrong_secret(app: &App, approach: &Approach, source: Source, problem: Problem) -> Result<Caller, Problem> {
    let (left, begins_after) = match app.rates.wrong_secret(source, Instant::now()) {
        Verdict::Wrong => return Err(problem),
        Verdict::Wait { left, begins_after } => (left, begins_after),
    };
    app.metrics.limited(Limited::WrongCredentials);
    if let Some(wrong) = begins_after {
        let seconds = whole_seconds(left);
        // The daemon's own entry: the noise of strangers, which is bounded, must not cover it.
        let entry = Caller::system().origin().refused(Action::SourceLockOut, app.clock.now(), TOO_MANY_WRONG);
        let entry = entry.detail(Field::Peer, source).detail(Field::Count, wrong).detail(Field::Ttl, format!("{seconds}s"));
        app.ledger.note_soon(entry.request(approach.id));
        tracing::warn!(%source, wrong, seconds, "wrong credentials from this address are not looked into for a while");
    }
    let detail = "Too many wrong credentials came from this address, and this was another. A valid one is taken at any time.";
    Err(too_many(TOO_MANY_WRONG, detail, left))
}

fn too_many(code: &'static str, detail: &str, wait: Duration) -> Problem {
    Problem { retry_after: Some(whole_seconds(wait)), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail) }
}

/// Rounded up: who comes back then is taken.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
