//! Serial numbers nobody can guess or meet twice: the operating system's randomness mixed with the token's.

use aws_lc_rs::digest;

use crate::base::hash::sha256;
use crate::token::{Token, TokenError};
use crate::x509::serial::Serial;

/// Makes serial numbers. A failure of either random source alone does not make them guessable.
#[derive(Clone)]
pub struct SerialSource {
    from_token: [u8; 32],
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

impl SerialSource {
    /// Takes the token's share once: asking it for every serial would cost a call each.
    pub async fn seeded_by(token: &Token) -> Result<Self, TokenError> {
        let bytes = token.random(32).await?;
        Ok(Self { from_token: sha256(&bytes) })
    }

    /// The next serial number: 16 octets, positive (RFC 5280, 4.1.2.2), at least 120 bits of them random.
    pub fn next(&self) -> Result<Serial, NoRandomness> {
        let mut from_system = [0; 32];
        aws_lc_rs::rand::fill(&mut from_system).map_err(|_| NoRandomness)?;
        let mut mixing = digest::Context::new(&digest::SHA256);
        mixing.update(&from_system);
        mixing.update(&self.from_token);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mixing.finish().as_ref()[..16]);
        Ok(Serial::from_random(bytes))
    }
}
