//! A typed client of our own API, for the command line and for tests.
//!
//! One method for each endpoint, over kept-alive HTTP/1.1 connections with TLS; plain HTTP only to the machine itself, or through the daemon's socket. It
//! guarantees an end to every wait and to every answer's size, and that a problem document reaches the caller whole.
//! It never follows redirects, never repeats a request that may have been carried out, uses no proxy, and shows neither the
//! token nor a returned private key in an error or by `Debug`.

mod access;
mod acme;
mod admin;
mod answer;
mod authorities;
mod certificates;
mod endpoint;
mod error;
mod events;
mod roles;
mod secrets;
mod signing_requests;
mod socket;
mod target;
mod transport;
mod trust_anchors;
mod webhooks;

pub use admin::NewToken;
pub use answer::Answer;
pub use authorities::CrlForm;
pub use certificates::{CertificateFilter, Issued, PrivateKey};
pub use endpoint::{Endpoint, EndpointFault};
pub use error::{ClientError, Mismatch};
pub use events::EventStream;
pub use transport::{Client, DEFAULT_TIMEOUT};

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
