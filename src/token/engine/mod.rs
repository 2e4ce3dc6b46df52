//! What calls into the module.

pub mod generation;
pub mod initialise;
pub mod link;
pub mod module;
pub mod objects;
pub mod rate;
pub mod signing;
pub mod worker;

use super::{Token, TokenError, error, error_class, health, key};

#[cfg(test)]
mod tests;
