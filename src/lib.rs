//! Chancery: a certificate authority whose keys live in a PKCS#11 token.
//!
//! The modules stand in rows; a module uses modules of earlier rows only. `docs/architecture.md` draws the map and
//! `tests/repo` holds it.

pub mod access;
pub mod acme_server;
pub mod api;
pub mod audit;
pub mod base;
pub mod ca;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod events;
pub mod http;
pub mod inventory;
pub mod journal;
pub mod lifecycle;
pub mod outbound;
pub mod policy;
pub mod profiles;
pub mod requests;
pub mod secrets;
pub mod storage;
pub mod token;
pub mod x509;
