//! What every request goes through, whatever its route: a request id, authentication, permission, the handler, and what is
//! counted, logged and audited of the outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use futures_util::FutureExt;

use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::request_log;
use super::routes::Route;
use super::to_its_end::ToItsEnd;
use crate::access::{Caller, Permission, without_secrets};
use crate::audit::{Action, Field};
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
pub fn unrouted(app: &App, problem: Problem) -> Response<Body> {
    let id = RequestId::new();
    app.metrics.unrouted(problem.status);
    with_id(problem.into_response(id), id)
}

async fn answer(app: Arc<App>, route: &'static Route, path: Vec<(String, String)>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let id = RequestId::new();
    let (parts, body) = request.into_parts();
    let uri = parts.uri.clone();
    let authenticated = authenticate(&app, route.permission, &parts.headers, id);
    let caller = authenticated.as_ref().ok().cloned().unwrap_or_else(|| Caller::anonymous(id));
    let outcome = match authenticated.and_then(|caller| permit(caller, route.permission)) {
        Err(problem) => Err(problem),
        Ok(caller) => {
            let call = Call {
                app: app.clone(),
                caller,
                path,
                query: parts.uri.query().map(str::to_owned),
                headers: parts.headers,
                body,
                body_limit: route.body_limit,
            };
            // A fault in one handler must not take the connection's other requests with it.
            AssertUnwindSafe((route.handler)(call)).catch_unwind().await.unwrap_or_else(|_| Err(Problem::internal("a handler panicked")))
        }
    };
    let response = finish(&app, route, &caller, uri.path(), id, outcome);
    app.metrics.request(route, response.status(), started.elapsed());
    response
}

fn authenticate(app: &App, permission: Permission, headers: &HeaderMap, id: RequestId) -> Result<Caller, Problem> {
    if permission == Permission::Public {
        return Ok(Caller::anonymous(id));
    }
    let refused = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
    let header = headers.get(header::AUTHORIZATION).ok_or_else(|| refused("Send an API token: Authorization: Bearer chy_…"))?;
    let secret = header.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, secret) = secret.ok_or_else(|| refused("The Authorization header is not of the form: Bearer chy_…"))?;
    app.tokens.authenticate(secret.trim(), id).ok_or_else(|| refused("The API token is unknown, revoked or expired."))
}

fn permit(caller: Caller, permission: Permission) -> Result<Caller, Problem> {
    match permission {
        Permission::Public => Ok(caller),
        Permission::Scope(scope) if caller.holds(scope) => Ok(caller),
        Permission::Scope(scope) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", format!("This needs a token with the scope {scope}.")))
        }
    }
}

fn finish(
    app: &App,
    route: &Route,
    caller: &Caller,
    path: &str,
    id: RequestId,
    outcome: Result<Response<Body>, Problem>,
) -> Response<Body> {
    let response = match outcome {
        Ok(mut response) => {
            request_log::answered(route, caller, id, &mut response);
            response
        }
        Err(problem) => {
            request_log::refused(route, caller, id, &problem);
            note_refusal(app, route, caller, path, &problem);
            problem.into_response(id)
        }
    };
    with_id(response, id)
}

/// Refusals are audited: every one for want of a right, and every one of a request that would have changed something.
fn note_refusal(app: &App, route: &Route, caller: &Caller, path: &str, problem: &Problem) {
    let for_want_of_a_right = matches!(problem.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if !for_want_of_a_right && route.method == Method::GET {
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
    app.ledger.note_soon(entry);
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
