//! A thread that owns one session and does one request after the other.
//!
//! A call that fails takes its session with it, because what the session is in the middle of afterwards is not said anywhere. Then the
//! [class](super::error_class::ErrorClass) of the error decides how far back the worker goes before it tries again, a bounded number of
//! times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use cryptoki::error::Error;
use cryptoki::session::Session;

use super::calls::{Calls, Running, Thread};
use super::demand::Demand;
use super::error::CallError;
use super::link::Link;
use super::module::{Entry, Seat};
use super::{decryption, generation, objects, sealing, signing, wrapping};
use crate::base::secret::SecretBytes;
use crate::token::error::{FailedCall, TokenError};
use crate::token::error_class::ErrorClass;
use crate::token::key::{GeneratedKey, KeyId};
use crate::token::request::{Answer, Ask, KeyName, KeyProfile};
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::private_key;

/// Who asked this long ago has given up, so signing for them is work for nobody.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one request is tried in all.
const ATTEMPTS: u32 = 3;
/// How long a thread that the token had no session for takes no work.
const WITHOUT_SESSION: Duration = Duration::from_secs(1);

/// A request in the queue.
pub struct Ticket {
    pub queued: Instant,
    pub ask: Ask,
    pub reply: Reply,
}

/// Where the answer goes, and whether anybody still waits for it.
pub struct Reply {
    pub send: Box<dyn FnOnce(Result<Answer, TokenError>) + Send>,
    pub is_wanted: Box<dyn Fn() -> bool + Send>,
}

/// One thread's hold on the token.
pub struct Worker {
    link: Arc<Link>,
    calls: Calls,
    thread: Thread,
    part: Part,
    place: Option<Place>,
    /// Whether the token had no session for it.
    stays_away: bool,
}

/// What a thread does of all that is asked.
pub enum Part {
    /// Whatever leaves the token's objects as they are. What turns out to need one more is left to the thread behind that queue.
    Reads { writes: Sender<Ticket> },
    /// Makes and destroys objects.
    Writes,
}

/// What a request may use while it is tried once.
pub struct Call<'a> {
    pub link: &'a Link,
    pub entry: &'a Entry<'a>,
    pub seat: &'a Seat,
    pub epoch: u64,
    /// To be renewed where one request makes many calls.
    pub running: &'a Running<'a>,
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
    pub fn new(link: Arc<Link>, calls: Calls, part: Part) -> Self {
        let thread = calls.thread();
        Self { link, calls, thread, part, place: None, stays_away: false }
    }

    /// Serves until nobody can send any more.
    pub fn run(mut self, queue: &Receiver<Ticket>, demand: &Demand) {
        while let Ok(ticket) = queue.recv() {
            if let Part::Reads { .. } = self.part {
                demand.goes();
            }
            self.serve(ticket);
            if std::mem::take(&mut self.stays_away) {
                std::thread::sleep(WITHOUT_SESSION);
            }
        }
        self.leave();
    }

    /// Does the work, unless nobody waits for it any more.
    fn serve(&mut self, ticket: Ticket) {
        if !(ticket.reply.is_wanted)() {
            return;
        }
        if ticket.queued.elapsed() > PATIENCE {
            return self.answer(ticket.reply, Err(TokenError::BUSY));
        }
        match self.is_for_the_writer(&ticket.ask) {
            Ok(None) => {
                let outcome = self.perform(ticket.ask);
                self.answer(ticket.reply, outcome);
            }
            Ok(Some(writes)) => {
                if let Err(TrySendError::Full(ticket) | TrySendError::Disconnected(ticket)) = writes.try_send(ticket) {
                    self.answer(ticket.reply, Err(TokenError::BUSY));
                }
            }
            Err(error) => self.answer(ticket.reply, Err(error)),
        }
    }

    fn answer(&self, reply: Reply, outcome: Result<Answer, TokenError>) {
        if outcome.is_err() {
            self.link.counters.failed();
        }
        (reply.send)(outcome);
    }

    /// The queue of the thread that writes, when this is a thread that reads and there is no key yet to seal with.
    fn is_for_the_writer(&mut self, ask: &Ask) -> Result<Option<Sender<Ticket>>, TokenError> {
        match (&self.part, ask) {
            (Part::Reads { writes }, Ask::Seal { .. }) => {
                let writes = writes.clone();
                let there_is_one = self.attempt(None, sealing::is_ready)?;
                Ok((!there_is_one).then_some(writes))
            }
            _ => Ok(None),
        }
    }

    fn perform(&mut self, ask: Ask) -> Result<Answer, TokenError> {
        match ask {
            Ask::Sign { key, algorithm, input } => self.sign(&key, algorithm, &input).map(Answer::Bytes),
            Ask::Random { length } => {
                self.attempt(None, |call| call.session().generate_random_vec(length).map_err(Fault::from)).map(Answer::Bytes)
            }
            Ask::Find { id } => self.attempt(Some(id), |call| objects::find(call, id)).map(Answer::Found),
            Ask::Check { key } => self.attempt(Some(key.id), |call| objects::check(call, &key)).map(|()| Answer::Done),
            Ask::Generate { id, label, profile } => self.generate(id, &label, profile).map(Answer::Generated),
            Ask::Destroy { id } => self.destroy(id).map(|()| Answer::Done),
            Ask::Inventory => self.attempt(None, objects::inventory).map(Answer::Inventory),
            Ask::Forget { id } => {
                // The session goes too: what it is in the middle of is not known when it signed wrongly.
                self.link.forget(id);
                self.leave();
                Ok(Answer::Done)
            }
            Ask::Export { key } => {
                // The key it is wrapped with is an object too.
                let module = self.link.module;
                let _one_writer = module.write();
                let mut is_counted = false;
                self.attempt(Some(key.id), |call| wrapping::export(call, &key, &mut is_counted)).map(Answer::Secret)
            }
            Ask::Import { id, label, pkcs8 } => self.import(id, &label, &pkcs8).map(Answer::Generated),
            Ask::Seal { value, context } => {
                let module = self.link.module;
                let one_writer = matches!(self.part, Part::Writes).then(|| module.write());
                let seal = |call: &Call<'_>| sealing::seal(call, value.expose(), &context, one_writer.as_ref());
                let sealed = match one_writer {
                    Some(_) => self.attempt_making(self.calls.timeouts.call, None, seal),
                    None => self.attempt(None, seal),
                };
                sealed.map(Answer::Bytes)
            }
            Ask::Open { sealed, context } => {
                let mut is_counted = false;
                self.attempt(None, |call| sealing::open(call, &sealed, &context, &mut is_counted)).map(Answer::Secret)
            }
            Ask::Decrypt { key, scheme, input } => {
                let mut is_counted = false;
                let plain = self.attempt(Some(key.id), |call| decryption::decrypt(call, &key, scheme, &input, &mut is_counted));
                // In a session in which a decryption failed the next may fail as well (CKR_OPERATION_ACTIVE), which is counted where
                // everybody can read it. So none is used twice, whatever became of it.
                self.leave();
                plain.map(Answer::Secret)
            }
        }
    }

    fn sign(&mut self, key: &KeyName, algorithm: SignatureAlgorithm, digest: &Bytes) -> Result<Vec<u8>, TokenError> {
        let mechanism = signing::mechanism(algorithm);
        let input = signing::input(algorithm, digest);
        let mut is_counted = false;
        let raw = self.attempt(Some(key.id), |call| {
            let known = objects::locate(call, key)?;
            // SoftHSM answers a key of the wrong type with CKR_GENERAL_ERROR at C_Sign; the token is not asked.
            if known.public.is_some_and(|(_, key_type)| !key_type.signs_with(algorithm)) {
                return Err(Fault::Final(TokenError::Unsupported(None)));
            }
            // Once for all tries.
            if let Some(limit) = known.limit.filter(|_| !std::mem::replace(&mut is_counted, true)) {
                call.link.limits.spend(limit).map_err(Fault::Final)?;
            }
            Ok(call.session().sign(&mechanism, known.handle, &input)?)
        })?;
        match signing::output(algorithm, raw) {
            Some(signature) => {
                self.link.counters.signed();
                Ok(signature)
            }
            None => {
                tracing::error!(key = %key.id, %algorithm, "the token gave what is no signature");
                self.link.forget(key.id);
                self.leave();
                Err(TokenError::BadSignature)
            }
        }
    }

    fn generate(&mut self, id: KeyId, label: &str, profile: KeyProfile) -> Result<GeneratedKey, TokenError> {
        let limit = match profile.key_type() {
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => self.calls.timeouts.generate,
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => self.calls.timeouts.call,
        };
        self.make(id, limit, |call| generation::generate(call, id, label, profile))
    }

    fn import(&mut self, id: KeyId, label: &str, pkcs8: &SecretBytes) -> Result<GeneratedKey, TokenError> {
        let pair = private_key::read(pkcs8.expose()).map_err(|_| TokenError::BadKey)?;
        self.make(id, self.calls.timeouts.call, |call| wrapping::import(call, id, label, &pair))
    }

    /// Makes a key of that id, which must be none's, and leaves none when that fails.
    fn make(
        &mut self,
        id: KeyId,
        limit: Duration,
        make: impl Fn(&Call<'_>) -> Result<GeneratedKey, Fault>,
    ) -> Result<GeneratedKey, TokenError> {
        let module = self.link.module;
        let _one_writer = module.write();
        let mut begun = false;
        let made = self.attempt_making(limit, Some(id), |call| {
            // A try that failed may have left a key behind, and two keys of one id would be found as neither.
            if begun {
                objects::destroy(call, id)?;
            } else if objects::exists(call, id)? {
                return Err(Fault::Final(TokenError::KeyExists(id)));
            }
            begun = true;
            call.running.renew();
            make(call)
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

    /// Also what the token refused is tried again, once: SoftHSM 2.6.1 finds what it is making changed when others look for objects
    /// meanwhile, and says CKR_TEMPLATE_INCONSISTENT of a template that it takes the next time.
    fn attempt_making<T>(
        &mut self,
        limit: Duration,
        key: Option<KeyId>,
        mut work: impl FnMut(&Call<'_>) -> Result<T, Fault>,
    ) -> Result<T, TokenError> {
        match self.attempt_within(limit, key, &mut work) {
            Err(TokenError::Refused(_)) => self.attempt_within(limit, key, work),
            decided => decided,
        }
    }

    fn attempt<T>(&mut self, key: Option<KeyId>, work: impl FnMut(&Call<'_>) -> Result<T, Fault>) -> Result<T, TokenError> {
        self.attempt_within(self.calls.timeouts.call, key, work)
    }

    /// Tries until it works, the error is final, or enough has been tried. `key` is the one whose handle is found again in between.
    fn attempt_within<T>(
        &mut self,
        limit: Duration,
        key: Option<KeyId>,
        mut work: impl FnMut(&Call<'_>) -> Result<T, Fault>,
    ) -> Result<T, TokenError> {
        let mut tried = 0;
        loop {
            let epoch = self.link.epoch();
            let error = match self.sit().and_then(|()| self.once(limit, &mut work)) {
                Ok(answer) => {
                    self.link.counters.set_reachable(true);
                    return Ok(answer);
                }
                Err(Fault::Final(error)) => return Err(error),
                // The others have the sessions there are; to log in again would take them theirs.
                Err(Fault::Call(error)) if error.is_without_session() && self.has_others() => {
                    tracing::warn!(%error, "a thread is without a session, and leaves the work to the others for a while");
                    self.stays_away = true;
                    return Err(TokenError::BUSY);
                }
                Err(Fault::Call(error)) => error,
            };
            tried += 1;
            self.leave();
            match key {
                Some(key) => self.link.forget(key),
                None => self.link.sealing.forget(),
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
                let recovered = {
                    let _running = self.thread.enter(self.calls.timeouts.initialise);
                    self.link.recover(epoch, class)
                };
                if let Err(why) = recovered {
                    // Also when nothing was tried, because the last login was a moment ago: the token did not answer.
                    self.link.counters.set_reachable(false);
                    return Err(match why {
                        TokenError::Unavailable(None) => TokenError::Unavailable(Some(FailedCall::from(error))),
                        other => other,
                    });
                }
            }
        }
    }

    /// Whether other threads have sessions to do this one's work with.
    fn has_others(&self) -> bool {
        matches!(self.part, Part::Reads { .. }) && self.link.counters.has_sessions()
    }

    fn once<T>(&self, limit: Duration, work: &mut impl FnMut(&Call<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let running = self.thread.enter(limit);
        let entry = self.link.module.enter();
        match &self.place {
            Some(place) if entry.knows(&place.seat) => {
                work(&Call { link: &self.link, entry: &entry, seat: &place.seat, epoch: place.epoch, running: &running })
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
        let (seat, epoch) = {
            let _running = self.thread.enter(self.calls.timeouts.initialise);
            self.link.open(matches!(self.part, Part::Writes))?
        };
        self.link.counters.session_opened();
        self.place = Some(Place { seat, epoch });
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            let _running = self.thread.enter(self.calls.timeouts.call);
            self.link.module.enter().close(place.seat);
            self.link.counters.session_closed();
        }
    }
}

impl Reply {
    pub fn refuse(self, error: TokenError) {
        (self.send)(Err(error));
    }
}

impl Call<'_> {
    pub fn session(&self) -> &Session {
        &self.seat.session
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
