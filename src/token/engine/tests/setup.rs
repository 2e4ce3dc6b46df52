//! A private SoftHSM2 with one token; or, where CHANCERY_TEST_KRYOPTIC names its module, a private Kryoptic; or, where CHANCERY_TEST_NSS
//! names a module that is NSS, the database that was made for the test. `make portability` sets them.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cryptoki::mechanism::MechanismType;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::base::secret::SecretString;
use crate::token::engine::calls::{Calls, Timeouts};
use crate::token::engine::module::{Module, Selection};
use crate::token::engine::pin::PinFile;
use crate::token::engine::{Engine, EngineConfig, Reply, initialise};
use crate::token::request::{self, Answer, Ask};
use crate::token::{GeneratedKey, KeyId, KeyProfile, KeyRef, TokenError, softhsm};
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "1234-5678";

pub struct Home {
    pub dir: TempDir,
}

impl Home {
    /// A new directory that SoftHSM2 is told to use, without a token.
    pub fn empty() -> Self {
        assert!(std::env::var_os("NEXTEST").is_some(), "run these tests with cargo nextest: each needs its own process");
        let dir = tempfile::tempdir().unwrap();
        match Other::of_this_run() {
            None => set_variable(softhsm::CONFIGURATION_VARIABLE, &softhsm::prepare(dir.path()).unwrap()),
            Some(Other::Kryoptic(_)) => set_variable("KRYOPTIC_CONF", &prepare_kryoptic(dir.path())),
            Some(Other::Nss(_)) => {}
        }
        Self { dir }
    }

    /// With an initialised token.
    pub fn new() -> Self {
        let home = Self::empty();
        // A database of NSS is born with its PIN.
        if !matches!(Other::of_this_run(), Some(Other::Nss(_))) {
            initialise(&module(), label(), &secret("so-pin-1234"), &secret(PIN)).unwrap();
        }
        home
    }

    pub fn config(&self) -> EngineConfig {
        let pin = self.pin(PIN);
        EngineConfig { module: module(), label: Some(label().to_owned()), serial: None, pin, sessions: 2, queue: 0, limits: Vec::new() }
    }

    /// A file with that PIN.
    pub fn pin(&self, pin: &str) -> PinFile {
        let path = self.dir.path().join(format!("pin-{}", pin.len()));
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, pin.as_bytes()).unwrap();
        PinFile::named(path.to_str().unwrap()).unwrap()
    }

    pub fn open(&self) -> Token {
        Token::open(self.config()).unwrap()
    }

    pub fn open_with_pin(&self, pin: &str) -> Result<Token, TokenError> {
        Token::open(EngineConfig { pin: self.pin(pin), ..self.config() })
    }

    pub fn tokens(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    /// The directory of the only token.
    pub fn token(&self) -> PathBuf {
        std::fs::read_dir(self.tokens()).unwrap().next().unwrap().unwrap().path()
    }
}

/// The module that is tested.
pub fn module() -> PathBuf {
    match Other::of_this_run() {
        None => SOFTHSM.into(),
        Some(Other::Kryoptic(module) | Other::Nss(module)) => module,
    }
}

/// What its token is called.
pub fn label() -> &'static str {
    match Other::of_this_run() {
        Some(Other::Nss(_)) => "NSS Certificate DB",
        None | Some(Other::Kryoptic(_)) => "chancery",
    }
}

/// Those of the types that the module under test makes: Kryoptic has Ed25519 from OpenSSL 3.2 on, NSS has none. To be called when there is a token.
pub fn those_made(key_types: &[KeyType]) -> Vec<KeyType> {
    let entry = Module::load(&module()).unwrap().enter();
    let (slot, _) = entry.find(&Selection { label: Some(label().to_owned()), serial: None }).unwrap();
    let has_edwards = entry.pkcs11().get_mechanism_list(slot).unwrap().contains(&MechanismType::ECC_EDWARDS_KEY_PAIR_GEN);
    assert!(has_edwards || Other::of_this_run().is_some());
    key_types.iter().copied().filter(|key_type| has_edwards || *key_type != KeyType::Ed25519).collect()
}

/// A module that takes SoftHSM2's place.
enum Other {
    Kryoptic(PathBuf),
    Nss(PathBuf),
}

impl Other {
    fn of_this_run() -> Option<Self> {
        let named = |variable| std::env::var_os(variable).map(PathBuf::from);
        named("CHANCERY_TEST_KRYOPTIC").map(Self::Kryoptic).or_else(|| named("CHANCERY_TEST_NSS").map(Self::Nss))
    }
}

/// Three slots, of which the first becomes the token.
fn prepare_kryoptic(dir: &Path) -> PathBuf {
    let slot = |number: u32| {
        let database = dir.join(format!("slot-{number}.db"));
        format!("[[slots]]\nslot = {number}\ndbtype = \"sqlite\"\ndbargs = {:?}\n", database.display().to_string())
    };
    let configuration = dir.join("kryoptic.toml");
    std::fs::write(&configuration, (1..=3).map(slot).collect::<String>()).unwrap();
    configuration
}

/// An engine with the methods of the daemon's token, but for the verification.
#[derive(Clone, Debug)]
pub struct Token {
    pub engine: Engine,
}

impl Token {
    pub fn open(config: EngineConfig) -> Result<Self, TokenError> {
        Ok(Self { engine: Engine::open(config, Calls::new(Timeouts::default()))? })
    }

    pub async fn ask(&self, ask: Ask) -> Result<Answer, TokenError> {
        let (send, answer) = oneshot::channel();
        let send = Arc::new(std::sync::Mutex::new(Some(send)));
        let waiting = send.clone();
        let reply = Reply {
            send: Box::new(move |outcome| drop(send.lock().unwrap().take().unwrap().send(outcome))),
            is_wanted: Box::new(move || !waiting.lock().unwrap().as_ref().unwrap().is_closed()),
        };
        self.engine.submit(ask, reply);
        answer.await.unwrap()
    }

    pub async fn generate(&self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        let profile = KeyProfile::AuthoritySigning(key_type);
        match self.ask(Ask::Generate { id, label: label.to_owned(), profile }).await? {
            Answer::Generated(made) => Ok(made),
            other => panic!("{other:?}"),
        }
    }

    pub async fn sign(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: impl Into<bytes::Bytes>) -> Result<Vec<u8>, TokenError> {
        let input = request::input(algorithm, &message.into());
        self.bytes(Ask::Sign { key: key.into(), algorithm, input }).await
    }

    pub async fn random(&self, length: u32) -> Result<Vec<u8>, TokenError> {
        self.bytes(Ask::Random { length }).await
    }

    pub async fn find(&self, id: KeyId) -> Result<Option<PublicKey>, TokenError> {
        match self.ask(Ask::Find { id }).await? {
            Answer::Found(found) => Ok(found),
            other => panic!("{other:?}"),
        }
    }

    pub async fn check(&self, key: &KeyRef) -> Result<(), TokenError> {
        self.ask(Ask::Check { key: key.into() }).await.map(drop)
    }

    pub async fn destroy(&self, id: KeyId) -> Result<(), TokenError> {
        self.ask(Ask::Destroy { id }).await.map(drop)
    }

    pub fn health(&self) -> crate::token::TokenHealth {
        self.engine.health()
    }

    async fn bytes(&self, ask: Ask) -> Result<Vec<u8>, TokenError> {
        match self.ask(ask).await? {
            Answer::Bytes(bytes) => Ok(bytes),
            other => panic!("{other:?}"),
        }
    }
}

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub async fn new_key(token: &Token, key_type: KeyType) -> KeyRef {
    let id = KeyId::random().unwrap();
    let made = token.generate(id, "test key", key_type).await.unwrap();
    KeyRef { token: None, id, public: made.public }
}

/// Runs as many tasks as asked, each with its number.
pub async fn tasks<F>(count: usize, token: &Token, key: &KeyRef, work: impl Fn(usize, Token, Arc<KeyRef>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let key = Arc::new(key.clone());
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(work(number, token.clone(), Arc::clone(&key)))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// What this process has used so far.
pub fn processor_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec().unsigned_abs(), u32::try_from(time.tv_usec()).unwrap() * 1_000);
    of(usage.user_time()) + of(usage.system_time())
}

#[expect(unsafe_code, reason = "modules read their configuration's path from the environment; the test has no other thread yet")]
fn set_variable(name: &str, configuration: &Path) {
    // SAFETY: nextest runs this test alone in its process, and it has not started a runtime or another thread that reads the environment.
    unsafe { std::env::set_var(name, configuration) }
}
