//! What the service manager is told: that the daemon is ready, what it does, that it still responds. Without a service manager
//! nobody is told.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::storage::Storage;

/// The line to the service manager. Clones share it.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Connected once, at the start: later neither the environment nor the path is within reach.
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The line to this socket (sd_notify(3)): a path, or an abstract name behind an `@`.
    pub fn at(socket: Option<OsString>, watchdog: Option<Duration>) -> io::Result<Self> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else { return Ok(Self::none()) };
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // The word is small; whoever does not read it must not hold up the daemon.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(Arc::new(socket)), watchdog })
    }

    /// Nobody is told.
    pub fn none() -> Self {
        Self { socket: None, watchdog: None }
    }

    /// The daemon serves.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// What it does at the moment.
    pub fn status(&self, status: &str) {
        self.tell(&[NotifyState::Status(status)]);
    }

    /// The configuration is being read again; `ready` says when that is done.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
        }
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("finishing open requests")]);
    }

    /// Tells that the daemon lives for as long as it does: this task is run by the runtime, and the committer answers. When one of the
    /// two hangs, the service manager hears nothing and starts the daemon anew. Returns when nobody wants to know.
    pub async fn keep_alive(&self, storage: Storage) {
        let Some(within) = self.watchdog.filter(|_| self.socket.is_some()) else { return };
        let pause = within / 3;
        loop {
            if tokio::time::timeout(pause, storage.responds()).await == Ok(true) {
                self.tell(&[NotifyState::Watchdog]);
            } else {
                tracing::error!("the store does not answer; the service manager is not told that all is well");
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        let message: String = states.iter().map(|state| format!("{state}\n")).collect();
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::warn!(%error, "the service manager does not listen");
        }
    }
}
