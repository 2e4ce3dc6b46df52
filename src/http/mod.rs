//! The HTTP API: a table of routes, a dispatcher that treats all of them alike, and problem documents.
//!
//! A handler is reached only through [`call::Call`], which exists after the caller was authenticated and holds what the route
//! asks for; the engine is reached only with what was read from it.

mod acme;
mod admin;
pub mod admission;
mod answer;
pub mod app;
mod authenticate;
mod call;
mod condition;
mod dispatch;
pub mod events;
pub mod idempotency;
mod idle;
pub mod limits;
pub mod long_work;
pub mod metrics;
mod ocsp;
mod openapi;
mod peer;
mod pki;
pub mod problem;
mod problem_acme;
mod public;
pub mod query;
pub mod rate;
mod request_log;
pub mod router;
pub mod routes;
mod secrets;
pub mod server;
pub mod source;
mod throttle;
pub mod tls;
mod to_its_end;
mod unread;
mod webhooks;
