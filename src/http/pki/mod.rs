//! The `/v1/pki` family.

pub mod authorities;
pub mod certificates;
pub mod crl;
mod crl_body;
pub mod csr;
pub mod import;
pub mod issue;
pub mod present;
pub mod private_key;
pub mod renew;
pub mod roles;
pub mod sign;
pub mod trust_anchors;
pub mod validation;
