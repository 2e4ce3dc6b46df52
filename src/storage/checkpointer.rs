//! The thread that moves what was committed from memory into the index, beside the committer.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::checkpoint::Checkpoint;
use super::memory::Generation;
use super::shared::Shared;

/// One generation for the index.
pub(super) struct Job {
    pub frozen: Arc<Generation>,
    /// What holds when it is there.
    pub checkpoint: Checkpoint,
    pub done: Option<oneshot::Sender<bool>>,
}

pub(super) struct Checkpointer {
    jobs: Option<crossbeam_channel::Sender<Job>>,
    busy: Arc<Busy>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Busy {
    is_busy: Mutex<bool>,
    changed: Condvar,
}

impl Checkpointer {
    pub fn begin(shared: Arc<Shared>) -> std::io::Result<Self> {
        let (jobs, inbox) = crossbeam_channel::bounded::<Job>(1);
        let busy = Arc::new(Busy::default());
        let ours = Arc::clone(&busy);
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            for Job { frozen, checkpoint, done } in inbox {
                let is_done = write(&shared, &frozen, checkpoint);
                ours.set(false);
                if let Some(done) = done {
                    // Who asked may have stopped waiting.
                    let _ = done.send(is_done);
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), busy, thread: Some(thread) })
    }

    /// Hands over a job; whether it was taken.
    pub fn start(&self, job: Job) -> bool {
        self.busy.set(true);
        let taken = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !taken {
            self.busy.set(false);
        }
        taken
    }

    /// Waits until no job is at work.
    pub fn wait(&self) {
        let mut is_busy = self.busy.is_busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_busy {
            is_busy = self.busy.changed.wait(is_busy).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

impl Busy {
    fn set(&self, is_busy: bool) {
        *self.is_busy.lock().unwrap_or_else(PoisonError::into_inner) = is_busy;
        self.changed.notify_all();
    }
}

fn write(shared: &Shared, frozen: &Generation, checkpoint: Checkpoint) -> bool {
    if shared.settle(frozen, checkpoint.end.sequence).is_err() {
        return false;
    }
    match checkpoint.write(&shared.folder) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the checkpoint cannot be written; the next start will take longer");
            false
        }
    }
}
