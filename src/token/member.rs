//! One worker among those of equal tokens.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Place;
use super::client::Client;
use super::error::TokenError;
use super::keeper::Keeper;
use super::key::KeyRef;
use super::request::{Answer, Ask};
use crate::x509::algorithm::SignatureAlgorithm;

/// Ends the connection when it is dropped, and then the keeper, if it is ours.
pub struct Member {
    pub client: Arc<Client>,
    /// Whether it lacked a key that an equal token has.
    pub lacks_key: AtomicBool,
    _keeper: Option<Keeper>,
}

impl Member {
    /// Starts connecting.
    pub fn start(name: &str, place: Place, queue: usize) -> Result<Self, TokenError> {
        let (socket, keeper) = match place {
            Place::Socket(socket) => (socket, None),
            Place::Kept(keeper) => (keeper.socket(), Some(keeper)),
        };
        Ok(Self { client: Client::start(name, socket, queue)?, lacks_key: AtomicBool::new(false), _keeper: keeper })
    }

    /// A wrong signature, even one that is never released, can give an RSA or ECDSA key away; and a worker is not believed.
    pub fn verified(
        &self,
        key: &KeyRef,
        algorithm: SignatureAlgorithm,
        verifies: impl Fn(&[u8]) -> bool,
        answer: Answer,
    ) -> Result<Vec<u8>, TokenError> {
        match answer {
            Answer::Bytes(signature) if verifies(&signature) => {
                self.client.signed();
                Ok(signature)
            }
            Answer::Bytes(_) => {
                tracing::error!(key = %key.id, %algorithm, "the token gave a signature that does not verify");
                self.client.failed();
                self.client.tell(&Ask::Forget { id: key.id });
                Err(TokenError::BadSignature)
            }
            _ => Err(TokenError::NotAWorker),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.client.end();
    }
}
