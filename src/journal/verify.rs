//! Checking a whole journal without a daemon, or beside a running one.

use std::path::Path;
use std::time::Duration;

use super::{Chain, Frame, Frames, JournalError, Position, Tail};

/// What a valid journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub frames: u64,
    /// The first sequence; 0 when there is no record.
    pub first: u64,
    /// The last sequence; 0 when there is no record.
    pub last: u64,
    /// The hash that vouches for all of it.
    pub head: Chain,
    /// Bytes behind the last frame that are none: a torn frame, or one that is being written at this moment.
    pub torn_bytes: u64,
}

/// How often the end is read again before a half frame counts as torn: a running daemon finishes its write meanwhile.
const LOOKS: usize = 3;

/// Reads every frame from the first on, handing each to `check`, whose error ends the reading.
pub fn verify<E: From<JournalError>>(folder: &Path, mut check: impl FnMut(&Frame<'_>) -> Result<(), E>) -> Result<Summary, E> {
    let mut frames = Frames::open(folder, Position::START)?;
    let mut count = 0;
    let mut looks = LOOKS;
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => {
                count += 1;
                check(&frame)?;
                continue;
            }
            Ok(None) => {}
            // What looks like damage may be a frame that was half written when it was read.
            Err(JournalError::Corrupt { .. }) if looks > 0 => {}
            Err(error) => return Err(error.into()),
        }
        if looks == 0 || frames.tail() == Some(Tail::Clean) {
            break;
        }
        looks -= 1;
        std::thread::sleep(Duration::from_millis(20));
        frames.look_again()?;
    }
    let end = frames.position();
    let torn_bytes = match frames.tail() {
        Some(Tail::Torn { bytes }) => bytes,
        Some(Tail::Clean) | None => 0,
    };
    Ok(Summary { frames: count, first: end.sequence.min(1), last: end.sequence, head: end.chain, torn_bytes })
}
