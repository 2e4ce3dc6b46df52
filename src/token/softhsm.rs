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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_makes_is_for_the_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("new/appliance");
        let configuration = prepare(&dir).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join("tokens")), mode(&configuration)), (0o700, 0o700, 0o600));
        let text = std::fs::read_to_string(&configuration).unwrap();
        assert!(text.contains(&format!("directories.tokendir = {}\n", dir.canonicalize().unwrap().join("tokens").display())));
        assert_eq!(prepare(&dir).unwrap(), configuration);
    }

    #[test]
    fn a_directory_that_moved_is_written_down_anew() {
        let home = tempfile::tempdir().unwrap();
        let (old, new) = (home.path().join("old"), home.path().join("new"));
        prepare(&old).unwrap();
        std::fs::rename(&old, &new).unwrap();
        let text = std::fs::read_to_string(prepare(&new).unwrap()).unwrap();
        assert!(text.contains("/new/tokens\n") && !text.contains("/old/"));
    }

    #[test]
    fn a_name_softhsm_cannot_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        for name in ["a#b", "a=b", "a\nb"] {
            assert_eq!(prepare(&home.path().join(name)).unwrap_err().kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
