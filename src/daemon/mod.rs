//! The daemon: putting the parts together, shutting itself in, serving, the hourly work, and stopping in order.

mod admin_socket;
pub mod assembly;
mod budgets;
pub mod dev;
mod environment;
pub mod first_token;
mod listener;
pub mod log;
pub mod manual;
pub mod migration;
mod private_file;
mod publication;
pub mod reload;
mod rounds;
pub mod run;
pub mod sandbox;
mod supervisor;
pub mod surroundings;
