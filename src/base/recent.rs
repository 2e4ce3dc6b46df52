//! What is known of those who came lately, in bounded memory, whoever comes.
//!
//! Two generations: what is touched moves into the young one; when that is full or old, it becomes the old one and what was in that is
//! forgotten. Every step takes the same time. Whoever comes from more places than there is room for makes it forget, which gives
//! everybody a full bucket: a flood cannot use it up for others.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Values by key, at least for a period after they were touched, unless there are more than it holds.
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Of one generation.
    most: usize,
    period: Duration,
    turned: Instant,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub fn new(most: usize, period: Duration, now: Instant) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most, period, turned: now }
    }

    /// The value of a key, which is made when nothing is known.
    pub fn of(&mut self, key: K, now: Instant, fresh: impl FnOnce() -> V) -> &mut V {
        let is_old = now.saturating_duration_since(self.turned) >= self.period;
        if is_old || (self.young.len() >= self.most && !self.young.contains_key(&key)) {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        let Self { young, old, .. } = self;
        young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_else(fresh))
    }

    /// What is known of a key, which is not touched by that.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Whether none are known.
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
