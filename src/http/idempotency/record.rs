//! What is kept on disk of a key and of its answer. Versions are added, never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use crate::base::clock::from_seconds;
use crate::base::id::RequestId;
use crate::storage::Table;

/// Whether this version reads a value of one of its tables.
pub fn reads(table: Table, value: &[u8]) -> bool {
    match table {
        Table::IdempotencyKeys => KeyRecord::decode(value).is_some(),
        Table::IdempotencyAnswers => AnswerRecord::decode(value).is_some(),
        _ => false,
    }
}

/// A key, on disk.
#[derive(Serialize, Deserialize)]
pub enum KeyRecord {
    V1 { fingerprint: [u8; 32], request: [u8; 16], after: u64, begun_at: i64, made: Option<String> },
}

/// An answer, on disk.
#[derive(Serialize, Deserialize)]
pub enum AnswerRecord {
    V1 { status: u16, content_type: String, body: Vec<u8> },
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The hash of the body.
    pub fingerprint: [u8; 32],
    /// The request that was the last to do it.
    pub request: RequestId,
    /// The last change before it was begun: what it made is behind.
    pub after: u64,
    pub begun_at: Timestamp,
    /// What it made, when that was found out after a crash.
    pub made: Option<String>,
}

impl KeyRecord {
    pub fn encode(row: &Row) -> Result<Vec<u8>, postcard::Error> {
        let Row { fingerprint, request, after, begun_at, made } = row;
        postcard::to_allocvec(&Self::V1 {
            fingerprint: *fingerprint,
            request: *request.as_bytes(),
            after: *after,
            begun_at: begun_at.as_second(),
            made: made.clone(),
        })
    }

    pub fn decode(bytes: &[u8]) -> Option<Row> {
        let Self::V1 { fingerprint, request, after, begun_at, made } = postcard::from_bytes(bytes).ok()?;
        Some(Row { fingerprint, request: RequestId::from_bytes(request), after, begun_at: from_seconds(begun_at), made })
    }
}

impl AnswerRecord {
    pub fn encode(answer: &Answer) -> Result<Vec<u8>, postcard::Error> {
        let Answer { status, content_type, body } = answer;
        postcard::to_allocvec(&Self::V1 { status: *status, content_type: content_type.clone(), body: body.clone() })
    }

    pub fn decode(bytes: &[u8]) -> Option<Answer> {
        let Self::V1 { status, content_type, body } = postcard::from_bytes(bytes).ok()?;
        Some(Answer { status, content_type, body })
    }
}
