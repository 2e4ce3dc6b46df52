//! A thread that owns one session and does one request after the other.
//!
//! A call that fails takes its session with it, because what the session is in the middle of afterwards is not said anywhere. Then the
//! [class](super::error_class::ErrorClass) of the error decides how far back the worker goes before it tries again, a bounded number of
//! times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use cryptoki::error::Error;
use cryptoki::session::Session;
use tokio::sync::oneshot;

use super::error::{CallError, TokenError};
use super::error_class::ErrorClass;
use super::key::{GeneratedKey, KeyId, KeyRef};
use super::link::Link;
use super::module::{Entry, Seat};
use super::{generation, objects, signing};
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::key::PublicKey;

/// Who asked this long ago has given up, so signing for them is work for nobody.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one request is tried in all.
const ATTEMPTS: u32 = 3;
/// What a client is told to wait when there is more to do than the token can.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// A request in the queue.
pub struct Ticket {
    pub queued: Instant,
    pub job: Job,
}

/// What the token can be asked for. There is no way to send it anything else.
pub enum Job {
    Sign { key: KeyRef, algorithm: SignatureAlgorithm, message: Bytes, reply: Reply<Vec<u8>> },
    Random { length: u32, reply: Reply<Vec<u8>> },
    Find { id: KeyId, reply: Reply<Option<PublicKey>> },
    Check { key: KeyRef, reply: Reply<()> },
    Generate { id: KeyId, label: String, key_type: KeyType, reply: Reply<GeneratedKey> },
    Destroy { id: KeyId, reply: Reply<()> },
}

/// Where the answer goes.
pub enum Reply<T> {
    Task(oneshot::Sender<Result<T, TokenError>>),
    Thread(Sender<Result<T, TokenError>>),
}

/// One thread's hold on the token.
pub struct Worker {
    link: Arc<Link>,
    writable: bool,
    place: Option<Place>,
}

/// What a request may use while it is tried once.
pub struct Call<'a> {
    pub link: &'a Link,
    pub entry: &'a Entry<'a>,
    pub seat: &'a Seat,
    pub epoch: u64,
}

/// Why one try ended: with a call that may be worth another, or with an answer.
pub enum Fault {
    Call(CallError),
    Final(TokenError),
}

struct Place {
    seat: Seat,
    epoch: u64,
}

impl Worker {
    pub fn new(link: Arc<Link>, writable: bool) -> Self {
        Self { link, writable, place: None }
    }

    /// Serves until nobody can send any more.
    pub fn run(mut self, queue: &Receiver<Ticket>) {
        while let Ok(ticket) = queue.recv() {
            self.serve(ticket);
        }
        self.leave();
    }

    fn serve(&mut self, Ticket { queued, job }: Ticket) {
        match job {
            Job::Sign { key, algorithm, message, reply } => self.answer(queued, reply, |w| w.sign(&key, algorithm, &message)),
            Job::Random { length, reply } => {
                self.answer(queued, reply, |w| w.attempt(None, |call| call.session().generate_random_vec(length).map_err(Fault::from)))
            }
            Job::Find { id, reply } => self.answer(queued, reply, |w| w.attempt(Some(id), |call| objects::find(call, id))),
            Job::Check { key, reply } => self.answer(queued, reply, |w| w.attempt(Some(key.id), |call| objects::check(call, &key))),
            Job::Generate { id, label, key_type, reply } => self.answer(queued, reply, |w| w.generate(id, &label, key_type)),
            Job::Destroy { id, reply } => self.answer(queued, reply, |w| w.destroy(id)),
        }
    }

    /// Does the work, unless nobody waits for it any more.
    fn answer<T>(&mut self, queued: Instant, reply: Reply<T>, work: impl FnOnce(&mut Self) -> Result<T, TokenError>) {
        if reply.is_given_up() {
            return;
        }
        let outcome =
            if queued.elapsed() > PATIENCE { Err(TokenError::Busy { retry_after_seconds: RETRY_AFTER_SECONDS }) } else { work(self) };
        if outcome.is_err() {
            self.link.counters.failed();
        }
        reply.send(outcome);
    }

    fn sign(&mut self, key: &KeyRef, algorithm: SignatureAlgorithm, message: &Bytes) -> Result<Vec<u8>, TokenError> {
        // SoftHSM answers a key of the wrong type with CKR_GENERAL_ERROR at C_Sign; the token is not asked.
        if !key.public.key_type().signs_with(algorithm) {
            return Err(TokenError::Unsupported(None));
        }
        let mechanism = signing::mechanism(algorithm);
        let input = signing::input(algorithm, message);
        let raw = self.attempt(Some(key.id), |call| {
            let handle = objects::locate(call, key)?;
            Ok(call.session().sign(&mechanism, handle, &input)?)
        })?;
        match signing::output(algorithm, raw) {
            // A wrong signature, even one that is never released, can give an RSA or ECDSA key away; and a handle may by now name
            // another key.
            Some(signature) if key.public.verify(algorithm, message, &signature) => {
                self.link.counters.signed();
                Ok(signature)
            }
            Some(_) | None => {
                tracing::error!(key = %key.id, %algorithm, "the token gave a signature that does not verify");
                self.link.forget(key.id);
                self.leave();
                Err(TokenError::BadSignature)
            }
        }
    }

    fn generate(&mut self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        let module = self.link.module;
        let _one_writer = module.write();
        let mut begun = false;
        let made = self.attempt(Some(id), |call| {
            // A try that failed may have left a key behind, and two keys of one id would be found as neither.
            if begun {
                objects::destroy(call, id)?;
            } else if objects::exists(call, id)? {
                return Err(Fault::Final(TokenError::KeyExists(id)));
            }
            begun = true;
            generation::generate(call, id, label, key_type)
        });
        if begun && made.is_err() {
            // A token may make a key and fail after that; nobody would ever ask for it again.
            match self.attempt(Some(id), |call| objects::destroy(call, id)) {
                Ok(()) => {}
                Err(error) => tracing::error!(%error, key = %id, "a key pair that failed may have been left in the token"),
            }
        }
        made
    }

    fn destroy(&mut self, id: KeyId) -> Result<(), TokenError> {
        let module = self.link.module;
        let _one_writer = module.write();
        self.attempt(Some(id), |call| objects::destroy(call, id))?;
        self.link.forget(id);
        Ok(())
    }

    /// Tries until it works, the error is final, or enough has been tried. `key` is the one whose handle is found again in between.
    fn attempt<T>(&mut self, key: Option<KeyId>, mut work: impl FnMut(&Call<'_>) -> Result<T, Fault>) -> Result<T, TokenError> {
        let mut tried = 0;
        loop {
            let epoch = self.link.epoch();
            let error = match self.sit().and_then(|()| self.once(&mut work)) {
                Ok(answer) => {
                    self.link.counters.set_reachable(true);
                    return Ok(answer);
                }
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Call(error)) => error,
            };
            tried += 1;
            self.leave();
            if let Some(key) = key {
                self.link.forget(key);
            }
            let class = error.class();
            self.link.counters.call_failed(class);
            tracing::warn!(%error, %class, tried, "a call of the token failed");
            if class == ErrorClass::Fatal {
                return Err(error.into());
            }
            if tried == ATTEMPTS {
                self.link.counters.set_reachable(false);
                return Err(error.into());
            }
            // What a new session did not cure is looked for further back.
            let class = if tried > 1 { class.max(ErrorClass::LogInAgain) } else { class };
            if class >= ErrorClass::LogInAgain {
                match self.link.recover(epoch, class) {
                    Ok(()) => {}
                    Err(TokenError::Unavailable(None)) => return Err(TokenError::Unavailable(Some(error))),
                    Err(other) => return Err(other),
                }
            }
        }
    }

    fn once<T>(&self, work: &mut impl FnMut(&Call<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let entry = self.link.module.enter();
        match &self.place {
            Some(place) if entry.knows(&place.seat) => {
                work(&Call { link: &self.link, entry: &entry, seat: &place.seat, epoch: place.epoch })
            }
            // The module was initialised again without us, and our login ended with that.
            _ => Err(Fault::Call(CallError::LoggedOut)),
        }
    }

    /// Makes sure of a session in the present epoch.
    fn sit(&mut self) -> Result<(), Fault> {
        if let Some(place) = &self.place
            && place.epoch == self.link.epoch()
        {
            return Ok(());
        }
        self.leave();
        let (seat, epoch) = self.link.open(self.writable)?;
        self.link.counters.session_opened();
        self.place = Some(Place { seat, epoch });
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.link.module.enter().close(place.seat);
            self.link.counters.session_closed();
        }
    }
}

impl Call<'_> {
    pub fn session(&self) -> &Session {
        &self.seat.session
    }
}

impl<T> Reply<T> {
    fn is_given_up(&self) -> bool {
        match self {
            Self::Task(sender) => sender.is_closed(),
            Self::Thread(_) => false,
        }
    }

    fn send(self, answer: Result<T, TokenError>) {
        // Nobody listens any more: then nobody needs the answer either.
        match self {
            Self::Task(sender) => drop(sender.send(answer)),
            Self::Thread(sender) => drop(sender.try_send(answer)),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Call(error.into())
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}
