//! These load SoftHSM into the process, so each needs a process of its own, as cargo-nextest gives it. Under plain `cargo test` they
//! would share the module and its one configuration.

mod custody;
mod keys;
mod load;
mod recovery;
mod setup;
