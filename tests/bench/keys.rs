//! A token of this process with a key of each kind that is measured.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chancery::token::engine::calls::{Calls, Timeouts};
use chancery::token::engine::pin::PinFile;
use chancery::token::engine::{self, Engine, EngineConfig};
use chancery::token::keeper::Keeper;
use chancery::token::request::{Answer, Ask};
use chancery::token::{KeyId, KeyProfile, KeyRef, Place, Token, TokenConfig, softhsm};
use chancery::x509::algorithm::KeyType;

use crate::elsewhere;
use crate::settings::Settings;

pub const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
const LABEL: &str = "bench";
const PIN: &str = "1234-5678";

pub struct Keys {
    /// What calls the module, in this process.
    pub engine: Engine,
    /// One for each kind that is measured.
    pub keys: Vec<(KeyType, KeyRef)>,
}

/// A new token, opened with as many sessions as the daemon's worker would.
pub fn make(settings: &Settings) -> Keys {
    let module = elsewhere::module().unwrap_or_else(|| SOFTHSM.into());
    engine::initialise(&module, LABEL, &"so-pin-1234".to_owned().into(), &PIN.to_owned().into()).expect("a token");
    let engine = Engine::open(config(module), Calls::new(Timeouts::default())).expect("the token opens");
    let keys = settings.kinds().into_iter().map(|kind| {
        let id = KeyId::random().expect("random bytes");
        let ask = Ask::Generate { id, label: "bench".to_owned(), profile: KeyProfile::AuthoritySigning(kind) };
        let Answer::Generated(made) = engine.ask(ask).expect("a key") else { panic!("another answer than a key") };
        (kind, KeyRef { token: None, id, public: made.public })
    });
    Keys { keys: keys.collect(), engine }
}

/// The PIN's file is beside SoftHSM2's configuration.
fn config(module: PathBuf) -> EngineConfig {
    let pin = PinFile::named(pin_file().to_str().expect("a path in UTF-8")).expect("a PIN file");
    let sessions = elsewhere::module().map_or(0, |_| elsewhere::SESSIONS);
    EngineConfig { module, label: Some(LABEL.to_owned()), serial: None, pin, sessions, queue: 0, limits: Vec::new() }
}

fn pin_file() -> PathBuf {
    let path = PathBuf::from(std::env::var_os(softhsm::CONFIGURATION_VARIABLE).expect("SoftHSM2's configuration")).with_file_name("pin");
    std::fs::write(&path, PIN).expect("the PIN can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("and kept");
    path
}

/// A worker process for the same token, and its end when dropped.
pub fn worker() -> Token {
    let file = pin_file().with_file_name("token.toml");
    let text = format!("module = {SOFTHSM:?}\nlabel = {LABEL:?}\npin_file = {:?}\n", pin_file());
    std::fs::write(&file, text).expect("the worker's configuration");
    let keeper = Keeper::start(Path::new(env!("CARGO_BIN_EXE_chanceryd")), &file, &std::env::temp_dir()).expect("a keeper");
    let config = TokenConfig { name: "bench".to_owned(), workers: vec![Place::Kept(keeper)], queue: 1_024 };
    Token::open(vec![config], Duration::from_secs(60)).expect("the worker logs in")
}
