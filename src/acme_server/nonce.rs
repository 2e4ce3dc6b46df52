//! Nonces (RFC 8555, 6.5): made without being kept, good once, and good across a restart.
//!
//! A nonce is the time, random bytes and a MAC over both under a key that a token has sealed. What was used is in memory for as long as it would be
//! good. What changed something has written its nonce down in the same change, so that it does not happen twice after a crash either.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AcmeError;
use crate::base::clock::Clock;
use crate::base::secret::SecretBytes;
use crate::storage::{Change, Table};

/// How long a nonce is good.
pub const LIFE: i64 = 15 * 60;
/// How many used ones are remembered, twice.
const MOST: usize = 1 << 18;

const TIME: usize = 4;
const RANDOM: usize = 12;
const MAC: usize = 16;

/// Makes nonces and takes each once.
pub struct Nonces {
    key: hmac::Key,
    clock: Clock,
    used: Mutex<Used>,
}

/// Two generations: those used since `turned`, and those used before.
struct Used {
    young: HashSet<[u8; TIME + RANDOM]>,
    old: HashSet<[u8; TIME + RANDOM]>,
    turned: i64,
    /// What was made until then may have been used and forgotten.
    refused_until: i64,
}

/// A nonce that was used by the request that is being served.
#[derive(Clone, Debug)]
pub struct UsedNonce {
    key: [u8; 8 + RANDOM],
}

impl Nonces {
    /// With the key that they are made under: 32 bytes.
    pub fn new(key: &SecretBytes, clock: Clock) -> Self {
        let now = clock.now().as_second();
        let used = Used { young: HashSet::new(), old: HashSet::new(), turned: now, refused_until: i64::MIN };
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()), clock, used: Mutex::new(used) }
    }

    /// A new one.
    pub fn make(&self) -> Result<String, AcmeError> {
        let mut bytes = [0; TIME + RANDOM + MAC];
        let (head, mac) = bytes.split_at_mut(TIME + RANDOM);
        let (time, random) = head.split_at_mut(TIME);
        // Until the year 2106.
        time.copy_from_slice(&u32::try_from(self.clock.now().as_second()).unwrap_or(u32::MAX).to_be_bytes());
        aws_lc_rs::rand::fill(random).map_err(|_| AcmeError::NoRandomness)?;
        mac.iter_mut().zip(hmac::sign(&self.key, head).as_ref()).for_each(|(to, from)| *to = *from);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Uses one up.
    pub fn take(&self, text: &str) -> Result<UsedNonce, AcmeError> {
        let bytes: [u8; TIME + RANDOM + MAC] =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(AcmeError::BadNonce)?;
        let (head, mac) = bytes.split_at(TIME + RANDOM);
        let right = hmac::sign(&self.key, head);
        let is_ours = right.as_ref().get(..MAC).is_some_and(|right| subtle::ConstantTimeEq::ct_eq(right, mac).into());
        let head: [u8; TIME + RANDOM] = head.try_into().map_err(|_| AcmeError::BadNonce)?;
        let (time, random) = head.split_first_chunk::<TIME>().ok_or(AcmeError::BadNonce)?;
        let made = i64::from(u32::from_be_bytes(*time));
        let now = self.clock.now().as_second();
        if !is_ours || made.saturating_add(LIFE) <= now || !self.used().first_use(head, made, now) {
            return Err(AcmeError::BadNonce);
        }
        let mut key = [0; 8 + RANDOM];
        let end = u64::try_from(made.saturating_add(LIFE)).unwrap_or(u64::MAX).to_be_bytes();
        key.iter_mut().zip(end.iter().chain(random)).for_each(|(to, from)| *to = *from);
        Ok(UsedNonce { key })
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn first_use(&mut self, nonce: [u8; TIME + RANDOM], made: i64, now: i64) -> bool {
        let is_full = self.young.len() >= MOST;
        if is_full || now.saturating_sub(self.turned) >= LIFE {
            if is_full {
                // Those that are forgotten now were used before the generations turned last, so they were made before that.
                self.refused_until = self.turned;
            }
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        made > self.refused_until && !self.old.contains(&nonce) && self.young.insert(nonce)
    }
}

impl UsedNonce {
    /// Adds to the change that the request makes that its nonce is used up; the change is a conflict on [`Table::AcmeUsedNonces`] when it was before.
    pub fn written(&self, change: Change) -> Change {
        change.expect_absent(Table::AcmeUsedNonces, &self.key).put(Table::AcmeUsedNonces, &self.key, &[])
    }
}

/// When the nonce of a key of the table is good no more.
pub(super) fn end_of(key: &[u8]) -> Option<i64> {
    key.first_chunk::<8>().and_then(|end| i64::try_from(u64::from_be_bytes(*end)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_seconds;

    fn nonces() -> (Nonces, Clock) {
        let clock = Clock::manual(from_seconds(1_800_000_000));
        (Nonces::new(&SecretBytes::from(vec![7; 32]), clock.clone()), clock)
    }

    #[test]
    fn a_nonce_is_good_once_and_for_a_while() {
        let (nonces, clock) = nonces();
        let nonce = nonces.make().unwrap();
        assert!(nonces.take(&nonce).is_ok());
        assert!(nonces.take(&nonce).is_err(), "once");
        let late = nonces.make().unwrap();
        clock.advance(LIFE);
        assert!(nonces.take(&late).is_err(), "for a while");
        assert!(nonces.take(&nonces.make().unwrap()).is_ok());
        assert!(nonces.take(&nonce).is_err());
    }

    #[test]
    fn it_is_good_at_another_start_and_nowhere_else() {
        let (nonces, clock) = nonces();
        let nonce = nonces.make().unwrap();
        assert!(Nonces::new(&SecretBytes::from(vec![7; 32]), clock.clone()).take(&nonce).is_ok());
        assert!(Nonces::new(&SecretBytes::from(vec![8; 32]), clock).take(&nonce).is_err());
        for text in ["", "AAAA", &nonce[1..], &nonce.replace(&nonce[..1], "_")] {
            assert!(text == nonce || nonces.take(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_flood_makes_old_ones_bad_and_none_good_twice() {
        let (nonces, clock) = nonces();
        let first = nonces.make().unwrap();
        nonces.take(&first).unwrap();
        let unused = nonces.make().unwrap();
        for round in 0..3_u32 {
            clock.advance(1);
            let now = nonces.clock.now().as_second();
            let mut used = nonces.used();
            for number in 0..MOST as u32 {
                let mut nonce = [0; TIME + RANDOM];
                nonce[..4].copy_from_slice(&number.to_be_bytes());
                nonce[4..8].copy_from_slice(&round.to_be_bytes());
                used.first_use(nonce, now, now);
            }
        }
        assert!(nonces.take(&first).is_err(), "it is forgotten and bad");
        assert!(nonces.take(&unused).is_err());
        assert!(nonces.take(&nonces.make().unwrap()).is_ok());
    }
}
