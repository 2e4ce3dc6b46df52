//! The changes that wait for the committer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::company::Company;
use super::{Change, Class, CommitError, Committed};

/// So many changes do not wait for more.
const ENOUGH: usize = 64;

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
    pub company: Company,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    checkpoints: Vec<oneshot::Sender<bool>>,
    rooms: Vec<oneshot::Sender<bool>>,
    pings: Vec<oneshot::Sender<bool>>,
    /// Since when the first one waits.
    since: Option<Instant>,
    sleep: Sleep,
    is_closed: bool,
}

/// What the committer sleeps until.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    /// There is something to do.
    Idle,
    /// There is more, or what does not wait.
    Gathering,
}

impl Queue {
    /// Puts a change in line. After closing it comes back.
    pub fn push(&self, waiting: Waiting) -> Result<(), Waiting> {
        let mut state = self.state();
        if state.is_closed {
            return Err(waiting);
        }
        let is_essential = waiting.change.class == Class::Essential;
        state.waiting.push_back(waiting);
        let is_enough = is_essential || self.is_enough(&state);
        self.wake(state, is_enough);
        Ok(())
    }

    /// One who was at work is not any more: perhaps all others wait.
    pub fn one_less(&self) {
        let state = self.state();
        if state.sleep == Sleep::Gathering {
            let is_enough = self.is_enough(&state);
            self.wake(state, is_enough);
        }
    }

    /// Asks for a checkpoint.
    pub fn push_checkpoint(&self, answer: oneshot::Sender<bool>) {
        let mut state = self.state();
        if !state.is_closed {
            state.checkpoints.push(answer);
            self.wake(state, true);
        }
    }

    /// Asks for the reserve's room.
    pub fn push_room(&self, answer: oneshot::Sender<bool>) {
        let mut state = self.state();
        if !state.is_closed {
            state.rooms.push(answer);
            self.wake(state, true);
        }
    }

    /// Asks for an answer, behind what is being done at the moment.
    pub fn push_ping(&self, answer: oneshot::Sender<bool>) {
        let mut state = self.state();
        if !state.is_closed {
            state.pings.push(answer);
            self.wake(state, true);
        }
    }

    /// Takes nothing more; what waits is still committed.
    pub fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake(state, true);
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

    /// Waits for work, at most until the deadline, and takes changes up to the bounds into `taken`. Changes may wait for others for as long as
    /// the patience lasts, except for those that must not fail.
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
            let left = if state.waiting.is_empty() {
                if state.is_closed {
                    return Task::Close;
                }
                state.sleep = Sleep::Idle;
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    Some(Duration::ZERO) => {
                        state.sleep = Sleep::Awake;
                        return Task::Idle;
                    }
                    left => left,
                }
            } else {
                let left = self.patience_left(&mut state);
                if left.is_zero() {
                    state.since = None;
                    let mut bytes = 0;
                    while taken.len() < most && bytes < most_bytes {
                        let Some(waiting) = state.waiting.pop_front() else { break };
                        bytes += waiting.change.size();
                        taken.push(waiting);
                    }
                    return Task::Commit;
                }
                state.sleep = Sleep::Gathering;
                Some(left)
            };
            state = match left {
                Some(left) => self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.sleep = Sleep::Awake;
        }
    }

    /// Wakes the committer, which costs a system call, only when it sleeps and this is what it sleeps until.
    fn wake(&self, mut state: MutexGuard<'_, State>, is_urgent: bool) {
        let is_awaited = match state.sleep {
            Sleep::Awake => false,
            Sleep::Idle => true,
            Sleep::Gathering => is_urgent,
        };
        if is_awaited {
            state.sleep = Sleep::Awake;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// How much longer what waits may wait.
    fn patience_left(&self, state: &mut State) -> Duration {
        let patience = self.company.patience();
        let is_essential = |waiting: &Waiting| waiting.change.class == Class::Essential;
        if patience.is_zero() || state.is_closed || self.is_enough(state) || state.waiting.iter().any(is_essential) {
            return Duration::ZERO;
        }
        let now = Instant::now();
        (*state.since.get_or_insert(now) + patience).saturating_duration_since(now)
    }

    /// Whether there is nothing to gain by waiting for more.
    fn is_enough(&self, state: &State) -> bool {
        state.waiting.len() >= ENOUGH || self.company.is_complete(state.waiting.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue of busy times, with so many at work.
    fn busy(at_work: usize) -> Queue {
        let queue = Queue::default();
        (0..100).for_each(|_| {
            queue.company.begins();
            queue.company.ends(Duration::from_millis(15));
            queue.company.together(6);
        });
        (0..at_work).for_each(|_| queue.company.begins());
        queue
    }

    fn push(queue: &Queue, class: Class) {
        queue.push(Waiting { change: Change::new(class), answer: None }).unwrap();
    }

    fn waits(queue: &Queue) -> bool {
        !queue.patience_left(&mut queue.state()).is_zero()
    }

    #[test]
    fn changes_wait_for_those_who_are_at_work_and_no_longer() {
        let queue = busy(3);
        push(&queue, Class::Normal);
        push(&queue, Class::Normal);
        assert!(waits(&queue));
        push(&queue, Class::Normal);
        assert!(!waits(&queue), "all wait");
        let queue = busy(3);
        push(&queue, Class::Normal);
        assert!(waits(&queue));
        queue.company.ends(Duration::from_millis(15));
        queue.company.ends(Duration::from_millis(15));
        assert!(!waits(&queue), "the others have gone");
    }

    #[test]
    fn nothing_waits_beside_what_must_not_fail_nor_at_the_end_nor_when_times_are_quiet() {
        let queue = busy(100);
        push(&queue, Class::Normal);
        assert!(waits(&queue));
        push(&queue, Class::Essential);
        assert!(!waits(&queue));
        let queue = busy(100);
        push(&queue, Class::Normal);
        queue.close();
        assert!(!waits(&queue));
        let queue = busy(100);
        (0..ENOUGH).for_each(|_| push(&queue, Class::Normal));
        assert!(!waits(&queue));
        let quiet = Queue::default();
        (0..100).for_each(|_| quiet.company.begins());
        push(&quiet, Class::Normal);
        assert!(!waits(&quiet));
    }

    #[test]
    fn the_patience_has_an_end() {
        let queue = busy(100);
        push(&queue, Class::Normal);
        let mut taken = Vec::new();
        assert!(matches!(queue.take(&mut taken, 10, 1 << 20, None), Task::Commit));
        assert_eq!(taken.len(), 1);
    }
}
