//! Key pairs of authorities: made, found, signed with, measured and destroyed by the engine, exactly as the worker does it.

use bytes::Bytes;

use super::{Examiner, Shortfall, Subject};
use crate::api::doctor::{Operation, Rate};
use crate::token::engine::rate::raw_sign_rate_with;
use crate::token::key::{KeyId, KeyRef};
use crate::token::request::{self, Answer, Ask, KeyName, KeyProfile};
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};

const MESSAGE: &[u8] = b"chancery doctor";
/// Measured in any case, so that tokens can be compared; twice as many as long as that helps.
const MEASURED: usize = 8;
/// A doubling that brings less does not help.
const HELPS: f64 = 1.1;
/// What the engine holds for itself.
pub const OWN_SESSIONS: usize = 3;

/// How a trial ended that leaves nothing but a detail.
pub type Tried = Result<((), Option<String>), Shortfall>;

/// Examines one type of key.
pub fn examine(examiner: &mut Examiner<'_>, subject: &Subject, key_type: KeyType) {
    let name = key_type.to_string();
    let Some(key) = make(examiner, subject, key_type) else { return };
    examiner.attempt(Operation::Find, Some(&name), || match subject.engine.ask(Ask::Find { id: key.id })? {
        Answer::Found(Some(found)) if found == key.public => Ok(((), None)),
        _ => Err(Shortfall::failed("another key was found under its CKA_ID, or none")),
    });
    let is_pss = |algorithm: &SignatureAlgorithm| matches!(algorithm, SignatureAlgorithm::RsaPss(_));
    let (pss, plain): (Vec<_>, Vec<_>) =
        SignatureAlgorithm::ALL.into_iter().filter(|algorithm| key_type.signs_with(*algorithm)).partition(is_pss);
    let signs = examiner.attempt(Operation::Sign, Some(&name), || sign_with(subject, &key, &plain));
    if !pss.is_empty() {
        examiner.attempt(Operation::SignPss, Some(&name), || sign_with(subject, &key, &pss));
    }
    if signs.is_some() {
        measure(examiner, subject, &key, &name);
    }
    examiner.attempt(Operation::Destroy, Some(&name), || destroy(subject, key.id));
}

/// Makes a pair with the attributes of an authority's, which the engine reads back.
pub fn make(examiner: &mut Examiner<'_>, subject: &Subject, key_type: KeyType) -> Option<KeyRef> {
    let work = || generate(subject, KeyProfile::AuthoritySigning(key_type)).map(|key| (key, None));
    examiner.attempt(Operation::Generate, Some(&key_type.to_string()), work)
}

/// Makes a pair for that purpose, without a word.
pub fn generate(subject: &Subject, profile: KeyProfile) -> Result<KeyRef, Shortfall> {
    let id = KeyId::random().map_err(|_| Shortfall::failed("the operating system gave no random bytes"))?;
    match subject.engine.ask(Ask::Generate { id, label: subject.mark.clone(), profile })? {
        Answer::Generated(made) if made.public.key_type() == profile.key_type() => Ok(KeyRef { token: None, id, public: made.public }),
        _ => Err(Shortfall::failed("the key that was made is of another type")),
    }
}

/// Signs with each algorithm, and verifies.
pub fn sign_with(subject: &Subject, key: &KeyRef, algorithms: &[SignatureAlgorithm]) -> Tried {
    for algorithm in algorithms {
        sign(subject, key, *algorithm).map_err(|shortfall| shortfall.of(algorithm.name()))?;
    }
    let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
    Ok(((), Some(names.join(", "))))
}

/// That the pair is gone when it was destroyed.
pub fn destroy(subject: &Subject, id: KeyId) -> Tried {
    subject.engine.ask(Ask::Destroy { id })?;
    match subject.engine.ask(Ask::Find { id })? {
        Answer::Found(None) => Ok(((), None)),
        _ => Err(Shortfall::failed("the key is still found")),
    }
}

fn sign(subject: &Subject, key: &KeyRef, algorithm: SignatureAlgorithm) -> Result<(), Shortfall> {
    let input = request::input(algorithm, &Bytes::from_static(MESSAGE));
    match subject.engine.ask(Ask::Sign { key: KeyName::from(key), algorithm, input })? {
        Answer::Bytes(signature) if key.public.verify(algorithm, MESSAGE, &signature) => Ok(()),
        _ => Err(Shortfall::failed("the signature does not verify with the public key")),
    }
}

/// Not a trial: a token that cannot be measured has been tried all the same.
fn measure(examiner: &mut Examiner<'_>, subject: &Subject, key: &KeyRef, name: &str) {
    let most = subject.most_sessions.saturating_sub(OWN_SESSIONS).max(1);
    let (mut sessions, mut before) = (1, 0.0);
    while sessions <= most {
        examiner.begin(Operation::Measure, Some(name));
        let per_second = match raw_sign_rate_with(&subject.engine, key, sessions, subject.measured_for) {
            Ok(found) => found.per_second(),
            Err(error) => {
                let failed = || Tried::Err(Shortfall::from(error).of(&format!("{sessions} sessions")));
                examiner.attempt(Operation::Measure, Some(name), failed);
                return;
            }
        };
        (examiner.tell)(crate::token::doctor::message::Message::Measured(Rate { key: name.to_owned(), sessions, per_second }));
        if sessions >= MEASURED && per_second < HELPS * before {
            return;
        }
        (sessions, before) = (sessions * 2, per_second);
    }
}
