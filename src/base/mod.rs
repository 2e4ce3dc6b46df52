//! What every other module may lean on: time, ids, durations, secrets, hashes, pages, texts, keys of names, turns, and buckets that limit rates. No I/O but the clock and the random source.

pub mod bucket;
pub mod clock;
pub mod duration;
pub mod hash;
pub mod id;
pub mod object_name;
pub mod page;
pub mod recent;
pub mod secret;
pub mod tenant;
pub mod text;
pub mod toml_fault;
pub mod turns;
pub mod wiping;
