//! What was revoked before there was this file, or a log in the store, is entered in it once.

use std::io;
use std::sync::PoisonError;

use super::RevocationJournal;
use super::lines::{Line, write_line};
use crate::base::id::{CaId, CertId};
use crate::inventory::record::CertificateRecord;
use crate::inventory::{InventoryError, LogEntry, Revocation};
use crate::storage::{Storage, Table};
use crate::x509::certificate::Certificate;
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;

/// What is written at a time.
const CHUNK: usize = 1 << 20;

impl RevocationJournal {
    /// Enters all that is revoked now. A failure is told, and made up for by the next start.
    pub(super) async fn enter_earlier(&self, authorities: Vec<(CaId, Serial)>) {
        let journal = self.clone();
        let work = tokio::task::spawn_blocking(move || journal.write_earlier(&authorities));
        match work.await.map_err(io::Error::other).and_then(|written| written) {
            Ok(0) => {}
            Ok(entered) => tracing::info!(entered, "earlier revocations are in the journal of revocations now"),
            Err(error) => tracing::error!(%error, "earlier revocations cannot be entered in the journal of revocations"),
        }
    }

    fn write_earlier(&self, authorities: &[(CaId, Serial)]) -> io::Result<usize> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        let mut entered = 0;
        for (ca, own) in authorities {
            let of_itself = self.storage.get(Table::AuthorityState, ca.as_bytes()).transpose();
            let of_itself = of_itself.map(|value| value.map(|value| (*own, value, true)));
            let prefix = ca.as_bytes();
            let others = self.storage.scan(Table::Revocations, prefix, None).map(|item| {
                let (key, value) = item?;
                let serial = Serial::from_der_content(key.get(prefix.len()..).unwrap_or_default());
                Ok((serial.map_err(|_| InventoryError::Record)?, value, false))
            });
            for item in of_itself.map(|item| item.map_err(InventoryError::from)).into_iter().chain(others) {
                let (serial, value, is_of_authority) = item.map_err(io::Error::other)?;
                let revocation = Revocation::decode(&value).map_err(io::Error::other)?;
                let blocked_key = blocked_key(&self.storage, &revocation).map_err(io::Error::other)?;
                let (part, at) = (revocation.part, revocation.revoked_at);
                let entry = LogEntry { serial, part, at, revocation: Some(revocation), is_of_authority, blocked_key };
                let entry = entry.encode().map_err(io::Error::other)?;
                write_line(&mut bytes, &Line::V1Earlier { ca: *ca.as_bytes(), entry: &entry })?;
                entered += 1;
                if bytes.len() > CHUNK {
                    inner.append(&bytes)?;
                    bytes.clear();
                }
            }
        }
        write_line(&mut bytes, &Line::V1Complete)?;
        inner.append(&bytes)?;
        Ok(entered)
    }
}

/// The key that was compromised, of a certificate that is known.
fn blocked_key(storage: &Storage, revocation: &Revocation) -> Result<Option<[u8; 32]>, InventoryError> {
    use RevocationReason::{AaCompromise, CaCompromise, KeyCompromise};
    let Some(id) = revocation.certificate.filter(|_| matches!(revocation.reason, KeyCompromise | CaCompromise | AaCompromise)) else {
        return Ok(None);
    };
    let Some(bytes) = storage.get(Table::Certificates, id.as_bytes())? else { return Ok(None) };
    let der = CertificateRecord::decode(CertId::from_bytes(*id.as_bytes()), &bytes).ok_or(InventoryError::Record)?.der;
    let hash = Certificate::from_der(&der).ok().and_then(|certificate| certificate.public_key().ok()).map(|key| key.spki_sha256());
    // One that was never blocked is not blocked by this.
    match hash {
        Some(hash) if storage.contains(Table::BlockedKeys, &hash)? => Ok(Some(hash)),
        Some(_) | None => Ok(None),
    }
}
