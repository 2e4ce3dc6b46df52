//! A private SoftHSM2 with one token.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::base::secret::SecretString;
use crate::token::{KeyId, KeyRef, Token, TokenConfig, TokenError, initialise, softhsm};
use crate::x509::algorithm::KeyType;

pub const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
pub const LABEL: &str = "chancery";
const PIN: &str = "1234-5678";

pub struct Home {
    pub dir: TempDir,
}

impl Home {
    /// A new directory that SoftHSM2 is told to use, without a token.
    pub fn empty() -> Self {
        assert!(std::env::var_os("NEXTEST").is_some(), "run these tests with cargo nextest: each needs its own process");
        let dir = tempfile::tempdir().unwrap();
        let configuration = softhsm::prepare(dir.path()).unwrap();
        set_variable(&configuration);
        Self { dir }
    }

    /// With an initialised token.
    pub fn new() -> Self {
        let home = Self::empty();
        initialise(Path::new(MODULE), LABEL, &secret("so-pin-1234"), &secret(PIN)).unwrap();
        home
    }

    pub fn config(&self) -> TokenConfig {
        TokenConfig { module: PathBuf::from(MODULE), label: Some(LABEL.to_owned()), serial: None, sessions: 2, queue: 0 }
    }

    pub fn open(&self) -> Token {
        Token::open(self.config(), secret(PIN)).unwrap()
    }

    pub fn open_with_pin(&self, pin: &str) -> Result<Token, TokenError> {
        Token::open(self.config(), secret(pin))
    }

    pub fn tokens(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    /// The directory of the only token.
    pub fn token(&self) -> PathBuf {
        std::fs::read_dir(self.tokens()).unwrap().next().unwrap().unwrap().path()
    }
}

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub async fn new_key(token: &Token, key_type: KeyType) -> KeyRef {
    let id = KeyId::random().unwrap();
    let made = token.generate(id, "test key", key_type).await.unwrap();
    KeyRef { id, public: made.public }
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

#[expect(unsafe_code, reason = "SoftHSM2 reads its configuration's path from the environment; the test has no other thread yet")]
fn set_variable(configuration: &Path) {
    // SAFETY: nextest runs this test alone in its process, and it has not started a runtime or another thread that reads the environment.
    unsafe { std::env::set_var(softhsm::CONFIGURATION_VARIABLE, configuration) }
}
