//! Walking a table in key order. A walk is no snapshot: what changes meanwhile may or may not be seen; what does not change is seen exactly once.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::memory::{Direction, Slot};
use super::shared::Shared;
use super::{ReadError, Table};

/// How many entries are fetched first, and at most, at a time.
const FIRST: usize = 32;
const MOST: usize = 1024;

/// A full key and its slot.
pub(super) type Found = (Box<[u8]>, Slot);

/// A walk over the entries of a table whose keys have a prefix.
#[derive(Debug)]
pub(super) struct Scan {
    shared: Arc<Shared>,
    direction: Direction,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
    fetched: VecDeque<Found>,
    limit: usize,
    is_done: bool,
}

impl Scan {
    pub fn new(shared: Arc<Shared>, table: Table, prefix: &[u8], beyond: Option<&[u8]>, direction: Direction) -> Self {
        let prefix = table.full_key(prefix).into_vec();
        let end = successor(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        let beyond = beyond.map(|key| Bound::Excluded(table.full_key(key).into_vec()));
        let (low, high) = match direction {
            Direction::Forward => (beyond.filter(|low| bound_key(low) >= Some(&prefix)).unwrap_or(Bound::Included(prefix)), end),
            Direction::Backward => {
                let inside = |high: &Bound<Vec<u8>>| bound_key(&end).is_none_or(|end| bound_key(high).is_some_and(|high| high < end));
                let high = beyond.filter(inside);
                (Bound::Included(prefix), high.unwrap_or(end))
            }
        };
        Self { shared, direction, low, high, fetched: VecDeque::new(), limit: FIRST, is_done: false }
    }

    /// The next full key and its slot.
    pub fn next_slot(&mut self) -> Option<Result<Found, ReadError>> {
        while self.fetched.is_empty() && !self.is_done {
            if let Err(error) = self.fetch() {
                self.is_done = true;
                return Some(Err(error));
            }
        }
        self.fetched.pop_front().map(Ok)
    }

    /// Fetches the next entries: those in memory first, because they move from memory to the index and never back.
    fn fetch(&mut self) -> Result<(), ReadError> {
        let (low, high) = (as_slice(&self.low), as_slice(&self.high));
        if is_empty(low, high) {
            self.is_done = true;
            return Ok(());
        }
        let (mut active, mut frozen, mut indexed) = (Vec::new(), Vec::new(), Vec::new());
        {
            let memory = self.shared.memory();
            memory.active.copy(low, high, self.limit, self.direction, &mut active);
            if let Some(generation) = &memory.frozen {
                generation.copy(low, high, self.limit, self.direction, &mut frozen);
            }
        }
        self.shared.indexed(|index| index.copy(low, high, self.limit, self.direction, &mut indexed))?;
        // A source that was not read to its end says nothing about what lies behind its last entry.
        let horizons = [&active, &frozen, &indexed]
            .map(|source| if source.len() == self.limit { source.last().map(|entry| entry.0.clone()) } else { None });
        let horizons = horizons.into_iter().flatten();
        let horizon = match self.direction {
            Direction::Forward => horizons.min(),
            Direction::Backward => horizons.max(),
        };
        let mut merged: BTreeMap<Box<[u8]>, Option<Slot>> = BTreeMap::new();
        merged.extend(indexed);
        merged.extend(frozen);
        merged.extend(active);
        let inside = |(key, slot): (Box<[u8]>, Option<Slot>)| slot.map(|slot| (key, slot));
        match (self.direction, horizon) {
            (Direction::Forward, None) => {
                self.fetched.extend(merged.into_iter().filter_map(inside));
                self.is_done = true;
            }
            (Direction::Backward, None) => {
                self.fetched.extend(merged.into_iter().rev().filter_map(inside));
                self.is_done = true;
            }
            (Direction::Forward, Some(last)) => {
                self.fetched.extend(merged.into_iter().take_while(|(key, _)| *key <= last).filter_map(inside));
                self.low = Bound::Excluded(last.into_vec());
            }
            (Direction::Backward, Some(last)) => {
                self.fetched.extend(merged.into_iter().rev().take_while(|(key, _)| *key >= last).filter_map(inside));
                self.high = Bound::Excluded(last.into_vec());
            }
        }
        self.limit = (self.limit * 2).min(MOST);
        Ok(())
    }
}

/// The first key behind all keys with this prefix.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

fn bound_key(bound: &Bound<Vec<u8>>) -> Option<&Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// Whether no key lies between the bounds; the standard map panics on some of these.
fn is_empty(low: Bound<&[u8]>, high: Bound<&[u8]>) -> bool {
    match (low, high) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
    }
}
