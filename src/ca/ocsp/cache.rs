//! Signed answers, kept in memory within a bound: those that nobody has asked for longest are given up first.
//!
//! There are two generations. What is asked for moves to the young one; when that has half of the room, it becomes the old one, and what was
//! old and nobody has asked for since is gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::responder::Caching;
use crate::base::id::CaId;
use crate::x509::ocsp::Status;
use crate::x509::serial::Serial;

/// A signed answer about one certificate.
#[derive(Debug)]
pub struct Kept {
    pub ca: CaId,
    pub serial: Serial,
    /// The CertID.
    pub id: Box<[u8]>,
    pub status: Status,
    pub der: Bytes,
    pub caching: Caching,
    /// Whether somebody has asked for it since it was signed.
    pub asked: AtomicBool,
}

/// The answers of all authorities.
pub struct Cache {
    generations: Mutex<Generations>,
    most_bytes: usize,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Box<[u8]>, Arc<Kept>>,
    young_bytes: usize,
    old: HashMap<Box<[u8]>, Arc<Kept>>,
}

/// What an entry takes beside its bytes: the entry, its place in the map, allocations.
const ENTRY_BYTES: usize = 384;

impl Cache {
    pub fn new(most_bytes: usize) -> Self {
        Self { generations: Mutex::default(), most_bytes }
    }

    /// The answer about a certificate of that authority, which is thereby asked for.
    pub fn get(&self, ca: CaId, id: &[u8]) -> Option<Arc<Kept>> {
        let key = key(ca, id);
        let mut generations = self.lock();
        let kept = match generations.young.get(&key) {
            Some(kept) => kept.clone(),
            None => {
                let kept = generations.old.remove(&key)?;
                generations.insert(key, kept.clone(), self.most_bytes);
                kept
            }
        };
        drop(generations);
        kept.asked.store(true, Ordering::Relaxed);
        Some(kept)
    }

    /// Keeps an answer, in the place of the one before.
    pub fn put(&self, kept: Arc<Kept>) {
        let key = key(kept.ca, &kept.id);
        let mut generations = self.lock();
        generations.old.remove(&key);
        generations.insert(key, kept, self.most_bytes);
    }

    /// The answers that were asked for and are past their time at that second, at most `most`.
    pub fn due(&self, at: i64, most: usize) -> Vec<Arc<Kept>> {
        let generations = self.lock();
        let all = generations.young.values().chain(generations.old.values());
        let is_due = |kept: &&Arc<Kept>| kept.caching.fresh_until.as_second() <= at && kept.asked.load(Ordering::Relaxed);
        all.filter(is_due).take(most).cloned().collect()
    }

    /// Gives up the answers that ended before that second.
    pub fn drop_ended(&self, at: i64) {
        let mut generations = self.lock();
        let Generations { young, young_bytes, old } = &mut *generations;
        let is_good = |kept: &Arc<Kept>| kept.caching.next_update.as_second() > at;
        young.retain(|_, kept| is_good(kept));
        old.retain(|_, kept| is_good(kept));
        *young_bytes = young.values().map(|kept| kept.bytes()).sum();
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, key: Box<[u8]>, kept: Arc<Kept>, most_bytes: usize) {
        self.young_bytes += kept.bytes();
        if let Some(before) = self.young.insert(key, kept) {
            self.young_bytes = self.young_bytes.saturating_sub(before.bytes());
        }
        if self.young_bytes > most_bytes / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.der.len() + 2 * self.id.len() + ENTRY_BYTES
    }
}

fn key(ca: CaId, id: &[u8]) -> Box<[u8]> {
    [ca.as_bytes().as_slice(), id].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_seconds;

    fn kept(number: u8, fresh_until: i64) -> Arc<Kept> {
        Arc::new(Kept {
            ca: CaId::from_bytes([1; 16]),
            serial: Serial::from_random([number; 16]),
            id: Box::new([number; 8]),
            status: Status::Good,
            der: Bytes::from(vec![0; 100]),
            caching: Caching {
                produced_at: from_seconds(0),
                fresh_until: from_seconds(fresh_until),
                next_update: from_seconds(fresh_until * 2),
                etag: [number; 16],
            },
            asked: AtomicBool::new(false),
        })
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let cache = Cache::new(10 * 500);
        cache.put(kept(0, 10));
        for number in 1..=100 {
            cache.put(kept(number, 10));
            assert!(cache.get(CaId::from_bytes([1; 16]), &[0; 8]).is_some(), "after {number}");
        }
        let generations = cache.lock();
        assert!(generations.young.len() + generations.old.len() <= 11);
        drop(generations);
        assert!(cache.get(CaId::from_bytes([1; 16]), &[1; 8]).is_none());
        assert!(cache.get(CaId::from_bytes([2; 16]), &[0; 8]).is_none());
    }

    #[test]
    fn only_what_was_asked_for_is_due_and_what_has_ended_goes() {
        let cache = Cache::new(1 << 20);
        (0..4).for_each(|number| cache.put(kept(number, 10)));
        cache.put(kept(9, 100));
        for number in [2, 9] {
            cache.get(CaId::from_bytes([1; 16]), &[number; 8]);
        }
        assert_eq!(cache.due(9, 10).len(), 0);
        assert_eq!(cache.due(10, 10).iter().map(|kept| kept.id[0]).collect::<Vec<_>>(), [2]);
        assert_eq!(cache.due(100, 10).len(), 2);
        assert_eq!(cache.due(100, 1).len(), 1);
        cache.drop_ended(20);
        assert_eq!(cache.lock().young.len(), 1);
    }
}
