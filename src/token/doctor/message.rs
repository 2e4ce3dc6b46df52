//! What the process with the module tells the one that started it: a line of JSON each.

use serde::{Deserialize, Serialize};

use crate::api::doctor::{MechanismInfo, ModuleInfo, Operation, Rate, Sessions, SlotInfo, TokenInfo, Trial};

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The parts of the examination from this place on are under way, and those before it are over.
    Part(usize),
    /// This is being tried now: if nothing else follows, it is what ended or held up the process.
    Begun {
        operation: Operation,
        key: Option<String>,
    },
    Module(ModuleInfo),
    Slots(Vec<SlotInfo>),
    Token(TokenInfo),
    Mechanisms(Vec<MechanismInfo>),
    Sessions(Sessions),
    Tried(Trial),
    Measured(Rate),
    /// How many objects of the trials are still there.
    Left(usize),
    /// There is no use in going on.
    Unusable(String),
    /// Everything was told.
    End,
}
