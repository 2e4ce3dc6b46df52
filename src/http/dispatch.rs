//! What every request goes through, whatever its route: a request id, authentication, permission, the handler, and what is
//! counted, logged and audited of the outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use futures_util::FutureExt;

use super::acme;
use super::app::App;
use super::authenticate::Approach;
use super::call::Call;
use super::idempotency;
use super::peer::Peer;
use super::problem::Problem;
use super::request_log;
use super::routes::Route;
use super::throttle;
use super::to_its_end::ToItsEnd;
use super::unread::Unread;
use crate::access::{Caller, Permission, without_secrets};
use crate::audit::{Action, Actor, Field};
use crate::base::id::RequestId;

/// Serves one request of a route.
pub async fn serve(app: Arc<App>, route: &'static Route, path: Vec<(String, String)>, request: Request<Body>) -> Response<Body> {
    // Reading is given up with its client; whatever changes something, or is refused to, runs to its end and its audit entry.
    if route.method == Method::GET {
        answer(app, route, path, request).await
    } else {
        ToItsEnd::new(answer(app, route, path, request)).await
    }
}

/// Answers for paths and methods that no route has.
pub async fn unrouted(app: &App, request: Request<Body>, problem: Problem) -> Response<Body> {
    let id = RequestId::new();
    let (parts, body) = request.into_parts();
    let (body, unread) = Unread::lend(parts.version, body);
    drop(body);
    let problem = throttle::unrouted(app, parts.extensions.get::<Peer>()).err().unwrap_or(problem);
    let problem = if parts.uri.path().starts_with(acme::ROOT) { acme::unrouted(app, problem) } else { problem };
    if let Some(unread) = unread {
        unread.read().await;
    }
    app.metrics.unrouted(problem.status);
    with_id(problem.into_response(id), id)
}

async fn answer(app: Arc<App>, route: &'static Route, path: Vec<(String, String)>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let id = RequestId::new();
    let (mut parts, body) = request.into_parts();
    let (body, unread) = Unread::lend(parts.version, body);
    let peer = parts.extensions.remove::<Peer>();
    let approach = Approach { id, headers: parts.headers, peer, permission: route.permission };
    let known = approach.caller(&app);
    let caller = known.as_ref().ok().cloned().unwrap_or_else(|| approach.stranger());
    let admitted = throttle::admit(&app, route, &approach, known);
    // Over HTTP/1.1 a connection goes on only if the body has come when it is thrown away, so that of a refused request is kept for as long
    // as the refusal takes.
    let mut refused_body = None;
    let outcome = match admitted.and_then(|caller| approach.permit(caller)) {
        Err(problem) => {
            refused_body = Some(body);
            Err(problem)
        }
        Ok(caller) => match tell_of_break_glass(&app, route, &caller, parts.uri.path()).await {
            Err(problem) => {
                refused_body = Some(body);
                Err(problem)
            }
            Ok(()) => {
                let query = parts.uri.query().map(str::to_owned);
                let (uri, body_limit) = (parts.uri.clone(), route.body_limit);
                let method = parts.method.clone();
                let call = Call { app: app.clone(), caller, method, path, query, uri, approach, body, body_limit };
                // A fault in one handler must not take the connection's other requests with it.
                AssertUnwindSafe(idempotency::serve(route, call))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| Err(Problem::internal("a handler panicked")))
            }
        },
    };
    let outcome = if route.is_acme() { acme::faced(&app, route, &parts.uri, outcome) } else { outcome };
    let response = match outcome {
        Ok(mut response) => {
            request_log::answered(route, &caller, id, &mut response);
            response
        }
        Err(problem) => {
            request_log::refused(route, &caller, id, &problem);
            note_refusal(&app, route, &caller, parts.uri.path(), &problem).await;
            problem.into_response(id)
        }
    };
    drop(refused_body);
    if let Some(unread) = unread {
        unread.read().await;
    }
    let response = with_id(response, id);
    app.metrics.request(route, response.status(), started.elapsed());
    response
}

/// Whoever comes through the break-glass socket is told of before anything is done for them, reading included; what cannot be
/// told of is not done.
async fn tell_of_break_glass(app: &App, route: &Route, caller: &Caller, path: &str) -> Result<(), Problem> {
    let Actor::BreakGlass { user, process } = caller.origin().actor() else { return Ok(()) };
    if route.permission == Permission::Public {
        return Ok(());
    }
    tracing::warn!(user, process, method = %route.method, path, "BREAK GLASS: a request without a token through the local socket");
    let entry = caller.origin().entry(Action::BreakGlassUse, app.clock.now());
    let entry = entry.detail(Field::Method, &route.method).detail(Field::Path, without_secrets(path));
    app.ledger.note(entry).await?;
    Ok(())
}

/// Refusals are audited: every one for want of a right, and every one of a request that would have changed something.
async fn note_refusal(app: &App, route: &Route, caller: &Caller, path: &str, problem: &Problem) {
    // What is too much is told of once in a while, by what found it too much.
    if problem.status == StatusCode::TOO_MANY_REQUESTS {
        return;
    }
    let for_want_of_a_right = matches!(problem.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    // What anybody may ask for changes nothing, whatever the method: OCSP asks by POST.
    if !for_want_of_a_right && (route.method == Method::GET || route.permission == Permission::Public) {
        return;
    }
    // Which role or certificate it was about; what strangers ask for is told by the route alone, for they may ask for anything.
    let path = if problem.status == StatusCode::UNAUTHORIZED { route.path } else { path };
    let violations = problem.violations.iter().map(|v| format!("{}: {}", v.field, v.message)).collect::<Vec<_>>().join("; ");
    let entry = caller
        .origin()
        .refused(Action::RequestRefused, app.clock.now(), problem.code)
        .detail(Field::Method, &route.method)
        .detail(Field::Path, without_secrets(path))
        .detail(Field::Fault, without_secrets(&violations));
    match caller.origin().actor() {
        Actor::Anonymous => app.ledger.note_soon(entry),
        // Who has shown who they are cannot flood in secret: each is waited for. A store that takes none of it has said why.
        Actor::Token { .. } | Actor::BreakGlass { .. } | Actor::System | Actor::AcmeAccount { .. } => {
            if let Err(error) = app.ledger.note_refusal(entry).await {
                tracing::warn!(%error, "a refusal is not in the audit trail");
            }
        }
    }
}

fn with_id(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert("x-request-id", value);
    }
    // Answers may hold keys and belong to one caller; what is public says otherwise itself.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
