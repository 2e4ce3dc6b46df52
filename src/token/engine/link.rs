//! The login to one token, shared by all workers, and its recovery.
//!
//! ```text
//!              connect                    recover(epoch) fails
//!   Down ───────────────────▶ Up(epoch) ───────────────────────▶ Down
//!    │ ▲                       │     ▲
//!    │ └── not before a pause ─┘     └── recover(epoch): epoch + 1
//!    └── the PIN was refused: stays so for the life of the process
//! ```
//!
//! A login belongs to the process and the token, not to a session, and ends with the last session; so one session, the keeper, is held
//! open and does nothing else. Whoever finds the link broken says in which epoch: the first one repairs it, the others find it repaired.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};

use super::error::CallError;
use super::examination::most_sessions;
use super::limits::Limits;
use super::module::{Entry, Module, Seat, Selection};
use super::pin::PinFile;
use super::sealing::SealingKeys;
use super::worker::Fault;
use crate::base::secret::SecretString;
use crate::token::error::TokenError;
use crate::token::error_class::ErrorClass;
use crate::token::health::Counters;
use crate::token::key::KeyId;
use crate::token::lock;
use crate::x509::algorithm::KeyType;

/// Between two attempts at a token that is gone: long enough to be no load, short enough not to be noticed after it came back.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A link that breaks again within this time is not repaired at once: what breaks it is the request, or the token is really gone.
pub const SETTLED: Duration = Duration::from_millis(50);

/// The login to one token.
pub struct Link {
    pub module: &'static Module,
    pub counters: Counters,
    pub limits: Limits,
    pub sealing: SealingKeys,
    selection: Selection,
    pin: PinFile,
    state: Mutex<State>,
    epoch: AtomicU64,
    handles: RwLock<HashMap<KeyId, (u64, Known)>>,
}

/// Where a private key is, and what its public half is where the token shows one: the SHA-256 of the SPKI, and its type.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub handle: ObjectHandle,
    pub public: Option<([u8; 32], KeyType)>,
    /// The limit it is under, by its place.
    pub limit: Option<usize>,
}

enum State {
    Up { keeper: Seat, slot: Slot, since: Instant },
    Down { not_before: Instant, pause: Duration },
    PinRefused,
}

impl Link {
    /// Finds the token and logs in.
    pub fn connect(module: &'static Module, selection: Selection, pin: PinFile, limits: Limits) -> Result<Self, TokenError> {
        let link = Self {
            module,
            counters: Counters::default(),
            limits,
            sealing: SealingKeys::default(),
            selection,
            pin,
            state: Mutex::new(State::Down { not_before: Instant::now(), pause: FIRST_PAUSE }),
            epoch: AtomicU64::new(0),
            handles: RwLock::default(),
        };
        link.rebuild(&mut lock(&link.state), ErrorClass::LogInAgain)?;
        Ok(link)
    }

    /// The number of the present login. Sessions and handles of an earlier one are to be replaced.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A new session on the logged-in token, and the epoch it belongs to. When the token is gone it is looked for again, unless that was
    /// tried a moment ago.
    pub fn open(&self, writable: bool) -> Result<(Seat, u64), Fault> {
        let mut state = lock(&self.state);
        if matches!(*state, State::Down { .. }) {
            self.rebuild(&mut state, ErrorClass::LogInAgain).map_err(|error| Fault::Final(gone(error)))?;
        }
        match &*state {
            State::Up { slot, .. } => Ok((self.module.enter().open(*slot, writable)?, self.epoch())),
            State::Down { .. } => Err(Fault::Final(TokenError::Unavailable(None))),
            State::PinRefused => Err(Fault::Final(TokenError::PinRefused)),
        }
    }

    /// How many sessions the token says there may be.
    pub fn most_sessions(&self) -> Option<usize> {
        let slot = match &*lock(&self.state) {
            State::Up { slot, .. } => *slot,
            State::Down { .. } | State::PinRefused => return None,
        };
        let info = self.module.enter().pkcs11().get_token_info(slot).ok()?;
        most_sessions(&info)
    }

    /// Repairs the link of epoch `seen`, going back as far as `class` asks. Returns at once when it has been repaired since.
    pub fn recover(&self, seen: u64, class: ErrorClass) -> Result<(), TokenError> {
        let mut state = lock(&self.state);
        if self.epoch() != seen && matches!(*state, State::Up { .. }) {
            return Ok(());
        }
        self.rebuild(&mut state, class).map_err(gone)
    }

    /// Where the key was found, when that was in this epoch.
    pub fn known(&self, key: KeyId, epoch: u64) -> Option<Known> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        handles.get(&key).filter(|(found_in, _)| *found_in == epoch).map(|(_, known)| *known)
    }

    /// Remembers where the key was found.
    pub fn remember(&self, key: KeyId, epoch: u64, known: Known) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).insert(key, (epoch, known));
    }

    /// Forgets where the key was.
    pub fn forget(&self, key: KeyId) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Whether the selected token still stands in that slot and we are logged in to it: a search that found nothing says nothing otherwise.
    pub fn confirm_present(&self, entry: &Entry<'_>, seat: &Seat) -> Result<(), CallError> {
        let info = entry.pkcs11().get_token_info(seat.slot)?;
        if !self.selection.means(&info) {
            return Err(CallError::LoggedOut);
        }
        match seat.session.get_session_info()?.session_state() {
            SessionState::RoUser | SessionState::RwUser => Ok(()),
            SessionState::RoPublic | SessionState::RwPublic | SessionState::RwSecurityOfficer => Err(CallError::LoggedOut),
        }
    }

    fn rebuild(&self, state: &mut State, class: ErrorClass) -> Result<(), TokenError> {
        let pause = match state {
            State::PinRefused => return Err(TokenError::PinRefused),
            State::Down { not_before, .. } if Instant::now() < *not_before => return Err(TokenError::Unavailable(None)),
            State::Down { pause, .. } => *pause,
            State::Up { since, .. } if since.elapsed() < SETTLED => return Err(TokenError::Unavailable(None)),
            State::Up { .. } => FIRST_PAUSE,
        };
        let down = State::Down { not_before: Instant::now() + pause, pause: (pause * 2).min(LONGEST_PAUSE) };
        if let State::Up { keeper, .. } = std::mem::replace(state, down) {
            self.module.enter().close(keeper);
        }
        let outcome = self.log_in_after(class);
        // Also after a failure: workers then leave their old sessions and wait with everybody else.
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        match outcome {
            Ok((keeper, slot)) => {
                *state = State::Up { keeper, slot, since: Instant::now() };
                self.counters.set_reachable(true);
                tracing::info!(epoch, "logged in to the token");
                Ok(())
            }
            Err(error) => {
                if matches!(error, TokenError::PinRefused) {
                    *state = State::PinRefused;
                }
                self.counters.set_reachable(false);
                Err(error)
            }
        }
    }

    /// Logs in; when the token cannot be found or used so, initialises the module once and tries again: SoftHSM reads its directory of
    /// tokens at C_Initialize only.
    fn log_in_after(&self, class: ErrorClass) -> Result<(Seat, Slot), TokenError> {
        let incarnation = self.module.enter().incarnation();
        if class != ErrorClass::InitialiseAgain {
            match self.log_in() {
                Err(TokenError::NoSuchToken | TokenError::Unavailable(_)) => {}
                decided => return decided,
            }
        }
        self.module.initialise_again(incarnation)?;
        self.log_in()
    }

    fn log_in(&self) -> Result<(Seat, Slot), TokenError> {
        let entry = self.module.enter();
        let (slot, info) = entry.find(&self.selection)?;
        if self.module.has_refused(info.serial_number()) || info.user_pin_locked() {
            return Err(TokenError::PinRefused);
        }
        // Read for this login alone, and wiped after it.
        let pin = self.pin.read().map_err(|error| {
            tracing::error!(%error, "there is no PIN to log in to the token with");
            TokenError::NoPin
        })?;
        if self.pin.was_refused(&pin, info.serial_number()) {
            tracing::error!(token = info.label(), "the token refused this PIN to a worker before; it is not tried again");
            self.module.remember_refusal(info.serial_number());
            return Err(TokenError::PinRefused);
        }
        let keeper = entry.open(slot, false)?;
        match keeper.session.login(UserType::User, Some(&pin)) {
            // The login belongs to the process: sessions of workers may have kept it alive.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok((keeper, slot)),
            Err(error) => {
                entry.close(keeper);
                Err(self.login_failure(error, &info, &pin))
            }
        }
    }

    fn login_failure(&self, error: Error, info: &TokenInfo, pin: &SecretString) -> TokenError {
        use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
        match error {
            Error::Pkcs11(value @ (PinIncorrect | PinInvalid | PinLenRange | PinLocked | PinExpired), _) => {
                self.module.remember_refusal(info.serial_number());
                if let Err(error) = self.pin.remember_refusal(pin, info.serial_number()) {
                    tracing::error!(%error, "it cannot be noted for the next worker that the PIN was refused");
                }
                tracing::error!(answer = ?value, token = info.label(), "the token refused the PIN; it is not tried again");
                TokenError::PinRefused
            }
            other => CallError::from(other).into(),
        }
    }
}

/// A token that was there and is not found any more is away for now.
fn gone(error: TokenError) -> TokenError {
    match error {
        TokenError::NoSuchToken | TokenError::AmbiguousToken => TokenError::Unavailable(None),
        other => other,
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let State::Up { keeper, .. } =
            std::mem::replace(&mut *lock(&self.state), State::Down { not_before: Instant::now(), pause: FIRST_PAUSE })
        {
            self.module.enter().close(keeper);
        }
    }
}
