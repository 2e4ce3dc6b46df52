//! What was committed and is not in the index yet. Reads look here first.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Placement;
use super::record::Write;
use crate::journal::Place;

/// A value larger than this stays in the journal whatever its table says, so that pages of the index stay small.
const LARGEST_INLINE: usize = 512;

/// Where the index finds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Inline(Box<[u8]>),
    Placed(Place),
}

/// Writes by full key; none where the key was removed.
pub(super) type Entries = BTreeMap<Box<[u8]>, Option<Slot>>;

/// A direction to scan in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// Writes that go to the index together.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub entries: Entries,
    /// About how much memory they take.
    pub bytes: usize,
}

/// The writes since the last checkpoint: those that are collected, and those a checkpoint is writing to the index at this moment.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub active: Generation,
    pub frozen: Option<Arc<Generation>>,
}

impl Slot {
    /// What to remember of a write that was read from the journal.
    pub fn of(write: &Write<'_>) -> Option<Self> {
        let value = write.value?;
        if is_placed(write.table.placement(), value.bytes.len()) {
            Some(Self::Placed(value.place))
        } else {
            Some(Self::Inline(value.bytes.into()))
        }
    }

    fn heap(&self) -> usize {
        match self {
            Self::Inline(value) => value.len(),
            Self::Placed(_) => 0,
        }
    }
}

/// Whether a value of that length stays in the journal.
pub(super) fn is_placed(placement: Placement, length: usize) -> bool {
    match placement {
        Placement::Journal => true,
        Placement::Index => length > LARGEST_INLINE,
    }
}

impl Generation {
    /// Sets a key.
    pub fn set(&mut self, key: Box<[u8]>, slot: Option<Slot>) {
        // A node's share of an entry besides what it points to.
        const OVERHEAD: usize = 72;
        self.bytes += key.len() + slot.as_ref().map_or(0, Slot::heap) + OVERHEAD;
        self.entries.insert(key, slot);
    }

    /// Copies at most `limit` entries between two bounds, the nearest to the scan's beginning first.
    pub fn copy(
        &self,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        limit: usize,
        direction: Direction,
        out: &mut Vec<(Box<[u8]>, Option<Slot>)>,
    ) {
        let range = self.entries.range::<[u8], _>((low, high));
        match direction {
            Direction::Forward => out.extend(range.take(limit).map(|(key, slot)| (key.clone(), slot.clone()))),
            Direction::Backward => out.extend(range.rev().take(limit).map(|(key, slot)| (key.clone(), slot.clone()))),
        }
    }
}

impl Memory {
    /// What is known about a key: none when the index must be asked.
    pub fn get(&self, key: &[u8]) -> Option<Option<Slot>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.entries.get(key));
        self.active.entries.get(key).or_else(frozen).cloned()
    }

    /// Takes what was collected aside for the index. The caller has seen that nothing is aside yet.
    pub fn freeze(&mut self) -> Arc<Generation> {
        let frozen = Arc::new(std::mem::take(&mut self.active));
        self.frozen = Some(Arc::clone(&frozen));
        frozen
    }
}
