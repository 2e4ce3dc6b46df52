//! The daemon: putting the parts together, serving, the hourly work, and stopping in order.

mod admin_socket;
pub mod assembly;
pub mod dev;
pub mod first_token;
mod listener;
mod private_file;
mod publication;
pub mod run;
