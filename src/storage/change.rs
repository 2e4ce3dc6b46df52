//! A change: writes with preconditions and a note, all of which happen or none.

use super::{ReadError, Table};

/// The longest key.
pub const MAX_KEY: usize = 1 << 10;
/// The most bytes one change may hold.
pub const MAX_CHANGE: usize = 1 << 20;

/// How urgent a change is when the disk fills up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Refused while there is little room.
    Normal,
    /// Goes on while there is any room at all: revocation and CRL numbers.
    Essential,
}

/// Writes that commit together. The last write to a key wins.
#[derive(Clone, Debug)]
pub struct Change {
    pub(super) class: Class,
    pub(super) ops: Vec<Op>,
    /// Keys and values, one behind the other.
    pub(super) bytes: Vec<u8>,
    pub(super) note: Vec<u8>,
}

/// One write or precondition; keys and values are ranges of the change's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub table: Table,
    pub key: Slice,
    pub kind: OpKind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum OpKind {
    Put(Slice),
    /// The key is a prefix, and the number of the change is put behind it.
    Append(Slice),
    Delete,
    Add(i64),
    ExpectAbsent,
    Expect(Slice),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    start: u32,
    length: u32,
}

impl Change {
    /// A change that does nothing yet.
    pub fn new(class: Class) -> Self {
        Self { class, ops: Vec::with_capacity(8), bytes: Vec::with_capacity(512), note: Vec::new() }
    }

    /// Sets the value of a key.
    pub fn put(mut self, table: Table, key: &[u8], value: &[u8]) -> Self {
        let key = self.keep(key);
        let value = self.keep(value);
        self.op(table, key, OpKind::Put(value))
    }

    /// Writes an entry of a log: under `prefix` and the number of the change, which nobody knows before it is committed, so that keys follow each
    /// other as changes do and whoever has seen one has seen all before it. One entry of a log in a change.
    pub fn append(mut self, table: Table, prefix: &[u8], value: &[u8]) -> Self {
        let key = self.keep(prefix);
        let value = self.keep(value);
        self.op(table, key, OpKind::Append(value))
    }

    /// Removes a key; it need not be there.
    pub fn delete(mut self, table: Table, key: &[u8]) -> Self {
        let key = self.keep(key);
        self.op(table, key, OpKind::Delete)
    }

    /// Adds to a counter, which begins at 0 and is kept as a big-endian i64; [`counter`] reads it.
    pub fn add(mut self, table: Table, key: &[u8], delta: i64) -> Self {
        let key = self.keep(key);
        self.op(table, key, OpKind::Add(delta))
    }

    /// The change is a conflict when the key is there.
    pub fn expect_absent(mut self, table: Table, key: &[u8]) -> Self {
        let key = self.keep(key);
        self.op(table, key, OpKind::ExpectAbsent)
    }

    /// The change is a conflict when the key's value is not what was read.
    pub fn expect(mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Self {
        let key = self.keep(key);
        let kind = match value {
            Some(value) => OpKind::Expect(self.keep(value)),
            None => OpKind::ExpectAbsent,
        };
        self.op(table, key, kind)
    }

    /// The note that goes with the change: the bytes of its audit entry.
    pub fn note(mut self, note: Vec<u8>) -> Self {
        self.note = note;
        self
    }

    /// The class it was made with.
    pub fn class(&self) -> Class {
        self.class
    }

    /// About how many bytes its record will have.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + self.note.len() + 16 * self.ops.len()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.size() > MAX_CHANGE || self.ops.len() > usize::from(u16::MAX) || self.ops.iter().any(|op| op.key.length as usize > MAX_KEY)
    }

    pub(super) fn slice(&self, slice: Slice) -> &[u8] {
        self.bytes.get(slice.start as usize..slice.start as usize + slice.length as usize).unwrap_or_default()
    }

    fn keep(&mut self, bytes: &[u8]) -> Slice {
        // A change that outgrows these numbers is refused by its size.
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(bytes);
        Slice { start, length }
    }

    fn op(mut self, table: Table, key: Slice, kind: OpKind) -> Self {
        self.ops.push(Op { table, key, kind });
        self
    }
}

/// The number a counter's value stands for; none when the bytes are no counter.
pub fn counter(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_be_bytes)
}

/// A change that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its number: later changes have higher ones.
    pub sequence: u64,
    /// When it was committed; never earlier than the change before it.
    pub time: jiff::Timestamp,
}

/// Why a change did not happen. None of it did.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A precondition did not hold: read again and decide again.
    #[error("a precondition on {} did not hold", table.name())]
    Conflict { table: Table, key: Vec<u8> },
    /// There is no room: free some.
    #[error("no space left")]
    Full,
    /// Writing failed. Nothing more is accepted until the program is started again. Whether this change survives a restart is unknown.
    #[error("the journal cannot be written any more")]
    Failed,
    /// The storage is being closed.
    #[error("the storage is closed")]
    Closed,
    /// The change is larger than any may be.
    #[error("the change is too large")]
    TooLarge,
    /// A precondition or a counter could not be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

impl CommitError {
    /// Whether the change may have become durable all the same.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Failed | Self::Closed)
    }
}
