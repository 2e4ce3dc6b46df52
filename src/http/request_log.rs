//! The line each request leaves in the log: which request, whose, what came of it and what it was about.
//!
//! In the system's journal its fields are CHANCERY_REQUEST, CHANCERY_CALLER, CHANCERY_CA, CHANCERY_SERIAL and so on, to be asked for by
//! name. No line holds what a client sent, beyond what was recognised in it.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::problem::Problem;
use super::routes::Route;
use crate::access::Caller;
use crate::base::id::{CaId, RequestId};
use crate::x509::serial::Serial;

/// What a request was about, told by its handler along with the response.
#[derive(Clone)]
struct Subject {
    ca: CaId,
    serial: Option<String>,
}

/// The response, which was about this authority and perhaps this certificate of it.
pub fn about(mut response: Response<Body>, ca: CaId, serial: Option<&Serial>) -> Response<Body> {
    response.extensions_mut().insert(Subject { ca, serial: serial.map(ToString::to_string) });
    response
}

/// A request that was done. What only reads is told of to those who ask for it.
pub fn answered(route: &Route, caller: &Caller, id: RequestId, response: &mut Response<Body>) {
    let subject = response.extensions_mut().remove::<Subject>();
    let ca = subject.as_ref().map(|subject| tracing::field::display(subject.ca));
    let serial = subject.as_ref().and_then(|subject| subject.serial.as_deref());
    let (method, path, status) = (&route.method, route.path, response.status().as_u16());
    if route.only_reads() {
        tracing::debug!(request = %id, %caller, ca, serial, %method, path, status, "request answered");
    } else {
        tracing::info!(request = %id, %caller, ca, serial, %method, path, status, "request answered");
    }
}

/// A request that was refused, or that failed.
pub fn refused(route: &Route, caller: &Caller, id: RequestId, problem: &Problem) {
    let (method, path, status, code) = (&route.method, route.path, problem.status.as_u16(), problem.code);
    if problem.status.is_server_error() {
        let cause = problem.cause.as_deref().unwrap_or_default();
        tracing::error!(request = %id, %caller, %method, path, status, code, cause, "request failed");
    } else if problem.status == StatusCode::TOO_MANY_REQUESTS {
        // A line for each would be what a flood is for.
        tracing::debug!(request = %id, %caller, %method, path, status, code, "request refused");
    } else {
        tracing::info!(request = %id, %caller, %method, path, status, code, "request refused");
    }
}
