//! The daemon: putting the parts together, serving, the hourly work, and stopping in order.

pub mod assembly;
pub mod dev;
pub mod first_token;
mod listener_certificate;
pub mod manual;
mod private_file;
mod publication;
pub mod run;
