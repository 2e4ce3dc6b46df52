//! The `/v1/admin` family.

pub mod audit;
pub mod organizations;
pub mod projects;
pub mod read;
pub mod tokens;
pub mod users;
