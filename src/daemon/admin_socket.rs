//! The break-glass socket: a file that nobody but its owner may open, and behind it a look at who opened it.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::unistd::Uid;

/// Makes the socket. One that a daemon left behind is taken away, one that a daemon serves is not, and neither is any other file.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) => return Err(error),
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        },
    }
    // The daemon's umask lets nobody else in from the first moment; the mode is said again for one that was started otherwise.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The users whom the socket is for: root, and in a development directory whoever runs the daemon.
pub fn users(own_user: bool) -> Vec<u32> {
    let mut users = vec![0];
    users.extend(own_user.then(|| Uid::effective().as_raw()));
    users
}
