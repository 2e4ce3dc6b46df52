//! How fast the token itself is: the yardstick for everything built on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::worker::{Call, Fault};
use super::{Engine, objects, signing};
use crate::token::error::{FailedCall, TokenError};
use crate::token::key::KeyRef;
use crate::token::request;

/// What one measurement found.
#[derive(Clone, Copy, Debug)]
pub struct RawRate {
    /// How many sessions signed at once, each on a thread of its own.
    pub sessions: usize,
    pub signatures: u64,
    pub elapsed: Duration,
}

impl RawRate {
    /// Signatures a second.
    pub fn per_second(&self) -> f64 {
        // Counts of a few seconds are far below 2^53.
        self.signatures as f64 / self.elapsed.as_secs_f64()
    }
}

/// Signs with the key's default algorithm on as many sessions as the pool has, without queue, hashing or verification, and throws the
/// signatures away. Blocks for that long, and takes the token for itself as far as it can: for `make bench`, not for a service.
pub fn raw_sign_rate(engine: &Engine, key: &KeyRef, time: Duration) -> Result<RawRate, TokenError> {
    raw_sign_rate_with(engine, key, engine.pool.sessions, time)
}

/// As [`raw_sign_rate`], on a chosen number of sessions.
pub fn raw_sign_rate_with(engine: &Engine, key: &KeyRef, sessions: usize, duration: Duration) -> Result<RawRate, TokenError> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let started = Instant::now();
        let threads: Vec<_> = (0..sessions).map(|_| scope.spawn(|| sign_until(engine, key, &stop))).collect();
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        let mut signatures = 0;
        for thread in threads {
            signatures += thread.join().map_err(|_| TokenError::Unavailable(Some(FailedCall::NoWorker)))??;
        }
        Ok(RawRate { sessions, signatures, elapsed: started.elapsed() })
    })
}

fn sign_until(engine: &Engine, key: &KeyRef, stop: &AtomicBool) -> Result<u64, TokenError> {
    count(engine, key, stop).map_err(|fault| match fault {
        Fault::Call(error) => error.into(),
        Fault::Final(error) => error,
    })
}

fn count(engine: &Engine, key: &KeyRef, stop: &AtomicBool) -> Result<u64, Fault> {
    let link = &engine.pool.link;
    let algorithm = key.public.key_type().default_algorithm();
    let mechanism = signing::mechanism(algorithm);
    let input = signing::input(algorithm, &request::input(algorithm, &Bytes::from_static(b"the raw rate of the token")));
    let (seat, epoch) = link.open(false)?;
    let thread = engine.pool.calls.thread();
    let running = thread.enter(engine.pool.calls.timeouts.call);
    let entry = link.module.enter();
    let sign = || {
        let handle = objects::locate(&Call { link, entry: &entry, seat: &seat, epoch, running: &running }, &key.into())?.handle;
        let mut signatures = 0;
        while !stop.load(Ordering::Relaxed) {
            seat.session.sign(&mechanism, handle, &input)?;
            signatures += 1;
        }
        Ok(signatures)
    };
    let outcome = sign();
    entry.close(seat);
    outcome
}
