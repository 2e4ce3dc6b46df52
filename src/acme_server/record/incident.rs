//! Incidents on disk.

use serde::{Deserialize, Serialize};

use crate::acme_server::incident::{Affected, Incident};
use crate::base::clock::from_seconds;

#[derive(Serialize, Deserialize)]
pub enum IncidentRecord {
    V1 { declared_at: i64, explanation: Option<String> },
}

impl IncidentRecord {
    pub fn encode(incident: &Incident) -> Result<Vec<u8>, postcard::Error> {
        let Incident { affected: _, declared_at, explanation } = incident;
        postcard::to_allocvec(&Self::V1 { declared_at: declared_at.as_second(), explanation: explanation.clone() })
    }

    pub fn decode(affected: Affected, bytes: &[u8]) -> Option<Incident> {
        let Self::V1 { declared_at, explanation } = postcard::from_bytes(bytes).ok()?;
        Some(Incident { affected, declared_at: from_seconds(declared_at), explanation })
    }

    /// Whether it can be read, whatever it is about.
    pub fn reads(bytes: &[u8]) -> bool {
        postcard::from_bytes::<Self>(bytes).is_ok()
    }
}
