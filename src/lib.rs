//! Chancery: a certificate authority whose keys live in a PKCS#11 token.
//!
//! The modules stand in rows; a module uses modules of earlier rows only. `docs/architecture.md` draws the map and
//! `tests/repo` holds it.

pub mod api;
pub mod audit;
pub mod base;
pub mod cli;
pub mod client;
pub mod journal;
pub mod storage;
pub mod x509;
