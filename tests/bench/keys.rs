//! A token of this process with a key of each kind that is measured.

use std::path::PathBuf;

use chancery::token::{self, KeyId, KeyRef, Token, TokenConfig};
use chancery::x509::algorithm::KeyType;

use crate::settings::Settings;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const LABEL: &str = "bench";
const PIN: &str = "1234-5678";

pub struct Keys {
    pub token: Token,
    /// One for each kind that is measured.
    pub keys: Vec<(KeyType, KeyRef)>,
}

/// A new token, opened with as many sessions as the daemon would.
pub fn make(settings: &Settings) -> Keys {
    let module = PathBuf::from(MODULE);
    token::initialise(&module, LABEL, &"so-pin-1234".to_owned().into(), &PIN.to_owned().into()).expect("a token");
    let config = TokenConfig { module, label: Some(LABEL.to_owned()), serial: None, sessions: 0, queue: 0 };
    let token = Token::open(config, PIN.to_owned().into()).expect("the token opens");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let keys = settings.kinds().into_iter().map(|kind| {
        let id = KeyId::random().expect("random bytes");
        let made = runtime.block_on(token.generate(id, "bench", kind)).expect("a key");
        (kind, KeyRef { id, public: made.public })
    });
    Keys { keys: keys.collect(), token }
}
