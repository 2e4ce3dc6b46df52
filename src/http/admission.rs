//! Which connections a listener takes: so many at once, so many of one source, and, where they begin with a TLS handshake, so many new
//! ones in a second.
//!
//! Each listener has a budget of its own, so that one that is full keeps nobody from another. What is kept of a source ends with its
//! last connection: the memory for it is bounded by the number of connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::ConnectionCounts;
use super::rate::{Handshakes, Pace, TooFast};
use super::source::Source;

/// How often the log tells that connections are refused. The metrics count every one.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How many connections a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    pub connections: usize,
    /// Of one IPv4 address or IPv6 /64.
    pub per_source: usize,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Full {
    /// The listener has no place left.
    Listener,
    /// The source has all the places that one source may have.
    Source,
    /// Too many handshakes are begun, by all together.
    Handshakes,
    /// Too many handshakes are begun by the source.
    SourceHandshakes,
}

/// The places of one listener.
pub struct Admission {
    state: Mutex<State>,
    counts: ConnectionCounts,
}

struct State {
    caps: Caps,
    open: usize,
    by_source: HashMap<Source, usize>,
    /// None where nothing is shaken hands over.
    pace: Option<Pace>,
    handshakes: Handshakes,
    told: Option<Instant>,
}

/// A place that a connection has until it is dropped.
pub struct Place {
    admission: Arc<Admission>,
    source: Option<Source>,
}

impl Admission {
    pub fn new(caps: Caps, pace: Option<Pace>, counts: ConnectionCounts) -> Self {
        let handshakes = Handshakes::new(Instant::now());
        Self { state: Mutex::new(State { caps, open: 0, by_source: HashMap::new(), pace, handshakes, told: None }), counts }
    }

    /// Other caps and another pace from now on; nobody who is in is put out.
    pub fn set(&self, caps: Caps, pace: Option<Pace>) {
        let mut state = self.state();
        state.caps = caps;
        state.pace = pace;
    }

    /// A place for a connection. What has no source, being of this machine, counts for the listener alone.
    pub fn admit(self: &Arc<Self>, source: Option<Source>) -> Result<Place, Full> {
        let mut state = self.state();
        if let Err(full) = state.take(source, Instant::now()) {
            let is_to_tell = state.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
            if is_to_tell {
                state.told = Some(Instant::now());
            }
            drop(state);
            self.counts.refused(full);
            if is_to_tell {
                tracing::warn!(listener = self.counts.listener(), full = full.name(), "connections are refused; the metrics count them");
            }
            return Err(full);
        }
        drop(state);
        self.counts.opened();
        Ok(Place { admission: self.clone(), source })
    }

    /// Whether places are getting few: then nobody is given as much time as otherwise.
    pub fn is_pressed(&self) -> bool {
        let state = self.state();
        state.open.saturating_mul(4) >= state.caps.connections.saturating_mul(3)
    }

    /// What is counted of its connections.
    pub fn counts(&self) -> &ConnectionCounts {
        &self.counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, source: Option<Source>, now: Instant) -> Result<(), Full> {
        let held = source.map_or(0, |source| self.by_source.get(&source).copied().unwrap_or(0));
        if source.is_some() && held >= self.caps.per_source {
            return Err(Full::Source);
        }
        if self.open >= self.caps.connections {
            return Err(Full::Listener);
        }
        if let Some(pace) = self.pace {
            self.handshakes.begin(pace, source, now).map_err(|too_fast| match too_fast {
                TooFast::All => Full::Handshakes,
                TooFast::Source => Full::SourceHandshakes,
            })?;
        }
        if let Some(source) = source {
            self.by_source.insert(source, held + 1);
        }
        self.open += 1;
        Ok(())
    }

    fn give_back(&mut self, source: Option<Source>) {
        self.open = self.open.saturating_sub(1);
        let Some(source) = source else { return };
        match self.by_source.get_mut(&source) {
            Some(held) if *held > 1 => *held -= 1,
            Some(_) | None => {
                self.by_source.remove(&source);
            }
        }
    }
}

impl Place {
    /// Whose place it is.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.state().give_back(self.source);
        self.admission.counts.closed();
    }
}

impl Full {
    /// How the metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Source => "address",
            Self::Handshakes => "handshakes",
            Self::SourceHandshakes => "address_handshakes",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::http::metrics::{Listener, Metrics};

    fn admission(connections: usize, per_source: usize) -> Arc<Admission> {
        Arc::new(Admission::new(Caps { connections, per_source }, None, Metrics::default().connections(Listener::Api)))
    }

    fn source(last: u8) -> Option<Source> {
        Some(Source::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))))
    }

    #[test]
    fn one_source_leaves_room_for_others_and_gets_back_what_it_gives() {
        let admission = admission(4, 2);
        let mut held: Vec<Place> = (0..2).map(|_| admission.admit(source(1)).ok().unwrap()).collect();
        assert_eq!(admission.admit(source(1)).err(), Some(Full::Source));
        held.push(admission.admit(source(2)).ok().unwrap());
        held.remove(0);
        held.push(admission.admit(source(1)).ok().unwrap());
        held.push(admission.admit(None).ok().unwrap());
        assert_eq!(admission.admit(source(3)).err(), Some(Full::Listener));
        assert_eq!(admission.admit(None).err(), Some(Full::Listener));
        drop(held);
        assert!(admission.state().by_source.is_empty() && admission.state().open == 0, "nothing is kept of those who left");
    }

    #[test]
    fn it_is_pressed_from_three_quarters_on_and_caps_can_be_exchanged() {
        let admission = admission(4, 4);
        let held: Vec<Place> = (0..3).map(|_| admission.admit(source(1)).ok().unwrap()).collect();
        assert!(admission.is_pressed());
        admission.set(Caps { connections: 8, per_source: 3 }, None);
        assert!(!admission.is_pressed());
        assert_eq!(admission.admit(source(1)).err(), Some(Full::Source));
        assert_eq!(held.len(), 3);
    }
}
