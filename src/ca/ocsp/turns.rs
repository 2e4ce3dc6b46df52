//! Turns at the token, for answers that have to be signed.
//!
//! What one asker alone has use for is signed in a part of the turns, and for each source in a part of that: answers with a nonce, about several
//! certificates at once, or about what was never issued, which nobody can run out of. So whoever asks for those in masses keeps others from none that
//! everybody can be given.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::OcspError;

/// So many signatures of answers are under way at once. Issuing has the rest of the token's queue.
const AT_ONCE: usize = 32;
/// How many of these for one asker each, and how many for one source.
const FOR_ONE_ASKER: usize = 8;
const FOR_ONE_SOURCE: usize = 6;
/// Sources that were seen before are forgotten when there are more.
const SOURCES: usize = 1_024;

/// Who has use for an answer.
#[derive(Clone, Copy, Debug)]
pub enum Audience {
    /// Whoever asks next: it goes into the cache.
    Everybody,
    /// Who asks now, from that address where it is known.
    OneAsker(Option<IpAddr>),
}

/// Who may sign.
pub struct Turns {
    all: Semaphore,
    of_askers: Semaphore,
    of_sources: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// A turn, until it is dropped.
pub struct Turn<'a> {
    _all: SemaphorePermit<'a>,
    _of_askers: Option<SemaphorePermit<'a>>,
    _of_source: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub fn new() -> Self {
        Self { all: Semaphore::new(AT_ONCE), of_askers: Semaphore::new(FOR_ONE_ASKER), of_sources: Mutex::default() }
    }

    /// Waits for a turn.
    pub async fn take(&self, audience: Audience) -> Result<Turn<'_>, OcspError> {
        let busy = |_| OcspError::Busy;
        // Who waits for its source's turn holds nobody else's.
        let (of_source, of_askers) = match audience {
            Audience::Everybody => (None, None),
            Audience::OneAsker(source) => {
                let of_source = match source {
                    Some(source) => Some(self.of_source(source).acquire_owned().await.map_err(busy)?),
                    None => None,
                };
                (of_source, Some(self.of_askers.acquire().await.map_err(busy)?))
            }
        };
        Ok(Turn { _all: self.all.acquire().await.map_err(busy)?, _of_askers: of_askers, _of_source: of_source })
    }

    fn of_source(&self, source: IpAddr) -> Arc<Semaphore> {
        let mut sources = self.of_sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= SOURCES {
            // Those that somebody holds or waits for stay; connections are bounded, and with them these.
            sources.retain(|_, turns| Arc::strong_count(turns) > 1);
        }
        sources.entry(source).or_insert_with(|| Arc::new(Semaphore::new(FOR_ONE_SOURCE))).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    async fn waits(turns: &Turns, audience: Audience) -> bool {
        tokio::time::timeout(Duration::from_millis(20), turns.take(audience)).await.is_err()
    }

    #[tokio::test]
    async fn one_address_does_not_use_up_all_signing() {
        let turns = Turns::new();
        let from = |last| Audience::OneAsker(Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))));
        let mut held = Vec::new();
        for _ in 0..FOR_ONE_SOURCE {
            held.push(turns.take(from(1)).await.unwrap());
        }
        assert!(waits(&turns, from(1)).await);
        for _ in FOR_ONE_SOURCE..FOR_ONE_ASKER {
            held.push(turns.take(from(2)).await.unwrap());
        }
        assert!(waits(&turns, from(3)).await && waits(&turns, Audience::OneAsker(None)).await, "all askers together");
        for _ in FOR_ONE_ASKER..AT_ONCE {
            held.push(turns.take(Audience::Everybody).await.unwrap());
        }
        assert!(waits(&turns, Audience::Everybody).await);
        drop(held);
        assert!(!waits(&turns, from(1)).await && !waits(&turns, Audience::Everybody).await);
    }

    #[tokio::test]
    async fn sources_are_forgotten() {
        let turns = Turns::new();
        for number in 0..3 * SOURCES as u32 {
            let _turn = turns.take(Audience::OneAsker(Some(IpAddr::V4(Ipv4Addr::from_bits(number))))).await.unwrap();
        }
        assert!(turns.of_sources.lock().unwrap().len() <= SOURCES);
    }
}
