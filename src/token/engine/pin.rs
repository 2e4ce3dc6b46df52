//! The PIN: read from its file for each login and wiped after it, so that it is nowhere in memory in between.
//!
//! A PIN that a token refused is noted in the directory that outlives the worker (systemd.exec(5), RuntimeDirectory=), because tokens count
//! wrong PINs and lock themselves, and a worker that crashes over and over would send it as often. The note is a salted digest; who may
//! read it may read the PIN's file as well.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::base::secret::{ExposeSecret, SecretString, Zeroizing};

/// The directory of a worker that its successors find again.
pub const DIRECTORY_VARIABLE: &str = "RUNTIME_DIRECTORY";
/// The notes of refused PINs in it.
pub const NOTES: &str = "pin-refused";
/// More notes than administrators make mistakes.
const NOTES_LIMIT: u64 = 1 << 16;

/// Where a note of that name is left for the workers to come, if there is a directory for it.
pub fn note_path(name: &str) -> Option<PathBuf> {
    // A list with colons when the unit has several; ours is the first.
    let directories = std::env::var(DIRECTORY_VARIABLE).ok();
    let first = directories.as_deref().and_then(|list| list.split(':').next()).filter(|directory| !directory.is_empty());
    first.map(|directory| Path::new(directory).join(name))
}

/// Where the PIN is. Its first line counts.
#[derive(Clone, PartialEq, Eq)]
pub struct PinFile {
    path: PathBuf,
    notes: Option<PathBuf>,
}

/// Why there is no PIN.
#[derive(Debug, thiserror::Error)]
pub enum PinFault {
    #[error("the PIN file {path} cannot be read")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the PIN file {path} can be read by everybody (mode {mode:o}); chmod 600 it")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the PIN is the credential {0}, and the service manager gave no credentials")]
    NoCredentials(String),
}

impl PinFile {
    /// The file of that name; after `credential:`, of a credential of the service manager (systemd.exec(5), LoadCredential=).
    pub fn named(text: &str) -> Result<Self, PinFault> {
        let notes = note_path(NOTES);
        let Some(credential) = text.strip_prefix("credential:") else { return Ok(Self { path: PathBuf::from(text), notes }) };
        let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| PinFault::NoCredentials(credential.to_owned()))?;
        Ok(Self { path: Path::new(&directory).join(credential), notes })
    }

    /// That it is there and not for everybody, without reading it.
    pub fn check(&self) -> Result<(), PinFault> {
        let mode = std::fs::metadata(&self.path).map_err(|source| self.failed(source))?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(PinFault::Exposed { path: self.path.clone(), mode });
        }
        Ok(())
    }

    /// The PIN.
    pub fn read(&self) -> Result<SecretString, PinFault> {
        self.check()?;
        let text = Zeroizing::new(std::fs::read_to_string(&self.path).map_err(|source| self.failed(source))?);
        Ok(text.lines().next().unwrap_or_default().to_owned().into())
    }

    /// Whether that token has refused this PIN, be it from this worker or one before it.
    pub fn was_refused(&self, pin: &SecretString, token: &str) -> bool {
        let Some(notes) = &self.notes else { return false };
        // None yet; or what is no file of ours, which says nothing.
        if !std::fs::metadata(notes).is_ok_and(|file| file.len() <= NOTES_LIMIT) {
            return false;
        }
        std::fs::read_to_string(notes).unwrap_or_default().lines().any(|line| {
            let known = line.split_once(' ').and_then(|(salt, noted)| Some((hex::decode(salt).ok()?, noted)));
            known.is_some_and(|(salt, noted)| note(&salt, pin, token) == noted)
        })
    }

    /// Notes that the token has refused it.
    pub fn remember_refusal(&self, pin: &SecretString, token: &str) -> std::io::Result<()> {
        let Some(notes) = &self.notes else { return Ok(()) };
        let mut salt = [0; 16];
        aws_lc_rs::rand::fill(&mut salt).map_err(std::io::Error::other)?;
        let mut file = std::fs::File::options().append(true).create(true).mode(0o600).open(notes)?;
        file.write_all(format!("{} {}\n", hex::encode(salt), note(&salt, pin, token)).as_bytes())
    }

    fn failed(&self, source: std::io::Error) -> PinFault {
        PinFault::File { path: self.path.clone(), source }
    }
}

impl fmt::Debug for PinFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

fn note(salt: &[u8], pin: &SecretString, token: &str) -> String {
    let mut digest = digest::Context::new(&digest::SHA256);
    for part in [salt, token.as_bytes(), b"\0", pin.expose_secret().as_bytes()] {
        digest.update(part);
    }
    hex::encode(digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_of_that_pin_and_that_token() {
        let scratch = tempfile::tempdir().unwrap();
        let file = |notes: &str| PinFile { path: scratch.path().join("pin"), notes: Some(scratch.path().join(notes)) };
        let pin = |text: &str| SecretString::from(text.to_owned());
        assert!(!file("a").was_refused(&pin("1234"), "serial"));
        file("a").remember_refusal(&pin("1234"), "serial").unwrap();
        file("a").remember_refusal(&pin("1235"), "serial").unwrap();
        assert!(file("a").was_refused(&pin("1234"), "serial"));
        assert!(file("a").was_refused(&pin("1235"), "serial"));
        assert!(!file("a").was_refused(&pin("1236"), "serial"));
        assert!(!file("a").was_refused(&pin("1234"), "another"));
        assert!(!file("b").was_refused(&pin("1234"), "serial"));
        assert!(!std::fs::read_to_string(scratch.path().join("a")).unwrap().contains("1234"));
        let without = PinFile { path: scratch.path().join("pin"), notes: None };
        without.remember_refusal(&pin("1234"), "serial").unwrap();
        assert!(!without.was_refused(&pin("1234"), "serial"));
    }
}
