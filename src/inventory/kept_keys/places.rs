//! How many RSA keys are asked for at once, wherever they are made.
//!
//! An RSA key costs a good part of a second of a core, or of the token, thousands of times what the request for it costs. So a bounded number
//! is under way, of which one organisation has half, and the next is turned away before anything is written about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::KeptKeyError;
use crate::base::id::OrgId;
use crate::x509::algorithm::KeyType;

#[derive(Clone, Debug)]
pub struct KeyPlaces {
    most: usize,
    taken: Arc<Mutex<HashMap<OrgId, usize>>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub struct MakingKey {
    organization: OrgId,
    places: KeyPlaces,
}

impl KeyPlaces {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A place for the making of a key; none is needed for keys that cost nothing.
    pub fn take(&self, key_type: KeyType, organization: OrgId) -> Result<Option<MakingKey>, KeptKeyError> {
        match key_type {
            KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => return Ok(None),
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {}
        }
        let mut taken = self.taken();
        let (all, own) = (taken.values().sum::<usize>(), taken.get(&organization).copied().unwrap_or(0));
        if all >= self.most || own >= self.most.div_ceil(2) {
            return Err(KeptKeyError::Busy);
        }
        taken.insert(organization, own + 1);
        Ok(Some(MakingKey { organization, places: self.clone() }))
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<OrgId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MakingKey {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match taken.get_mut(&self.organization) {
            Some(count @ 2..) => *count -= 1,
            _ => {
                taken.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organization_takes_half_of_the_places_and_curves_take_none() {
        let places = KeyPlaces::new(4);
        let (one, other) = (OrgId::new(), OrgId::new());
        let held: Vec<_> = (0..2).map(|_| places.take(KeyType::Rsa4096, one).unwrap()).collect();
        assert!(matches!(places.take(KeyType::Rsa2048, one), Err(KeptKeyError::Busy)));
        assert!(places.take(KeyType::P256, one).unwrap().is_none());
        let others: Vec<_> = (0..2).map(|_| places.take(KeyType::Rsa3072, other).unwrap()).collect();
        assert!(matches!(places.take(KeyType::Rsa2048, OrgId::new()), Err(KeptKeyError::Busy)));
        drop(held);
        assert!(places.take(KeyType::Rsa2048, one).is_ok());
        drop(others);
        assert!(places.taken().is_empty());
    }
}
