//! How many TLS handshakes are begun: each costs the processor a private key's operation before anything is known of who asks for it, so
//! that a few thousand a second would leave nothing to those whose connections are open.

use std::time::{Duration, Instant};

use crate::base::bucket::{Bucket, Rate};
use crate::base::recent::Recent;
use crate::http::source::Source;

/// Sources that are remembered, twice, by each listener.
const SOURCES: usize = 16_384;
/// How long a bucket is remembered at least; nearly all are full again by then.
const KEPT: Duration = Duration::from_secs(60);

/// How fast handshakes may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Of everybody together.
    pub all: Rate,
    /// Of each source.
    pub source: Rate,
}

/// Whose handshakes are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooFast {
    All,
    Source,
}

/// The handshakes of one listener.
pub struct Handshakes {
    all: Bucket,
    sources: Recent<Source, Bucket>,
}

impl Handshakes {
    pub fn new(now: Instant) -> Self {
        Self { all: Bucket::full(now), sources: Recent::new(SOURCES, KEPT, now) }
    }

    /// One more. What is refused costs nothing: neither does a source that is too fast use up what all have, nor the other way round.
    pub fn begin(&mut self, pace: Pace, source: Option<Source>, now: Instant) -> Result<(), TooFast> {
        let own = source.map(|source| self.sources.of(source, now, || Bucket::full(now)));
        let mut taken = own.as_deref().copied();
        if let Some(bucket) = &mut taken {
            bucket.take(pace.source, 1, now).map_err(|_| TooFast::Source)?;
        }
        self.all.take(pace.all, 1, now).map_err(|_| TooFast::All)?;
        if let (Some(own), Some(taken)) = (own, taken) {
            *own = taken;
        }
        Ok(())
    }
}
