//! What every other module may lean on: time, ids, durations, secrets, pages and texts. No I/O but the clock and the random source.

pub mod clock;
pub mod duration;
pub mod id;
pub mod object_name;
pub mod page;
pub mod secret;
pub mod text;
pub mod toml_fault;
pub mod wiping;
