//! The changes that wait for the committer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Change, CommitError, Committed};

/// How one waits for the answer; none for a change nobody waits for.
pub(super) type Answer = Option<oneshot::Sender<Result<Committed, CommitError>>>;

#[derive(Debug)]
pub(super) struct Waiting {
    pub change: Change,
    pub answer: Answer,
}

/// What the committer is to do next.
#[derive(Debug)]
pub(super) enum Task {
    /// The changes are in the buffer it gave.
    Commit,
    Checkpoint(oneshot::Sender<bool>),
    /// A file beside the journal needs the reserve's room.
    Room(oneshot::Sender<bool>),
    /// Somebody wants to know whether there is an answer.
    Ping(oneshot::Sender<bool>),
    /// Nothing came before the deadline.
    Idle,
    Close,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    checkpoints: Vec<oneshot::Sender<bool>>,
    rooms: Vec<oneshot::Sender<bool>>,
    pings: Vec<oneshot::Sender<bool>>,
    is_asleep: bool,
    is_closed: bool,
}

impl Queue {
    /// Puts a change in line. After closing it comes back.
    pub fn push(&self, waiting: Waiting) -> Result<(), Waiting> {
        let mut state = self.state();
        if state.is_closed {
            return Err(waiting);
        }
        state.waiting.push_back(waiting);
        self.wake(state);
        Ok(())
    }

    /// Asks for a checkpoint.
    pub fn push_checkpoint(&self, answer: oneshot::Sender<bool>) {
        let mut state = self.state();
        if !state.is_closed {
            state.checkpoints.push(answer);
            self.wake(state);
        }
    }

    /// Asks for the reserve's room.
    pub fn push_room(&self, answer: oneshot::Sender<bool>) {
        let mut state = self.state();
        if !state.is_closed {
            state.rooms.push(answer);
            self.wake(state);
        }
    }

    /// Asks for an answer, behind what is being done at the moment.
    pub fn push_ping(&self, answer: oneshot::Sender<bool>) {
        let mut state = self.state();
        if !state.is_closed {
            state.pings.push(answer);
            self.wake(state);
        }
    }

    /// Takes nothing more; what waits is still committed.
    pub fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake(state);
    }

    /// Takes nothing more and answers nobody: the committer is gone.
    pub fn abandon(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.waiting.clear();
        state.checkpoints.clear();
        state.rooms.clear();
        state.pings.clear();
    }

    /// Waits for work, at most until the deadline, and takes changes up to the bounds into `taken`.
    pub fn take(&self, taken: &mut Vec<Waiting>, most: usize, most_bytes: usize, deadline: Option<Instant>) -> Task {
        let mut state = self.state();
        loop {
            if let Some(answer) = state.checkpoints.pop() {
                return Task::Checkpoint(answer);
            }
            if let Some(answer) = state.rooms.pop() {
                return Task::Room(answer);
            }
            if let Some(answer) = state.pings.pop() {
                return Task::Ping(answer);
            }
            if !state.waiting.is_empty() {
                let mut bytes = 0;
                while taken.len() < most && bytes < most_bytes {
                    let Some(waiting) = state.waiting.pop_front() else { break };
                    bytes += waiting.change.size();
                    taken.push(waiting);
                }
                return Task::Commit;
            }
            if state.is_closed {
                return Task::Close;
            }
            state.is_asleep = true;
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => {
                    state.is_asleep = false;
                    return Task::Idle;
                }
                Some(left) => self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.is_asleep = false;
        }
    }

    /// Wakes the committer, which costs a system call, only when it sleeps.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let was_asleep = std::mem::take(&mut state.is_asleep);
        drop(state);
        if was_asleep {
            self.wake.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
