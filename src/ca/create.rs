//! Making an authority: its key in the token, its certificate from its issuer or from itself.

use std::sync::Arc;

use jiff::Timestamp;

use super::crl::CrlSettings;
use super::issue::Intention;
use super::ocsp::{OcspSetting, SettingRecord};
use super::placement::{PlaceFault, Placement};
use super::prepare::{AuthorityContent, Prepared};
use super::record::{AuthorityRecord, CrlSettingsRecord};
use super::serial_source::NoRandomness;
use super::{Authorities, Authority, AuthorityRequest, IssueError, Issuer, Kind, PublicUrls};
use crate::access::{self, Caller};
use crate::audit::{self, Action, Field};
use crate::base::clock::from_seconds;
use crate::base::id::{CaId, CertId, OrgId};
use crate::base::tenant;
use crate::inventory::{self, CrlPart, InventoryError, KeyOrigin, StoredCertificate};
use crate::policy::BACKDATE;
use crate::storage::{Change, Class, CommitError, ReadError, Table};
use crate::token::{KeyId, KeyRef, Token, TokenError};
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};

/// Why no authority was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("it cannot stand where it is asked for")]
    Misplaced(Vec<PlaceFault>),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
    #[error("the authority's record cannot be written")]
    Record,
}

impl CreateError {
    /// Whether the authority may have become durable although its making failed.
    fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Commit(error) if error.is_in_doubt())
    }
}

/// Makes authorities.
#[derive(Clone)]
pub struct Creator {
    pub(super) issuer: Issuer,
    pub(super) authorities: Authorities,
    pub(super) urls: PublicUrls,
}

impl Creator {
    pub fn new(issuer: Issuer, authorities: Authorities, urls: PublicUrls) -> Self {
        Self { issuer, authorities, urls }
    }

    /// Makes one authority. When it fails after its key was made, the key is destroyed again.
    pub async fn create(&self, request: AuthorityRequest, caller: &Caller) -> Result<Arc<Authority>, CreateError> {
        let now = self.now();
        let Placement { parent, token } = self.place(&request.place, caller, now)?;
        let not_after = request.place.end(request.validity_days, parent.as_deref(), now);
        let id = CaId::new();
        let key_id = KeyId::random().map_err(|_| IssueError::Serial(NoRandomness))?;
        // Should the daemon die while the token works, this entry says whose the key is that is found later.
        let entry = caller
            .origin()
            .entry(Action::KeyGenerate, now)
            .object(id)
            .detail(Field::KeyId, key_id)
            .detail(Field::KeyType, request.key_type);
        self.issuer.ledger.commit(audit::Change::entry_only(Class::Normal, entry)).await.map_err(CreateError::Commit)?;
        let generated = match token.generate(key_id, &id.to_string(), request.key_type).await {
            Ok(generated) => generated,
            // Nothing was asked of the token, or the key is somebody else's.
            Err(error @ (TokenError::Busy { .. } | TokenError::KeyExists(_))) => return Err(error.into()),
            // A module that ended its process or did not return may have made the key all the same.
            Err(error) => {
                destroy(&token, key_id).await;
                return Err(error.into());
            }
        };
        let key = KeyRef { token: token.name(), id: key_id, public: generated.public };
        match self.certify(id, &key, &request, parent, (now, not_after), caller).await {
            Ok(authority) => Ok(self.authorities.insert(authority)),
            // It may be in the journal all the same, and then the next start needs its key: an authority without it would be lost for good,
            // and a key without an authority harms nobody.
            Err(error) if error.is_in_doubt() => {
                tracing::error!(ca = %id, key = %key_id, "whether the authority was stored is not known; its key is kept");
                Err(error)
            }
            Err(error) => {
                destroy(&token, key_id).await;
                Err(error)
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        from_seconds(self.issuer.clock.now().as_second())
    }

    /// The path length it gets: what was asked for, or what the authorities above leave.
    fn path_length(request: &AuthorityRequest, parent: Option<&Authority>) -> Option<u8> {
        let left = parent.into_iter().flat_map(Authority::and_above).enumerate().filter_map(|(below, above)| {
            let used = u8::try_from(below + 1).unwrap_or(u8::MAX);
            above.path_length.map(|length| length.saturating_sub(used))
        });
        request.place.path_length.or(left.min())
    }

    async fn certify(
        &self,
        id: CaId,
        key: &KeyRef,
        request: &AuthorityRequest,
        parent: Option<Arc<Authority>>,
        (now, not_after): (Timestamp, Timestamp),
        caller: &Caller,
    ) -> Result<Authority, CreateError> {
        let not_before = from_seconds(now.as_second() - BACKDATE.as_seconds() as i64);
        let content = AuthorityContent {
            subject: &request.subject,
            public_key: &key.public,
            algorithm: request.algorithm,
            not_before: parent.as_ref().map_or(not_before, |parent| not_before.max(parent.not_before)),
            not_after,
            path_length: Self::path_length(request, parent.as_deref()),
            issuer: parent.as_deref(),
        };
        let prepared =
            Prepared::authority(content, self.issuer.serials.next().map_err(IssueError::Serial)?).map_err(IssueError::Prepare)?;
        let intention = Intention {
            organization: caller.organization(),
            ca: parent.as_ref().map_or(id, |parent| parent.id),
            common_name: &request.common_name,
            role: "",
            now,
            caller,
            details: &[],
            class: Class::Normal,
        };
        let part = prepared.crl_part();
        let signing_key = parent.as_ref().map_or(key, |parent| &parent.key);
        let certificate = self.issuer.sign(prepared, signing_key, intention).await?;
        let authority = self.assemble((id, caller.organization()), key.clone(), request, parent, certificate, now);
        self.record(&authority, part, caller, now).await?;
        Ok(authority)
    }

    fn assemble(
        &self,
        (id, organization): (CaId, OrgId),
        key: KeyRef,
        request: &AuthorityRequest,
        parent: Option<Arc<Authority>>,
        certificate: Certificate,
        now: Timestamp,
    ) -> Authority {
        Authority {
            id,
            organization,
            name: request.name.clone(),
            common_name: request.common_name.clone(),
            kind: if parent.is_some() { Kind::Intermediate } else { Kind::Root },
            parent,
            key,
            algorithm: request.algorithm,
            certificate_pem: pem::encode(Label::Certificate, certificate.der()),
            subject: certificate.subject().clone(),
            serial: *certificate.serial(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            path_length: certificate.basic_constraints().and_then(|constraints| constraints.path_len),
            certificate,
            created_at: now,
            crl_urls: request.place.crl_urls.clone().unwrap_or_else(|| self.urls.crl(id)),
            issuer_urls: request.issuer_urls.clone().unwrap_or_else(|| self.urls.issuer(id)),
            ocsp: match &request.ocsp_urls {
                _ if !request.ocsp => OcspSetting::Off,
                Some(urls) => OcspSetting::On { urls: urls.clone() },
                None => OcspSetting::On { urls: self.urls.ocsp(id) },
            },
            crl: request.crl,
            own_revocation: None,
        }
    }

    async fn record(&self, authority: &Authority, part: CrlPart, caller: &Caller, now: Timestamp) -> Result<(), CreateError> {
        let value = AuthorityRecord::encode(authority).map_err(|_| CreateError::Record)?;
        let mut entry = caller
            .origin()
            .entry(Action::CaCreate, now)
            .object(authority.id)
            .detail(Field::Name, &authority.name)
            .detail(Field::CommonName, &authority.common_name)
            .detail(Field::SerialNumber, authority.serial)
            .detail(Field::KeyId, authority.key.id);
        if let Some(parent) = &authority.parent {
            entry = entry.detail(Field::CaId, parent.id);
        }
        let name = tenant::key(authority.organization, &authority.name);
        let mut change = access::owned(Change::new(Class::Normal), authority.organization)
            .expect_absent(Table::AuthorityNames, &name)
            .put(Table::AuthorityNames, &name, authority.id.as_bytes())
            .put(Table::Authorities, authority.id.as_bytes(), &value)
            .put(Table::OcspSettings, authority.id.as_bytes(), &SettingRecord::encode(&authority.ocsp).map_err(|_| CreateError::Record)?);
        if authority.crl != CrlSettings::default() {
            let settings = CrlSettingsRecord::encode(&authority.crl).map_err(|_| CreateError::Record)?;
            change = change.put(Table::CrlSettings, authority.id.as_bytes(), &settings);
        }
        // What an authority signed for another is a certificate of its inventory like any other.
        if let Some(parent) = &authority.parent {
            let stored = StoredCertificate {
                id: CertId::new(),
                organization: authority.organization,
                project: caller.project(),
                ca: parent.id,
                role: String::new(),
                request: None,
                key_origin: KeyOrigin::Authority,
                common_name: authority.common_name.clone(),
                serial: authority.serial,
                not_before: authority.not_before,
                not_after: authority.not_after,
                created_at: now,
                der: authority.certificate.der().to_vec(),
            };
            let change_of_part = part.noted(change, stored.id);
            change = inventory::add(parent.unrevoked(change_of_part), &stored).map_err(|_: InventoryError| CreateError::Record)?;
        }
        match self.issuer.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { table: Table::AuthorityNames, .. }) => Err(CreateError::Misplaced(vec![PlaceFault::NameTaken])),
            Err(CommitError::Conflict { table: Table::AuthorityState, key }) => {
                let revoked = authority.parent.as_deref().unwrap_or(authority).revoked_meanwhile(&key);
                Err(CreateError::Misplaced(vec![PlaceFault::ParentNotStanding(revoked)]))
            }
            Err(error) => Err(CreateError::Commit(error)),
        }
    }
}

/// Destroys the key of an authority that was not made.
async fn destroy(token: &Token, key: KeyId) {
    if let Err(left) = token.destroy(key).await {
        tracing::warn!(%key, error = %left, "a key without an authority was left in the token");
    }
}
