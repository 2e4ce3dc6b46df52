//! The PKCS#11 module of this process: loaded once, initialised once, and initialised again when nothing else helps.
//!
//! Every call into the module holds an [`Entry`]. Finalising takes all entries away, so the module is never finalised under a running
//! call. After it the module counts its sessions from the start again, so an old handle may name somebody else's session: a [`Seat`]
//! carries the incarnation it was opened in and is worth nothing in a later one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;
use cryptoki::slot::{Slot, TokenInfo};

use super::error::CallError;
use crate::token::error::TokenError;
use crate::token::lock;

/// The one module of the process.
pub struct Module {
    path: PathBuf,
    context: RwLock<Context>,
    /// Serial numbers of the tokens that refused a PIN.
    refused: Mutex<HashSet<String>>,
    /// Held while objects are made or destroyed: SoftHSM 2.6.1 is not safe under concurrent key generation.
    writing: Mutex<()>,
}

/// The right to call into the module: while it is held, the module is not finalised.
pub struct Entry<'a>(RwLockReadGuard<'a, Context>);

/// An open session. It is closed by [`Entry::close`]; one that is only dropped stays open in the module until that is finalised.
#[must_use = "a session stays open until Entry::close"]
pub struct Seat {
    pub session: Session,
    pub slot: Slot,
    incarnation: u64,
}

/// Which token is meant. A slot's index says nothing: SoftHSM numbers its slots anew at each start.
#[derive(Clone, Debug)]
pub struct Selection {
    pub label: Option<String>,
    pub serial: Option<String>,
}

struct Context {
    pkcs11: Pkcs11,
    incarnation: u64,
}

static MODULE: OnceLock<Module> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Module {
    /// The module of this process, loaded and initialised when it is not yet.
    pub fn load(path: &Path) -> Result<&'static Self, TokenError> {
        let _one_at_a_time = lock(&LOADING);
        if let Some(module) = MODULE.get() {
            return if module.path == path { Ok(module) } else { Err(TokenError::AnotherModule) };
        }
        let pkcs11 = Pkcs11::new(path).map_err(CallError::from)?;
        initialise(&pkcs11)?;
        Ok(MODULE.get_or_init(|| Self {
            path: path.to_path_buf(),
            context: RwLock::new(Context { pkcs11, incarnation: 0 }),
            refused: Mutex::default(),
            writing: Mutex::default(),
        }))
    }

    /// Waits out a re-initialisation, if there is one.
    pub fn enter(&self) -> Entry<'_> {
        Entry(self.context.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finalises and initialises, unless somebody has done so since `seen`. Every session of the process is gone after it.
    /// Must not be called while an [`Entry`] is held.
    pub fn initialise_again(&self, seen: u64) -> Result<(), CallError> {
        let mut context = self.context.write().unwrap_or_else(PoisonError::into_inner);
        if context.incarnation != seen {
            return Ok(());
        }
        context.incarnation += 1;
        match context.pkcs11.clone().finalize() {
            // Finalising what is not initialised is the case this is called for.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {}
            Err(error) => return Err(error.into()),
        }
        initialise(&context.pkcs11)
    }

    /// One writer at a time in the whole process.
    pub fn write(&self) -> MutexGuard<'_, ()> {
        lock(&self.writing)
    }

    /// Whether the token of that serial number has refused a PIN before.
    pub fn has_refused(&self, serial: &str) -> bool {
        lock(&self.refused).contains(serial)
    }

    /// Remembers that the token of that serial number refused its PIN.
    pub fn remember_refusal(&self, serial: &str) {
        lock(&self.refused).insert(serial.to_owned());
    }
}

impl Entry<'_> {
    pub fn pkcs11(&self) -> &Pkcs11 {
        &self.0.pkcs11
    }

    pub fn incarnation(&self) -> u64 {
        self.0.incarnation
    }

    /// Opens a session.
    pub fn open(&self, slot: Slot, writable: bool) -> Result<Seat, CallError> {
        let session = if writable { self.pkcs11().open_rw_session_no_drop(slot)? } else { self.pkcs11().open_ro_session_no_drop(slot)? };
        Ok(Seat { session, slot, incarnation: self.incarnation() })
    }

    /// Whether that session was opened since the module was last initialised.
    pub fn knows(&self, seat: &Seat) -> bool {
        seat.incarnation == self.incarnation()
    }

    /// Closes a session, unless its handle belongs to an earlier incarnation and so perhaps to somebody else.
    pub fn close(&self, seat: Seat) {
        if self.knows(&seat)
            && let Err(error) = seat.session.close()
        {
            let error = CallError::from(error);
            tracing::debug!(%error, "a session of the token could not be closed");
        }
    }

    /// The slot of the selected token, and what it says of itself.
    pub fn find(&self, selection: &Selection) -> Result<(Slot, TokenInfo), TokenError> {
        let mut found = Vec::new();
        for (slot, info) in self.tokens()? {
            if info.token_initialized() && selection.means(&info) {
                found.push((slot, info));
            }
        }
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(TokenError::NoSuchToken),
            (Some(only), true) => Ok(only),
            (Some(_), false) => Err(TokenError::AmbiguousToken),
        }
    }

    /// Every token that answers. One that does not is as good as absent: another may be the one that is looked for.
    pub fn tokens(&self) -> Result<Vec<(Slot, TokenInfo)>, CallError> {
        let slots = self.pkcs11().get_slots_with_token()?;
        Ok(slots.into_iter().filter_map(|slot| Some((slot, self.pkcs11().get_token_info(slot).ok()?))).collect())
    }
}

impl Selection {
    /// Whether a token is the selected one. Without label and serial number any token is; two of them are then ambiguous.
    pub fn means(&self, info: &TokenInfo) -> bool {
        self.label.as_deref().is_none_or(|label| label == info.label())
            && self.serial.as_deref().is_none_or(|serial| serial == info.serial_number())
    }
}

fn initialise(pkcs11: &Pkcs11) -> Result<(), CallError> {
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
