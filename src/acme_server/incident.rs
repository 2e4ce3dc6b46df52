//! Incidents: certificates that their clients shall replace now, although they are not revoked (yet) (RFC 9773, 4.2 and 6).
//!
//! One is of a certificate, or of an authority, and then of all that it has issued until it was declared, so that what takes the place of those is
//! not concerned.

use jiff::Timestamp;

use super::error::AcmeError;
use super::record::IncidentRecord;
use super::server::AcmeServer;
use crate::access::Caller;
use crate::audit::{Action, Field};
use crate::base::id::{CaId, CertId, OrgId};
use crate::inventory::StoredCertificate;
use crate::storage::{Change, Class, Table};

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affected {
    Certificate(CertId),
    Authority(CaId),
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub affected: Affected,
    pub declared_at: Timestamp,
    /// Where people can read what has happened.
    pub explanation: Option<String>,
}

const CERTIFICATE: u8 = b'c';
const AUTHORITY: u8 = b'a';

impl Affected {
    /// Reads the id of a certificate or of an authority.
    pub fn parse(text: &str) -> Option<Self> {
        let certificate = text.parse().ok().map(Self::Certificate);
        certificate.or_else(|| text.parse().ok().map(Self::Authority))
    }

    fn key(self, organization: OrgId) -> Vec<u8> {
        let (kind, id) = match &self {
            Self::Certificate(id) => (CERTIFICATE, id.as_bytes()),
            Self::Authority(id) => (AUTHORITY, id.as_bytes()),
        };
        [organization.as_bytes().as_slice(), &[kind], id].concat()
    }

    fn of_key(organization: OrgId, key: &[u8]) -> Option<Self> {
        let (kind, id) = key.strip_prefix(organization.as_bytes().as_slice())?.split_first()?;
        match *kind {
            CERTIFICATE => CertId::from_slice(id).map(Self::Certificate),
            AUTHORITY => CaId::from_slice(id).map(Self::Authority),
            _ => None,
        }
    }
}

impl std::fmt::Display for Affected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(id) => id.fmt(f),
            Self::Authority(id) => id.fmt(f),
        }
    }
}

impl AcmeServer {
    /// Declares one, from now on; none when the organisation has no such certificate or authority.
    pub async fn declare_incident(
        &self,
        organization: OrgId,
        affected: Affected,
        explanation: Option<String>,
        caller: &Caller,
    ) -> Result<Option<Incident>, AcmeError> {
        if !self.has(organization, affected)? {
            return Ok(None);
        }
        let incident = Incident { affected, declared_at: self.now(), explanation };
        let record = IncidentRecord::encode(&incident).map_err(|_| AcmeError::Record)?;
        let mut entry = caller.origin().entry(Action::AcmeIncidentDeclare, incident.declared_at).of(organization).object(affected);
        if let Some(url) = &incident.explanation {
            entry = entry.detail(Field::ExplanationUrl, url);
        }
        let change = Change::new(Class::Essential).put(Table::AcmeIncidents, &affected.key(organization), &record);
        self.commit(change, entry).await.map_err(AcmeError::Commit)?;
        Ok(Some(incident))
    }

    /// Ends one, if there is one; false when the organisation has no such certificate or authority.
    pub async fn end_incident(&self, organization: OrgId, affected: Affected, caller: &Caller) -> Result<bool, AcmeError> {
        if !self.has(organization, affected)? {
            return Ok(false);
        }
        let key = affected.key(organization);
        if self.storage.contains(Table::AcmeIncidents, &key)? {
            let entry = caller.origin().entry(Action::AcmeIncidentEnd, self.now()).of(organization).object(affected);
            let change = Change::new(Class::Essential).delete(Table::AcmeIncidents, &key);
            self.commit(change, entry).await.map_err(AcmeError::Commit)?;
        }
        Ok(true)
    }

    /// Those of an organisation.
    pub fn incidents(&self, organization: OrgId) -> Result<Vec<Incident>, AcmeError> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let affected = Affected::of_key(organization, &key).ok_or(AcmeError::Record)?;
            IncidentRecord::decode(affected, &value).ok_or(AcmeError::Record)
        };
        self.storage.scan(Table::AcmeIncidents, organization.as_bytes(), None).map(|item| read(item?)).collect()
    }

    /// The incident that a certificate is part of.
    pub(super) fn incident_of(&self, certificate: &StoredCertificate) -> Result<Option<Incident>, AcmeError> {
        let own = self.incident(certificate.organization, Affected::Certificate(certificate.id))?;
        if own.is_some() {
            return Ok(own);
        }
        let of_authority = self.incident(certificate.organization, Affected::Authority(certificate.ca))?;
        Ok(of_authority.filter(|incident| certificate.created_at <= incident.declared_at))
    }

    fn incident(&self, organization: OrgId, affected: Affected) -> Result<Option<Incident>, AcmeError> {
        let Some(bytes) = self.storage.get(Table::AcmeIncidents, &affected.key(organization))? else { return Ok(None) };
        IncidentRecord::decode(affected, &bytes).map(Some).ok_or(AcmeError::Record)
    }

    fn has(&self, organization: OrgId, affected: Affected) -> Result<bool, AcmeError> {
        Ok(match affected {
            Affected::Certificate(id) => self.certificates.get(organization, id)?.is_some_and(|found| found.authority().is_some()),
            Affected::Authority(id) => self.authorities.get(organization, id).is_some(),
        })
    }
}
