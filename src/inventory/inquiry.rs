//! What authorities elsewhere are asked about the certificates of a path, when nobody here knows whether those were revoked.
//!
//! The responders are asked first: a CRL is as old as it is, and long. After each round the certificate is judged again by what was said.
//!
//! Never does: go where a certificate that nobody vouches for says.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::foreign_crls::{CrlDoubt, ForeignCrls};
use super::foreign_ocsp::{ForeignOcsp, Stated};
use super::validation::Verdict;
use crate::base::clock::Clock;
use crate::base::id::OrgId;
use crate::outbound::Outbound;

/// Asks.
pub struct Inquiry {
    outbound: Outbound,
    responders: ForeignOcsp,
    crls: ForeignCrls,
}

/// What there is to judge a path by.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// CRLs that were offered, and those that were fetched.
    pub crls: Vec<Bytes>,
    /// What responders have said that are believed.
    pub stated: Vec<Stated>,
}

/// The last verdict, and why others said nothing, by the places of certificates in its path.
#[derive(Debug)]
pub struct Inquired {
    pub verdict: Verdict,
    pub doubts: BTreeMap<usize, String>,
}

impl Inquiry {
    pub fn new(outbound: Outbound, clock: Clock) -> Self {
        let (responders, crls) = (ForeignOcsp::new(outbound.clone(), clock.clone()), ForeignCrls::new(outbound.clone(), clock));
        Self { outbound, responders, crls }
    }

    /// Has a certificate judged by this evidence, and by what others add to it where it says too little.
    pub async fn judged<E, J: Future<Output = Result<Verdict, E>>>(
        &self,
        organization: OrgId,
        mut evidence: Evidence,
        judge: impl Fn(Evidence) -> J,
    ) -> Result<Inquired, E> {
        let mut verdict = judge(evidence.clone()).await?;
        let mut doubts = BTreeMap::new();
        if self.may_ask(&verdict) {
            for (place, outcome) in self.responders.of(organization, &verdict.unknown).await {
                match outcome {
                    Ok(stated) => evidence.stated.push(stated),
                    Err(doubt) => drop(doubts.insert(place, doubt.to_string())),
                }
            }
            if !evidence.stated.is_empty() {
                verdict = judge(evidence.clone()).await?;
            }
        }
        if self.may_ask(&verdict) {
            let before = evidence.crls.len();
            for (place, outcome) in self.crls.of(organization, &verdict.unknown).await {
                match outcome {
                    Ok(der) => evidence.crls.push(der),
                    // Of one that names no CRL it is told what its responder said.
                    Err(CrlDoubt::NoSource) if doubts.contains_key(&place) => {}
                    Err(doubt) => drop(doubts.insert(place, doubt.to_string())),
                }
            }
            if evidence.crls.len() > before {
                verdict = judge(evidence).await?;
            }
        }
        Ok(Inquired { verdict, doubts })
    }

    fn may_ask(&self, verdict: &Verdict) -> bool {
        verdict.is_vouched_for() && !verdict.unknown.is_empty() && self.outbound.is_enabled()
    }
}
