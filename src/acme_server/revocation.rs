//! Revoking by ACME (RFC 8555, 7.6): for the account that ordered the certificate, for one that holds all of its names, and for its own key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::account::Account;
use super::authorization::Proof;
use super::error::{AcmeError, Thing};
use super::new_order::name_key;
use super::nonce::UsedNonce;
use super::renewal_info::all_names_of;
use super::request::EitherRequest;
use super::server::AcmeServer;
use crate::access::Caller;
use crate::api::acme as wire;
use crate::base::id::AcmeAuthorizationId;
use crate::inventory::StoredCertificate;
use crate::lifecycle::Target;
use crate::storage::{Change, Class, CommitError, Table};
use crate::x509::certificate::Certificate;
use crate::x509::reason::RevocationReason;

/// By what one may revoke a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Order,
    Names,
    /// Only who has the key says with effect that others have it too: the CSR of an order can be another's, shown again.
    Key,
}

impl AcmeServer {
    /// Revokes a certificate.
    pub async fn revoke(&self, request: EitherRequest) -> Result<(), AcmeError> {
        let (payload, nonce) = match &request {
            EitherRequest::Account(request) => (&request.payload, &request.nonce),
            EitherRequest::Key(request) => (&request.payload, &request.nonce),
        };
        let wire::RevokeCertificate { certificate, reason } = payload.read()?;
        let der = URL_SAFE_NO_PAD.decode(certificate).map_err(|_| AcmeError::NoCertificate)?;
        let read = Certificate::from_der(&der).map_err(|_| AcmeError::NoCertificate)?;
        let found = self.certificates.of_any_organization_by_serial(read.serial())?;
        let stored =
            found.filter(|found| found.der == der && found.authority().is_some()).ok_or(AcmeError::NotFound(Thing::Certificate))?;
        let (caller, right) = self.revoker_of(&request, &stored, &read)?;
        let reason = read_reason(reason)?;
        if reason == RevocationReason::KeyCompromise && right == Right::Names {
            return Err(AcmeError::RevocationReason);
        }
        self.use_up(nonce).await?;
        let target = Target::Certificate(der.into(), *read.serial());
        match right {
            Right::Key => self.revoker.certificate(&target, reason, None, &caller).await?,
            Right::Order | Right::Names => self.revoker.certificate_without_key(&target, reason, &caller).await?,
        };
        Ok(())
    }

    /// Who asks and by what right, when that one may revoke this certificate.
    fn revoker_of(&self, request: &EitherRequest, stored: &StoredCertificate, read: &Certificate) -> Result<(Caller, Right), AcmeError> {
        match request {
            EitherRequest::Account(request) => {
                let is_own = self.source(stored.id)?.is_some_and(|source| source.account == request.account.id);
                let is_of_same = stored.organization == request.account.organization;
                if is_own {
                    Ok((request.caller.clone(), Right::Order))
                } else if is_of_same && self.holds_all_names(&request.account, read)? {
                    Ok((request.caller.clone(), Right::Names))
                } else {
                    Err(AcmeError::MayNotRevoke)
                }
            }
            EitherRequest::Key(request) => {
                let key = request.key.public_key().ok().flatten();
                if key.is_some_and(|key| key.spki_der() == read.spki_der()) {
                    Ok((request.stranger.within(stored.organization), Right::Key))
                } else {
                    Err(AcmeError::OtherKey)
                }
            }
        }
    }

    /// Whether the account has shown all names to be its own. What the operator vouches for it has not shown, and others have it vouched for as well.
    fn holds_all_names(&self, account: &Account, certificate: &Certificate) -> Result<bool, AcmeError> {
        let Some(names) = all_names_of(certificate) else { return Ok(false) };
        for name in &names {
            let id = self.storage.get(Table::AcmeAuthorizationsByName, &name_key(account.id, name))?;
            let Some(id) = id.and_then(|id| AcmeAuthorizationId::from_slice(&id)) else { return Ok(false) };
            let proof = self.authorization(id)?.and_then(|found| found.value.proof(self.clock.now()));
            if !matches!(proof, Some(Proof::Challenge(_))) {
                return Ok(false);
            }
        }
        Ok(!names.is_empty())
    }

    /// Uses a nonce up before something that is not done twice anyhow.
    async fn use_up(&self, nonce: &UsedNonce) -> Result<(), AcmeError> {
        match self.storage.commit(nonce.written(Change::new(Class::Essential))).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(AcmeError::BadNonce),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }
}

/// RFC 8555, 7.6: those that subscribers have. What ends an authority is not theirs to say, and a hold is not for good.
fn read_reason(code: Option<i64>) -> Result<RevocationReason, AcmeError> {
    let Some(code) = code else { return Ok(RevocationReason::Unspecified) };
    let reason = u8::try_from(code).ok().and_then(RevocationReason::from_code).ok_or(AcmeError::RevocationReason)?;
    match reason {
        RevocationReason::Unspecified
        | RevocationReason::KeyCompromise
        | RevocationReason::AffiliationChanged
        | RevocationReason::Superseded
        | RevocationReason::CessationOfOperation
        | RevocationReason::PrivilegeWithdrawn => Ok(reason),
        RevocationReason::CaCompromise
        | RevocationReason::AaCompromise
        | RevocationReason::CertificateHold
        | RevocationReason::RemoveFromCrl => Err(AcmeError::RevocationReason),
    }
}
