//! The ACME server of RFC 8555.

pub mod validation;
