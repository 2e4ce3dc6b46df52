//! What goes over the socket between the daemon and a token worker.
//!
//! Each side first sends a [`Hello`](message::Hello); then requests go one way, each with an id, many under way at once, and answers and
//! reports of the token's state come back in any order. A frame is a length and a message in postcard's form.
//!
//! Guarantees: both readers are total. What is read is checked as far as a type can be: digests have their algorithm's length, public
//! keys are well formed, texts are bounded. The memory a frame costs is what has arrived of it, not what it promises. What was read or
//! written is wiped before the next: a private key of a subject on its way in or out stays in no buffer.
//!
//! Never does: carry a PIN, the private key of an authority, a wrapping key, a template, an attribute to be set or a mechanism.

mod convert;
pub mod fault;
pub mod frame;
pub mod message;
pub mod outbox;

pub use convert::{FromDaemon, FromWorker, read_from_daemon, read_from_worker, write_answer, write_cancel, write_request, write_state};
pub use message::State;

#[cfg(test)]
mod tests;
