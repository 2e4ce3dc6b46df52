//! The `/v1/pki` family.

pub mod authorities;
pub mod certificates;
pub mod crl;
pub mod issue;
pub mod present;
pub mod roles;
pub mod trust_anchors;
pub mod validation;
