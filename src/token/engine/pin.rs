//! The PIN: read from its file for each login and wiped after it, so that it is nowhere in memory in between.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::base::secret::{SecretString, Zeroizing};

/// Where the PIN is. Its first line counts.
#[derive(Clone, PartialEq, Eq)]
pub struct PinFile(PathBuf);

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
        let Some(credential) = text.strip_prefix("credential:") else { return Ok(Self(PathBuf::from(text))) };
        let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| PinFault::NoCredentials(credential.to_owned()))?;
        Ok(Self(Path::new(&directory).join(credential)))
    }

    /// That it is there and not for everybody, without reading it.
    pub fn check(&self) -> Result<(), PinFault> {
        let mode = std::fs::metadata(&self.0).map_err(|source| self.failed(source))?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(PinFault::Exposed { path: self.0.clone(), mode });
        }
        Ok(())
    }

    /// The PIN.
    pub fn read(&self) -> Result<SecretString, PinFault> {
        self.check()?;
        let text = Zeroizing::new(std::fs::read_to_string(&self.0).map_err(|source| self.failed(source))?);
        Ok(text.lines().next().unwrap_or_default().to_owned().into())
    }

    fn failed(&self, source: std::io::Error) -> PinFault {
        PinFault::File { path: self.0.clone(), source }
    }
}

impl fmt::Debug for PinFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
