//! The HTTP API: a table of routes, a dispatcher that treats all of them alike, and problem documents.
//!
//! A handler is reached only through [`call::Call`], which exists after the caller was authenticated and holds what the route
//! asks for; the engine is reached only with what was read from it.

mod admin;
pub mod app;
mod authenticate;
mod call;
mod dispatch;
mod idle;
pub mod limits;
pub mod metrics;
mod peer;
mod pki;
pub mod problem;
mod public;
mod request_log;
pub mod router;
pub mod routes;
pub mod server;
pub mod tls;
mod to_its_end;
