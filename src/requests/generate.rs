//! Requests that are made here: the key pair is made in the token, signs the request, and stays there.

use super::{KeyRequest, Party, RequestError, Requests, SigningRequest, State};
use crate::access::Caller;
use crate::audit::Action;
use crate::base::id::CsrId;
use crate::inventory::{KeptKey, KeyOwner};
use crate::x509::csr::{CertificateRequest, RequestDraft};
use crate::x509::signed;

impl Requests {
    /// Makes a key pair and a request for it. When that fails the key is destroyed again; when the daemon ends in between, by the next start.
    pub async fn generate(&self, wanted: KeyRequest, caller: &Caller) -> Result<SigningRequest, RequestError> {
        // Before a key is made for nothing.
        let room = self.pending.room(&self.storage, caller.organization())?;
        let id = CsrId::new();
        let key = self.kept.hold(KeyOwner::Request(id), wanted.key_type, None, caller).await?;
        match self.signed(id, &key, &wanted, caller).await {
            Ok(request) => {
                room.take();
                Ok(request)
            }
            // It may be in the journal all the same: then the next start keeps the key, and destroys it otherwise.
            Err(RequestError::Commit(error)) if error.is_in_doubt() => Err(RequestError::Commit(error)),
            Err(error) => {
                self.kept.discard(key).await;
                Err(error)
            }
        }
    }

    /// The request, signed by its key and stored.
    async fn signed(&self, id: CsrId, key: &KeptKey, wanted: &KeyRequest, caller: &Caller) -> Result<SigningRequest, RequestError> {
        let draft = RequestDraft { subject: &wanted.subject, public_key: &key.public, alt_names: &wanted.names };
        let info = draft.to_info();
        let signature = self.kept.sign(key, info.clone()).await?;
        let der = signed::assemble(&info, wanted.key_type.default_algorithm(), &signature).map_err(|_| RequestError::Encoding)?;
        // Read back as if it came from outside: what cannot be read could never be signed.
        let csr = CertificateRequest::from_der(&der).map_err(|_| RequestError::Encoding)?;
        let request = SigningRequest {
            id,
            organization: caller.organization(),
            requested_by: Party::of(caller),
            created_at: self.now(),
            is_generated: true,
            csr,
            state: State::Pending,
        };
        self.store(&request, Some(key), Action::CsrGenerate, caller).await?;
        Ok(request)
    }
}
