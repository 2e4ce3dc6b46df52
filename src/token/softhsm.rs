//! A private directory for SoftHSM2 tokens, so that a development appliance and the tests never touch the system's.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The environment variable in which SoftHSM2 looks for its configuration. It has to be set before the first thread starts.
pub const CONFIGURATION_VARIABLE: &str = "SOFTHSM2_CONF";

/// Makes `dir/tokens` and `dir/softhsm2.conf` for the owner alone and returns the path of the latter. What is there already stays, but
/// the configuration is written anew when `dir` has moved.
pub fn prepare(dir: &Path) -> Result<PathBuf> {
    make_private(dir)?;
    let dir = dir.canonicalize()?;
    let tokens = dir.join("tokens");
    // SoftHSM's reader ends a line at '#', a value at a second '=' and trims blanks; there is no quoting.
    if tokens.as_os_str().as_bytes().iter().any(|b| b.is_ascii_control() || matches!(b, b'#' | b'=')) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "SoftHSM2 cannot read a directory with '#', '=' or control characters in its name",
        ));
    }
    make_private(&tokens)?;
    let configuration = dir.join("softhsm2.conf");
    let text = text(&tokens);
    if std::fs::read(&configuration).is_ok_and(|present| present == text) {
        return Ok(configuration);
    }
    // Renamed into place, so that no other process ever reads half of it.
    let draft = dir.join("softhsm2.conf.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&draft, &configuration)?;
    Ok(configuration)
}

fn make_private(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))
}

fn text(tokens: &Path) -> Vec<u8> {
    let mut text = b"# Written by chanceryd. What the lines mean is said in softhsm-config/README.md.\ndirectories.tokendir = ".to_vec();
    text.extend_from_slice(tokens.as_os_str().as_bytes());
    text.extend_from_slice(b"\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\nslots.mechanisms = ALL\nlibrary.reset_on_fork = false\n");
    text
}
