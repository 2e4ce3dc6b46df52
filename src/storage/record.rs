//! The form of a change in the journal, written and read by hand so that the offset of every value is known.
//!
//! ```text
//! version 1 (1 byte)   number of writes (2)   length of the note (4)
//! for each write:  kind (1: put, 2: delete)   table (1)   key length (2)   key
//!                  and for a put:  value length (4)   CRC-32 of table ‖ key ‖ value (4)   value
//! note
//! ```
//! Counters are written as the value they got, so that replaying a record twice does no harm.

use super::{RecordFault, Table};
use crate::journal::Place;

const VERSION: u8 = 1;
const PUT: u8 = 1;
const DELETE: u8 = 2;
/// The checksum stands right before the value, and a place covers both.
pub(super) const CHECK: usize = 4;

/// Writes the record's first bytes.
pub(super) fn begin(out: &mut Vec<u8>, writes: u16, note: u32) {
    out.push(VERSION);
    out.extend_from_slice(&writes.to_be_bytes());
    out.extend_from_slice(&note.to_be_bytes());
}

/// Writes a put; the offset of its checksum in `out`.
pub(super) fn put(out: &mut Vec<u8>, table: Table, key: &[u8], value: &[u8]) -> u32 {
    head(out, PUT, table, key);
    // Lengths are bounded by the size of a change.
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    let offset = out.len() as u32;
    out.extend_from_slice(&checksum(table, key, value).to_be_bytes());
    out.extend_from_slice(value);
    offset
}

/// Writes a delete.
pub(super) fn delete(out: &mut Vec<u8>, table: Table, key: &[u8]) {
    head(out, DELETE, table, key);
}

fn head(out: &mut Vec<u8>, kind: u8, table: Table, key: &[u8]) {
    out.extend_from_slice(&[kind, table.number()]);
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(key);
}

/// One write of a record.
pub(super) struct Write<'a> {
    pub table: Table,
    pub key: &'a [u8],
    pub value: Option<Value<'a>>,
}

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    pub bytes: &'a [u8],
    pub place: Place,
}

/// Reads a record that begins at `offset` of a segment: hands each write to `each`, and returns the note.
pub(super) fn read<'a>(bytes: &'a [u8], segment: u32, offset: u32, mut each: impl FnMut(Write<'a>)) -> Result<&'a [u8], RecordFault> {
    let mut rest = Rest { bytes, taken: 0 };
    let [version] = rest.array::<1>()?;
    if version != VERSION {
        return Err(RecordFault::Version(version));
    }
    let writes = u16::from_be_bytes(rest.array()?);
    let note = u32::from_be_bytes(rest.array()?);
    for _ in 0..writes {
        let [kind, table] = rest.array::<2>()?;
        let table = Table::from_number(table).ok_or(RecordFault::Table(table))?;
        let key = u16::from_be_bytes(rest.array()?);
        let key = rest.take(key.into())?;
        let value = match kind {
            PUT => {
                let length = u32::from_be_bytes(rest.array()?);
                let place = Place { segment, offset: offset + rest.taken, length: length.saturating_add(CHECK as u32) };
                let _check = rest.array::<CHECK>()?;
                Some(Value { bytes: rest.take(length as usize)?, place })
            }
            DELETE => None,
            _ => return Err(RecordFault::Form),
        };
        each(Write { table, key, value });
    }
    let note = rest.take(note as usize)?;
    if rest.bytes.is_empty() { Ok(note) } else { Err(RecordFault::Form) }
}

/// The value in what a place holds, if it is the one that was written for this key.
pub(super) fn checked<'a>(full_key: &[u8], placed: &'a [u8]) -> Option<&'a [u8]> {
    let (check, value) = placed.split_first_chunk::<CHECK>()?;
    (u32::from_be_bytes(*check) == checksum_of_full(full_key, value)).then_some(value)
}

fn checksum(table: Table, key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[table.number()]);
    hasher.update(key);
    hasher.update(value);
    hasher.finalize()
}

fn checksum_of_full(full_key: &[u8], value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(full_key);
    hasher.update(value);
    hasher.finalize()
}

/// Bytes that are taken from the front.
struct Rest<'a> {
    bytes: &'a [u8],
    taken: u32,
}

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordFault> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(RecordFault::Form)?;
        self.bytes = rest;
        // A record is shorter than a segment.
        self.taken += length as u32;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordFault> {
        self.take(N)?.try_into().map_err(|_| RecordFault::Form)
    }
}
