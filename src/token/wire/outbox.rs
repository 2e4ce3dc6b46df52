//! What is to be written to a socket by whoever comes first: others that come meanwhile leave theirs and go on.
//!
//! So a write takes along all that has gathered, and nobody holds a lock while the kernel works.

use std::sync::Mutex;

use zeroize::Zeroize;

use crate::token::lock;

/// Bytes on their way out.
#[derive(Default)]
pub struct Outbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    is_written: bool,
}

impl Outbox {
    /// Adds bytes. When it says true the caller is the one who writes, until [`take`](Self::take) gives nothing more.
    #[must_use = "nobody else writes until the one who does has found it empty"]
    pub fn push(&self, bytes: &[u8]) -> bool {
        let mut state = lock(&self.state);
        state.waiting.extend_from_slice(bytes);
        !std::mem::replace(&mut state.is_written, true)
    }

    /// All that waits, into an emptied buffer; false when there is nothing and the writing is over.
    pub fn take(&self, buffer: &mut Vec<u8>) -> bool {
        // What was written may have been a private key, and the buffer is kept.
        buffer.as_mut_slice().zeroize();
        buffer.clear();
        let mut state = lock(&self.state);
        std::mem::swap(&mut state.waiting, buffer);
        if buffer.is_empty() {
            state.is_written = false;
        }
        !buffer.is_empty()
    }
}
