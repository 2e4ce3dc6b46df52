//! The `/v1/admin` family.

pub mod audit;
pub mod tokens;
