//! Tries everything the appliance asks of a token, with keys that are made for it and destroyed again.
//!
//! It runs in a process of its own, because a module that is being examined is the last one to be trusted with another. What it finds is
//! told as it is found, and before each trial what is about to be tried: of a process that crashed or hangs this is all that remains.
//!
//! Guarantees: the PIN is sent to the token once at first, and again only after the token has accepted it. Every object it makes has the
//! label it was given, behind the mark of its profile where that has one, and objects of such labels are destroyed at the end.
//!
//! Never does: touch an object of another label, or initialise a token.

mod custody;
mod keys;
mod look;
mod loss;
mod sealing;
mod wrapping;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cryptoki::object::Attribute;
use cryptoki::session::Session;

use super::calls::{Calls, Timeouts};
use super::module::{Module, Selection};
use super::pin::PinFile;
use super::worker::Fault;
use super::{Engine, EngineConfig, SESSIONS};
use crate::api::doctor::{Operation, Outcome, Sessions, Trial};
use crate::token::doctor::message::Message;
use crate::token::error::TokenError;
use crate::token::request::{Answer, Ask, KeyProfile};
use crate::x509::algorithm::KeyType;
pub(super) use look::most_sessions;

/// What is to be examined.
#[derive(Debug)]
pub struct Assignment {
    pub module: PathBuf,
    pub label: Option<String>,
    pub serial: Option<String>,
    /// None to look only.
    pub pin: Option<PinFile>,
    /// Every object gets this label.
    pub mark: String,
    /// The part to begin with: those before it were examined by a process that has ended.
    pub from: usize,
    /// How long a rate is measured.
    pub measured_for: Duration,
}

/// A part of the examination, which can be done without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Sessions,
    Random,
    Key(KeyType),
    Sealing,
    Wrapping(Wrapping),
    Subjects,
    Decryption,
    RegistrationAuthority,
    Losses,
}

/// The two numbers of AES key wrap with padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    Pad,
    Kwp,
}

/// In the order in which they are tried.
pub const PARTS: [Part; 16] = [
    Part::Sessions,
    Part::Random,
    Part::Key(KeyType::P256),
    Part::Key(KeyType::P384),
    Part::Key(KeyType::P521),
    Part::Key(KeyType::Ed25519),
    Part::Key(KeyType::Rsa2048),
    Part::Key(KeyType::Rsa3072),
    Part::Key(KeyType::Rsa4096),
    Part::Sealing,
    Part::Wrapping(Wrapping::Pad),
    Part::Wrapping(Wrapping::Kwp),
    Part::Subjects,
    Part::Decryption,
    Part::RegistrationAuthority,
    Part::Losses,
];

/// As many sessions as the pool has at most, and those of the engine itself.
const MOST_SESSIONS: usize = *SESSIONS.end() + keys::OWN_SESSIONS;

/// Examines, and tells what it finds.
pub fn run(assignment: Assignment, tell: &mut dyn FnMut(Message)) {
    let mut examiner = Examiner { tell };
    examiner.examine(assignment);
    (examiner.tell)(Message::End);
}

/// What a trial says when it did not do what it should.
struct Shortfall {
    outcome: Outcome,
    detail: String,
}

struct Examiner<'a> {
    tell: &'a mut dyn FnMut(Message),
}

/// A token that is logged in to.
struct Subject {
    engine: Engine,
    mark: String,
    most_sessions: usize,
    measured_for: Duration,
}

impl Examiner<'_> {
    fn examine(&mut self, assignment: Assignment) {
        let is_first = assignment.from == 0;
        self.begin(Operation::Load, None);
        let module = match Module::load(&assignment.module) {
            Ok(module) => module,
            Err(error) => return self.unusable("the module cannot be loaded and initialised", &error),
        };
        if is_first && let Err(error) = look::at_module(module, &assignment.module, self.tell) {
            return self.unusable("the module does not tell about itself", &error);
        }
        let selection = Selection { label: assignment.label.clone(), serial: assignment.serial.clone() };
        let (slot, info) = match module.enter().find(&selection) {
            Ok(found) => found,
            Err(error) => return self.unusable("the token cannot be chosen", &error),
        };
        if is_first {
            (self.tell)(Message::Token(look::token(&info)));
            look::at_mechanisms(module, slot, self.tell);
        }
        let Some(pin) = assignment.pin else { return };
        if let Some(why) = look::why_not_log_in(&info) {
            return (self.tell)(Message::Unusable(why.to_owned()));
        }
        self.begin(Operation::LogIn, None);
        let config = EngineConfig {
            module: assignment.module,
            label: Some(info.label().to_owned()),
            serial: Some(info.serial_number().to_owned()),
            pin,
            sessions: 2,
            queue: 0,
            limits: Vec::new(),
        };
        let engine = match Engine::open(config, Calls::new(Timeouts::default())) {
            Ok(engine) => engine,
            Err(error) => return self.unusable("the token lets nobody in", &error),
        };
        let most_sessions = look::most_sessions(&info).unwrap_or(MOST_SESSIONS).clamp(1, MOST_SESSIONS);
        let subject = Subject { engine, mark: assignment.mark, most_sessions, measured_for: assignment.measured_for };
        for (place, part) in PARTS.iter().enumerate().skip(assignment.from) {
            (self.tell)(Message::Part(place));
            match part {
                Part::Sessions => self.open_sessions(&subject, &info),
                Part::Random => self.random(&subject),
                Part::Key(key_type) => keys::examine(self, &subject, *key_type),
                Part::Sealing => sealing::examine(self, &subject),
                Part::Wrapping(wrapping) => wrapping::examine(self, &subject, *wrapping),
                Part::Subjects => custody::examine_subjects(self, &subject),
                Part::Decryption => sealing::examine_decryption(self, &subject),
                Part::RegistrationAuthority => custody::examine_registration_authority(self, &subject),
                Part::Losses => loss::examine(self, &subject, module),
            }
        }
        (self.tell)(Message::Part(PARTS.len()));
        self.clean_up(&subject);
    }

    /// Says what is tried next.
    fn begin(&mut self, operation: Operation, key: Option<&str>) {
        (self.tell)(Message::Begun { operation, key: key.map(str::to_owned) });
    }

    /// Tries one thing and tells how it went. A detail may also be told of what went well.
    fn attempt<T>(
        &mut self,
        operation: Operation,
        key: Option<&str>,
        work: impl FnOnce() -> Result<(T, Option<String>), Shortfall>,
    ) -> Option<T> {
        self.begin(operation, key);
        let begun = Instant::now();
        let (value, outcome, detail) = match work() {
            Ok((value, detail)) => (Some(value), Outcome::Done, detail),
            Err(Shortfall { outcome, detail }) => (None, outcome, Some(detail)),
        };
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.tell)(Message::Tried(Trial { operation, key: key.map(str::to_owned), outcome, detail, milliseconds }));
        value
    }

    fn unusable(&mut self, what: &str, error: &dyn std::error::Error) {
        (self.tell)(Message::Unusable(format!("{what}: {}", explained(error))));
    }

    fn open_sessions(&mut self, subject: &Subject, info: &cryptoki::slot::TokenInfo) {
        let mut refused_with = None;
        let opened = self.attempt(Operation::OpenSessions, None, || {
            let (first, _) = subject.engine.pool.link.open(false)?;
            let entry = subject.engine.pool.link.module.enter();
            let mut seats = vec![first];
            while seats.len() < MOST_SESSIONS
                && let Some(last) = seats.last()
            {
                match entry.open(last.slot, false) {
                    Ok(seat) => seats.push(seat),
                    Err(error) => {
                        refused_with = Some(explained(&error));
                        break;
                    }
                }
            }
            let opened = seats.len();
            for seat in seats {
                entry.close(seat);
            }
            Ok((opened, None))
        });
        if let Some(opened) = opened {
            let (stated, stated_writing) = look::stated_sessions(info);
            (self.tell)(Message::Sessions(Sessions { stated, stated_writing, opened, refused_with }));
        }
    }

    fn random(&mut self, subject: &Subject) {
        self.attempt(Operation::Random, None, || {
            let ask = || match subject.engine.ask(Ask::Random { length: 32 })? {
                Answer::Bytes(bytes) if bytes.len() == 32 => Ok(bytes),
                _ => Err(Shortfall::failed("it gave another number of bytes than it was asked for")),
            };
            if ask()? == ask()? { Err(Shortfall::failed("it gave the same bytes twice")) } else { Ok(((), None)) }
        });
    }

    fn clean_up(&mut self, subject: &Subject) {
        let left = self.attempt(Operation::CleanUp, None, || {
            subject.seated(|session| {
                let mut left = 0;
                for mark in ["", KeyProfile::SUBJECT, KeyProfile::REGISTRATION_AUTHORITY] {
                    let ours = [Attribute::Label([mark, &subject.mark].concat().into_bytes())];
                    for object in session.find_objects(&ours)? {
                        session.destroy_object(object)?;
                    }
                    left += session.find_objects(&ours)?.len();
                }
                Ok((left, None))
            })
        });
        if let Some(left) = left {
            (self.tell)(Message::Left(left));
        }
    }
}

impl Subject {
    /// A session of its own for some calls, which ends with them.
    fn seated<T>(&self, work: impl FnOnce(&Session) -> Result<T, Shortfall>) -> Result<T, Shortfall> {
        let link = &self.engine.pool.link;
        let (seat, _) = link.open(true)?;
        let entry = link.module.enter();
        let outcome = work(&seat.session);
        entry.close(seat);
        outcome
    }

    /// The label of the objects that are made here.
    fn label(&self) -> Attribute {
        Attribute::Label(self.mark.as_bytes().to_vec())
    }
}

impl Shortfall {
    fn failed(detail: &str) -> Self {
        Self { outcome: Outcome::Failed, detail: detail.to_owned() }
    }

    fn of(self, what: &str) -> Self {
        Self { detail: format!("{what}: {}", self.detail), ..self }
    }
}

impl From<TokenError> for Shortfall {
    fn from(error: TokenError) -> Self {
        let outcome = if matches!(error, TokenError::Unsupported(_)) { Outcome::Lacking } else { Outcome::Failed };
        Self { outcome, detail: explained(&error) }
    }
}

impl From<Fault> for Shortfall {
    fn from(fault: Fault) -> Self {
        match fault {
            // The module's own word: which error of the engine's it becomes says nothing of the token.
            Fault::Call(error) => {
                let detail = explained(&error);
                let outcome =
                    if matches!(TokenError::from(error), TokenError::Unsupported(_)) { Outcome::Lacking } else { Outcome::Failed };
                Self { outcome, detail }
            }
            Fault::Final(error) => error.into(),
        }
    }
}

impl From<cryptoki::error::Error> for Shortfall {
    fn from(error: cryptoki::error::Error) -> Self {
        Fault::from(error).into()
    }
}

/// An error with its causes, in one line.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
