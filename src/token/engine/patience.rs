//! How long a worker gives the module to be initialised and logged in to.
//!
//! A token of tens of thousands of objects takes seconds, and a module that hangs takes for ever: neither is known beforehand. So a worker
//! begins with little time, and leaves word for its successors (systemd.exec(5), RuntimeDirectory=): that it began, and how long it took in
//! the end. When several in a row did not come through, each has twice the time of the one before, up to what the configuration allows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pin;

/// What a worker begins with. A service that was away is back within five seconds, and starting takes some of them.
const FIRST: Duration = Duration::from_secs(3);
/// Faults come and go; so many starts in a row fail before it is taken for slowness.
const SHORT_STARTS: u32 = 5;
/// Of how long it took before.
const MARGIN: u32 = 3;
/// The note in the directory.
pub const NOTE: &str = "initialise";

/// The time for the beginning of one worker.
#[derive(Clone, Debug)]
pub struct Patience {
    note: Option<PathBuf>,
    most: Duration,
}

/// What a worker leaves for the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word {
    /// Workers that began since one came through.
    starts: u32,
    /// What is known to be enough.
    enough: Duration,
}

impl Patience {
    /// With at most so much time. Without a directory that outlives the worker it is all given at once.
    pub fn new(most: Duration) -> Self {
        Self { note: pin::note_path(NOTE), most }
    }

    /// A worker begins: how long it has.
    pub fn begin(&self) -> Duration {
        let Some(note) = &self.note else { return self.most };
        let word = Word::read(note);
        Word { starts: word.starts.saturating_add(1), ..word }.leave(note);
        let doublings = word.starts.saturating_sub(SHORT_STARTS - 1).min(16);
        FIRST.max(word.enough).saturating_mul(1 << doublings).min(self.most)
    }

    /// The worker has logged in, and that took so long.
    pub fn came_through(&self, took: Duration) {
        if let Some(note) = &self.note {
            Word { starts: 0, enough: took.saturating_mul(MARGIN) }.leave(note);
        }
    }
}

impl Word {
    /// What cannot be read says nothing.
    fn read(note: &Path) -> Self {
        let text = std::fs::read_to_string(note).unwrap_or_default();
        let word = text
            .trim()
            .split_once(' ')
            .and_then(|(starts, enough)| Some(Self { starts: starts.parse().ok()?, enough: Duration::from_millis(enough.parse().ok()?) }));
        word.unwrap_or_default()
    }

    fn leave(self, note: &Path) {
        if let Err(error) = std::fs::write(note, format!("{} {}\n", self.starts, self.enough.as_millis())) {
            tracing::warn!(%error, "no word is left for the next worker of how long the token takes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_token_gets_its_time_and_a_fault_does_not() {
        let scratch = tempfile::tempdir().unwrap();
        let patience = Patience { note: Some(scratch.path().join(NOTE)), most: Duration::from_secs(30) };
        // Fifteen seconds of hanging, before more is given.
        let given: Vec<_> = (0..9).map(|_| patience.begin().as_secs()).collect();
        assert_eq!(given, [3, 3, 3, 3, 3, 6, 12, 24, 30]);
        patience.came_through(Duration::from_secs(5));
        assert_eq!((patience.begin().as_secs(), patience.begin().as_secs()), (15, 15));
        patience.came_through(Duration::from_millis(100));
        assert_eq!(patience.begin(), FIRST);
        std::fs::write(scratch.path().join(NOTE), "junk").unwrap();
        assert_eq!(patience.begin(), FIRST);
        assert_eq!(Patience { note: None, most: Duration::from_secs(30) }.begin().as_secs(), 30);
        assert_eq!(Patience { note: Some(scratch.path().join("other")), most: Duration::from_secs(1) }.begin().as_secs(), 1);
    }
}
