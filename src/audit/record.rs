//! The form of an entry on disk.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, Actor, Entry, Field, Outcome};
use crate::base::id::{AcmeAccountId, OrgId, RequestId, TokenId};

/// The longest text that is kept; more is cut off, and the cut is seen.
pub(super) const LONGEST: usize = 512;
/// The most details that are kept.
const MOST_DETAILS: usize = 32;

/// Why bytes are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    #[error("the entry's form is wrong")]
    Form,
    #[error("action number {0} is not known")]
    Action(u16),
    #[error("field number {0} is not known")]
    Field(u8),
    #[error("the time is out of range")]
    Time,
}

/// All forms there have been.
#[derive(Serialize, Deserialize)]
enum Stored {
    /// From before there were organisations: the affairs of the default one.
    V1(EntryV1),
    /// With the organisation.
    V2(Option<[u8; 16]>, EntryV1),
}

#[derive(Serialize, Deserialize)]
struct EntryV1 {
    microseconds: i64,
    request: Option<[u8; 16]>,
    actor: ActorV1,
    action: u16,
    object: Option<String>,
    /// The code of a refusal.
    refused: Option<String>,
    details: Vec<(u8, String)>,
}

#[derive(Serialize, Deserialize)]
enum ActorV1 {
    Token { id: [u8; 16], name: String },
    Anonymous,
    System,
    BreakGlass { user: u32, process: i32 },
    AcmeAccount([u8; 16]),
}

/// The bytes of an entry.
pub(super) fn encode(entry: Entry) -> Vec<u8> {
    let Entry { time, request, organization, actor, action, object, outcome, details } = entry;
    let organization = organization.map(|id| *id.as_bytes());
    let entry = EntryV1 {
        microseconds: time.as_microsecond(),
        request: request.map(|id| *id.as_bytes()),
        actor: match actor {
            Actor::Token { id, name } => ActorV1::Token { id: *id.as_bytes(), name: clean(name) },
            Actor::Anonymous => ActorV1::Anonymous,
            Actor::System => ActorV1::System,
            Actor::BreakGlass { user, process } => ActorV1::BreakGlass { user, process },
            Actor::AcmeAccount { id } => ActorV1::AcmeAccount(*id.as_bytes()),
        },
        action: action.number(),
        object: object.map(clean),
        refused: match outcome {
            Outcome::Done => None,
            Outcome::Refused { code } => Some(clean(code)),
        },
        details: details.into_iter().take(MOST_DETAILS).map(|(field, value)| (field.number(), clean(value))).collect(),
    };
    // postcard fails on sequences of unknown length only, and there is none here.
    postcard::to_allocvec(&Stored::V2(organization, entry)).unwrap_or_default()
}

/// The entry in those bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, EntryFault> {
    let (stored, rest) = postcard::take_from_bytes(bytes).map_err(|_| EntryFault::Form)?;
    if !rest.is_empty() {
        return Err(EntryFault::Form);
    }
    let (organization, entry) = match stored {
        Stored::V1(entry) => (Some(OrgId::DEFAULT), entry),
        Stored::V2(organization, entry) => (organization.map(OrgId::from_bytes), entry),
    };
    let EntryV1 { microseconds, request, actor, action, object, refused, details } = entry;
    Ok(Entry {
        time: Timestamp::from_microsecond(microseconds).map_err(|_| EntryFault::Time)?,
        request: request.map(RequestId::from_bytes),
        organization,
        actor: match actor {
            ActorV1::Token { id, name } => Actor::Token { id: TokenId::from_bytes(id), name },
            ActorV1::Anonymous => Actor::Anonymous,
            ActorV1::System => Actor::System,
            ActorV1::BreakGlass { user, process } => Actor::BreakGlass { user, process },
            ActorV1::AcmeAccount(id) => Actor::AcmeAccount { id: AcmeAccountId::from_bytes(id) },
        },
        action: Action::from_number(action).ok_or(EntryFault::Action(action))?,
        object,
        outcome: refused.map_or(Outcome::Done, |code| Outcome::Refused { code }),
        details: details
            .into_iter()
            .map(|(field, value)| Ok((Field::from_number(field).ok_or(EntryFault::Field(field))?, value)))
            .collect::<Result<_, EntryFault>>()?,
    })
}

/// Bounds a text and escapes what could move a terminal's cursor, forge a line or turn the direction of writing.
fn clean(text: String) -> String {
    // Nearly every text is plain ASCII, which is seen faster byte by byte.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    if text.len() <= LONGEST && (text.bytes().all(is_plain) || !text.chars().any(is_unsafe)) {
        return text;
    }
    let mut clean = String::with_capacity(text.len().min(LONGEST));
    for character in text.chars() {
        let before = clean.len();
        if is_unsafe(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
        if clean.len() > LONGEST - '…'.len_utf8() {
            clean.truncate(before);
            clean.push('…');
            break;
        }
    }
    clean
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
