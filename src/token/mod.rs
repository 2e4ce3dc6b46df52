//! The PKCS#11 token that holds every CA key, seen from the daemon: the vendor's module runs in a process of its own, the worker, and
//! [`Token`] asks it over a socket.
//!
//! ```text
//!   daemon                      keeper                       worker (the module, the PIN)
//!   Token ── requests ─────────────────────────────────────▶ process ▶ engine ▶ PKCS#11
//!     │                           │ holds the socket, starts, watches and replaces the worker
//!     └── starts ────────────────▶└─────────────────────────▶
//! ```
//!
//! Guarantees: a signature that is returned was verified here with the public key the caller named. A full queue is answered at once. A
//! module that crashes, hangs or lies ends the worker at most: another one takes its place, and what may be asked twice is asked again.
//!
//! Never does: load the module into this process, read the PIN, give out the private key of an authority, or send the token anything but
//! the requests of [`request`].

mod client;
mod connection;
mod custody;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod error_class;
pub mod health;
pub mod keeper;
pub mod key;
mod member;
pub mod process;
pub mod request;
pub mod softhsm;
pub mod wire;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::Digest;
use bytes::Bytes;

pub use error::{FailedCall, TokenError};
pub use error_class::ErrorClass;
pub use health::TokenHealth;
pub use key::{GeneratedKey, KeyAttributes, KeyId, KeyRef};
pub use request::{DecryptionScheme, KeyProfile, OaepHash, StoredKey};

use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;
use keeper::Keeper;
use member::Member;
use request::{Answer, Ask};

/// A token that does not answer a short request within this time hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// RSA-4096 on a smart card takes minutes.
const WRITTEN_WITHIN: Duration = Duration::from_secs(300);

/// One token by its name, or several that hold the same keys.
#[derive(Debug)]
pub struct TokenConfig {
    /// What the configuration calls the token.
    pub name: String,
    /// The workers of those that are equal; the first that can is asked.
    pub workers: Vec<Place>,
    /// How many requests may be under way to each before the next is turned away.
    pub queue: usize,
}

/// Where a worker is.
#[derive(Debug)]
pub enum Place {
    /// It listens there.
    Socket(PathBuf),
    /// Ours: it ends with the last [`Token`].
    Kept(Keeper),
}

/// The tokens of the appliance, of which one is the default. Clones share the connections to the workers.
#[derive(Clone)]
pub struct Token {
    sets: Arc<[Set]>,
    default: usize,
    /// Keys that were found not to be what they should be. Empty until the start has compared them.
    forbidden: Arc<OnceLock<HashSet<KeyId>>>,
}

/// How one worker's token is.
#[derive(Clone, Debug)]
pub struct WorkerHealth {
    /// What the configuration calls the token.
    pub token: Arc<str>,
    pub health: TokenHealth,
    /// Whether it lacked a key that an equal token has.
    pub lacks_key: bool,
}

/// The private keys of one token.
#[derive(Debug)]
pub struct Inventory {
    pub keys: Vec<StoredKey>,
    /// Which of the equal tokens it is.
    place: usize,
}

/// Equal tokens.
struct Set {
    name: Arc<str>,
    members: Vec<Member>,
}

impl Token {
    /// Connects, and waits until the worker of at least one token has logged in. Workers that come later are found by themselves, so an
    /// error here is for a start that should rather fail than serve without any token.
    pub fn open(tokens: Vec<TokenConfig>, patience: Duration) -> Result<Self, TokenError> {
        let sets: Vec<Set> = tokens.into_iter().map(Set::start).collect::<Result<_, _>>()?;
        let deadline = Instant::now() + patience;
        let mut outcome = Err(TokenError::NoSuchToken);
        for set in &sets {
            match set.await_open(deadline) {
                Ok(()) => outcome = Ok(()),
                Err(error) => {
                    tracing::error!(token = %set.name, %error, "a token cannot be used");
                    outcome = outcome.or(Err(error));
                }
            }
        }
        outcome.map(|()| Self { sets: sets.into(), default: 0, forbidden: Arc::default() })
    }

    /// The same, with the token of that name as the default.
    pub fn named(&self, name: &str) -> Option<Self> {
        let default = self.sets.iter().position(|set| &*set.name == name)?;
        Some(Self { default, ..self.clone() })
    }

    /// The token that something says it needs: the one of that name, or the first when it names none.
    pub fn of(&self, name: Option<&Arc<str>>) -> Result<Self, TokenError> {
        match name {
            None => Ok(self.clone()),
            Some(name) => self.named(name).ok_or(TokenError::NoSuchToken),
        }
    }

    /// The names of all tokens, as the configuration has them in order.
    pub fn names(&self) -> Vec<Arc<str>> {
        self.sets.iter().map(|set| set.name.clone()).collect()
    }

    /// Whether the key belongs to the token of that name.
    pub fn is_of(&self, key: &KeyRef, name: &str) -> bool {
        self.set_of(key).is_ok_and(|set| &*set.name == name)
    }

    /// Uses these keys no more, for as long as this process runs. Said once, at the start.
    pub fn forbid(&self, keys: HashSet<KeyId>) {
        if self.forbidden.set(keys).is_err() {
            tracing::error!("which keys are forbidden was said before");
        }
    }

    /// The name of the default token.
    pub fn name(&self) -> Option<Arc<str>> {
        self.sets.get(self.default).map(|set| set.name.clone())
    }

    /// Makes the key pair of a CA in the default token: in the first that answers where several are equal. Its attributes were read back; a
    /// token that did not keep one of them is refused.
    pub async fn generate(&self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        self.generate_of(id, label, KeyProfile::AuthoritySigning(key_type)).await
    }

    async fn generate_of(&self, id: KeyId, label: &str, profile: KeyProfile) -> Result<GeneratedKey, TokenError> {
        let key_type = profile.key_type();
        let ask = Ask::Generate { id, label: label.to_owned(), profile };
        // One try: whoever did not answer may have made it all the same.
        let member = self.default_set()?.in_order().next().ok_or(TokenError::NoSuchToken)?;
        match member.client.ask(ask, WRITTEN_WITHIN).await? {
            Answer::Generated(made) if made.public.key_type() == key_type => Ok(made),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// Signs, in X.509's form. What is returned verifies with the public key of `key`.
    pub async fn sign(&self, key: &KeyRef, algorithm: SignatureAlgorithm, message: impl Into<Bytes>) -> Result<Vec<u8>, TokenError> {
        let message = message.into();
        let input = request::input(algorithm, &message);
        self.sign_input(key, algorithm, input, |signature| key.public.verify(algorithm, &message, signature)).await
    }

    /// The same for a message that is known by its digest alone. Ed25519 signs no digest and is unsupported here.
    pub async fn sign_digest(&self, key: &KeyRef, algorithm: SignatureAlgorithm, digest: Digest) -> Result<Vec<u8>, TokenError> {
        if algorithm.hash().is_none() {
            return Err(TokenError::Unsupported(None));
        }
        let input = Bytes::copy_from_slice(digest.as_ref());
        self.sign_input(key, algorithm, input, |signature| key.public.verify_digest(algorithm, &digest, signature)).await
    }

    async fn sign_input(
        &self,
        key: &KeyRef,
        algorithm: SignatureAlgorithm,
        input: Bytes,
        verifies: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, TokenError> {
        let ask = signing(key, algorithm, input)?;
        let mut outcome = Err(TokenError::NoSuchToken);
        let set = self.set_of(key)?;
        for member in set.in_order() {
            let answer = member.client.ask(ask.clone(), set.patience()).await;
            outcome = answer.and_then(|answer| member.verified(key, algorithm, &verifies, answer));
            if !set.is_worth_another(member, &outcome) {
                break;
            }
        }
        outcome
    }

    /// `length` random bytes, at most 4,096, of the default token, or of another while that is away.
    pub async fn random(&self, length: u32) -> Result<Vec<u8>, TokenError> {
        let others = self.sets.iter().enumerate().filter(|(place, _)| *place != self.default).map(|(_, set)| set);
        let mut outcome = Err(TokenError::NoSuchToken);
        for set in self.sets.get(self.default).into_iter().chain(others) {
            for member in set.in_order() {
                outcome = match member.client.ask(Ask::Random { length }, ANSWER_WITHIN).await {
                    Ok(Answer::Bytes(bytes)) if u32::try_from(bytes.len()) == Ok(length) => return Ok(bytes),
                    Ok(_) => Err(TokenError::NotAWorker),
                    Err(error) => Err(error),
                };
            }
        }
        outcome
    }

    /// The public key of the pair of that id, when the default token holds its private half.
    pub async fn find(&self, id: KeyId) -> Result<Option<PublicKey>, TokenError> {
        let mut outcome = Err(TokenError::NoSuchToken);
        for member in self.default_set()?.in_order() {
            outcome = match member.client.ask(Ask::Find { id }, ANSWER_WITHIN).await {
                Ok(Answer::Found(Some(public))) => return Ok(Some(public)),
                Ok(Answer::Found(None)) => Ok(None),
                Ok(_) => Err(TokenError::NotAWorker),
                Err(error) => Err(error),
            };
        }
        outcome
    }

    /// That the key's token holds exactly this pair: `KeyMissing` or `KeyMismatch` otherwise. Where several are equal each is asked, and
    /// one is enough; of the others it is said in their health.
    pub async fn check(&self, key: &KeyRef) -> Result<(), TokenError> {
        let mut outcome = Err(TokenError::NoSuchToken);
        let set = self.set_of(key)?;
        for member in set.in_order() {
            let answer = member.client.ask(Ask::Check { key: key.into() }, ANSWER_WITHIN).await.and_then(done);
            set.is_worth_another(member, &answer);
            outcome = outcome.or(answer);
        }
        outcome
    }

    /// Destroys the pair of that id in the default token, when there is one. For what a failed creation left behind; a CA's key is gone
    /// after it.
    pub async fn destroy(&self, id: KeyId) -> Result<(), TokenError> {
        let mut outcome = Ok(());
        for member in self.default_set()?.in_order() {
            outcome = outcome.and(member.client.ask(Ask::Destroy { id }, WRITTEN_WITHIN).await.and_then(done));
        }
        outcome
    }

    /// Every private key of the default token, whoever made it: a list from each of the equal tokens that answers.
    pub async fn inventories(&self) -> Result<Vec<Inventory>, TokenError> {
        let (mut found, mut outcome) = (Vec::new(), Err(TokenError::NoSuchToken));
        for (member, place) in self.default_set()?.members.iter().zip(0..) {
            match member.client.ask(Ask::Inventory, WRITTEN_WITHIN).await {
                Ok(Answer::Inventory(keys)) => found.push(Inventory { keys, place }),
                Ok(_) => outcome = Err(TokenError::NotAWorker),
                Err(error) => outcome = Err(error),
            }
        }
        if found.is_empty() { outcome } else { Ok(found) }
    }

    /// Notes that the one of the equal tokens whose inventory this is lacks a key that another has; its health says so.
    pub fn lacks_key(&self, inventory: &Inventory, key: KeyId) {
        if let Ok(set) = self.default_set()
            && let Some(member) = set.members.get(inventory.place)
        {
            set.note_lack(member, &TokenError::KeyMissing(key));
        }
    }

    /// How the tokens are together: reachable when of each name one is. Looks, does not ask: [`random`](Self::random) asks.
    pub fn health(&self) -> TokenHealth {
        let of_each = self.sets.iter().map(|set| set.members.iter().map(|member| member.client.health()).reduce(TokenHealth::or_equal));
        of_each.flatten().reduce(TokenHealth::and_another).unwrap_or_default()
    }

    /// How the tokens of each name are: reachable when one of them is.
    pub fn health_by_name(&self) -> Vec<(Arc<str>, TokenHealth)> {
        let of = |set: &Set| set.members.iter().map(|member| member.client.health()).reduce(TokenHealth::or_equal).unwrap_or_default();
        self.sets.iter().map(|set| (set.name.clone(), of(set))).collect()
    }

    /// How each worker's token is.
    pub fn workers(&self) -> Vec<WorkerHealth> {
        let of = |set: &Set, member: &Member| WorkerHealth {
            token: set.name.clone(),
            health: member.client.health(),
            lacks_key: member.lacks_key.load(Ordering::Relaxed),
        };
        self.sets.iter().flat_map(|set| set.members.iter().map(move |member| of(set, member))).collect()
    }

    fn default_set(&self) -> Result<&Set, TokenError> {
        self.sets.get(self.default).ok_or(TokenError::NoSuchToken)
    }

    /// A key whose token is configured no more cannot be used: another token's key of the same id is another key.
    fn set_of(&self, key: &KeyRef) -> Result<&Set, TokenError> {
        if self.forbidden.get().is_some_and(|forbidden| forbidden.contains(&key.id)) {
            return Err(TokenError::KeyMismatch(key.id));
        }
        match &key.token {
            None => self.sets.first(),
            Some(name) => self.sets.iter().find(|set| set.name == *name),
        }
        .ok_or(TokenError::NoSuchToken)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Set {
    fn start(config: TokenConfig) -> Result<Self, TokenError> {
        let TokenConfig { name, workers, queue } = config;
        let name: Arc<str> = name.into();
        let members = workers.into_iter().map(|place| Member::start(&name, place, queue)).collect::<Result<_, _>>()?;
        Ok(Self { name, members })
    }

    /// Waits for one of them.
    fn await_open(&self, deadline: Instant) -> Result<(), TokenError> {
        let mut outcome = Err(TokenError::NoSuchToken);
        for member in &self.members {
            let answer = member.client.await_open(deadline.saturating_duration_since(Instant::now()));
            if answer.is_ok() {
                return Ok(());
            }
            outcome = answer;
        }
        outcome
    }

    /// Those that can be reached first, otherwise as they are configured.
    fn in_order(&self) -> impl Iterator<Item = &Member> {
        let reachable = |member: &&Member| self.members.len() == 1 || member.client.health().reachable;
        let (first, then): (Vec<_>, Vec<_>) = self.members.iter().partition(reachable);
        first.into_iter().chain(then)
    }

    /// How long one of them may take, so that there is time for the next.
    fn patience(&self) -> Duration {
        if self.members.len() == 1 { ANSWER_WITHIN } else { ANSWER_WITHIN / 3 }
    }

    /// Whether an equal token might do what this one did not; and a note when it lacks a key.
    fn is_worth_another<T>(&self, member: &Member, outcome: &Result<T, TokenError>) -> bool {
        let Err(error) = outcome else { return false };
        if self.members.len() == 1 {
            return false;
        }
        if matches!(error, TokenError::KeyMissing(_) | TokenError::KeyMismatch(_)) {
            self.note_lack(member, error);
        }
        error.may_be_one_token_s()
    }

    fn note_lack(&self, member: &Member, error: &TokenError) {
        if !member.lacks_key.swap(true, Ordering::Relaxed) {
            tracing::error!(token = %self.name, %error, "one of the equal tokens lacks a key");
        }
    }
}

fn signing(key: &KeyRef, algorithm: SignatureAlgorithm, input: Bytes) -> Result<Ask, TokenError> {
    if !key.public.key_type().signs_with(algorithm) {
        return Err(TokenError::Unsupported(None));
    }
    if request::is_input(algorithm, &input) { Ok(Ask::Sign { key: key.into(), algorithm, input }) } else { Err(TokenError::TooLong) }
}

fn done(answer: Answer) -> Result<(), TokenError> {
    if matches!(answer, Answer::Done) { Ok(()) } else { Err(TokenError::NotAWorker) }
}

/// A lock whose holder panicked guards nothing that could be half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
