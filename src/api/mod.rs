//! Wire types: what requests and responses look like in JSON, by API family. No behaviour but reading a body.

pub mod acme;
pub mod admin;
pub mod body;
pub mod crl;
pub mod doctor;
pub mod events;
pub mod import;
pub mod pki;
pub mod problem;
pub mod secrets;
