//! The socket the worker serves on, and who may connect to it.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Uid, User, geteuid};

use super::ProcessError;

/// The socket that was passed, by the protocol of systemd.socket(5) or as standard input; else a new one of that name.
pub fn take(listen: Option<&Path>) -> Result<UnixListener, ProcessError> {
    if let Some(passed) = ListenFd::from_env().take_unix_listener(0).map_err(ProcessError::Listen)? {
        return Ok(passed);
    }
    let stdin = io::stdin();
    if getsockopt(&stdin, sockopt::AcceptConn) == Ok(true) {
        return stdin.as_fd().try_clone_to_owned().map(UnixListener::from).map_err(ProcessError::Listen);
    }
    bind(listen.ok_or(ProcessError::NoSocket)?).map_err(ProcessError::Listen)
}

/// Binds a socket for its owner alone, in the place of one that somebody left.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Who may connect.
pub struct Peers {
    own: Uid,
    client: Option<Uid>,
}

impl Peers {
    /// Root, the worker's own user, and the one of that name.
    pub fn of(client_user: Option<&str>) -> Result<Self, ProcessError> {
        let client = match client_user {
            None => None,
            Some(name) => match User::from_name(name) {
                Ok(Some(user)) => Some(user.uid),
                Ok(None) | Err(_) => return Err(ProcessError::NoUser(name.to_owned())),
            },
        };
        Ok(Self { own: geteuid(), client })
    }

    /// Whether the process at the other end may ask (unix(7), SO_PEERCRED).
    pub fn may_connect(&self, socket: &UnixStream) -> bool {
        let Ok(peer) = getsockopt(socket, sockopt::PeerCredentials) else { return false };
        let user = Uid::from_raw(peer.uid());
        let may = user.is_root() || user == self.own || Some(user) == self.client;
        if !may {
            tracing::warn!(user = peer.uid(), process = peer.pid(), "a stranger was refused");
        }
        may
    }
}
