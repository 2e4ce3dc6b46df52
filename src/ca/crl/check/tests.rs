use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::prelude::*;

use super::*;
use crate::base::clock::from_seconds;
use crate::x509::algorithm::{Hash, KeyType};
use crate::x509::crl::CrlDraft;
use crate::x509::reason::RevocationReason;

const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);
/// A name with one attribute, CN=a.
const ISSUER: &[u8] = b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a";

fn entry(number: u8, reason: RevocationReason) -> CrlEntry {
    CrlEntry { serial: Serial::from_random([number; 16]), revoked_at: from_seconds(1_700_000_000), reason, invalidity_date: None }
}

fn entries(numbers: &[u8]) -> Vec<CrlEntry> {
    numbers.iter().map(|number| entry(*number, RevocationReason::Superseded)).collect()
}

/// A CRL and all that is needed to look at it.
struct Made {
    key: PublicKey,
    frame: CrlFrame,
    signature: Vec<u8>,
    entries_length: u64,
    der: Vec<u8>,
}

impl Made {
    fn new(entries: &[CrlEntry]) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let draft = CrlDraft {
            issuer: ISSUER,
            signature: ALGORITHM,
            this_update: from_seconds(1_700_000_000),
            next_update: from_seconds(1_700_086_400),
            number: 7,
            authority_key_id: &[1; 20],
            distribution_point: None,
            base: None,
            delta_urls: &[],
        };
        let tbs = draft.to_tbs(entries.iter().copied()).unwrap();
        let signature = pair.sign(&SystemRandom::new(), &tbs).unwrap().as_ref().to_vec();
        let mut list = Vec::new();
        entries.iter().for_each(|entry| crate::x509::crl::write_entry(&mut list, entry, false).unwrap());
        Self {
            key: PublicKey::from_parts(KeyType::P256, pair.public_key().as_ref()).unwrap(),
            frame: draft.frame(list.len() as u64).unwrap(),
            entries_length: list.len() as u64,
            der: signed::assemble(&tbs, ALGORITHM, &signature).unwrap(),
            signature,
        }
    }

    /// Whether these bytes pass for it, where the store lists this and these serial numbers have changed meanwhile.
    fn passes(&self, der: &[u8], store: &[CrlEntry], changed: &[u8]) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), der).unwrap();
        let Self { key, frame, signature, entries_length, .. } = self;
        let meant = Meant { key, algorithm: ALGORITHM, frame, signature, entries_length: *entries_length };
        let changed: HashSet<_> = changed.iter().map(|number| Serial::from_random([*number; 16])).collect();
        let mut has_changed = changes(|| Ok(changed.clone()));
        let look = || {
            let mut check = Check::open(file.path(), meant)?;
            store.iter().try_for_each(|entry| check.meets(entry, &mut has_changed))?;
            check.finish(&mut has_changed)
        };
        look().is_ok()
    }
}

#[test]
fn what_was_made_passes_and_no_other_bytes_do() {
    for list in [Vec::new(), entries(&[1, 2, 3])] {
        let made = Made::new(&list);
        assert!(made.passes(&made.der, &list, &[]));
        for place in 0..made.der.len() {
            let mut der = made.der.clone();
            der[place] ^= 1;
            assert!(!made.passes(&der, &list, &[]), "byte {place}");
            assert!(!made.passes(&made.der[..place], &list, &[]), "cut at {place}");
        }
        assert!(!made.passes(&[made.der.as_slice(), &[0]].concat(), &list, &[]));
    }
}

#[test]
fn a_list_that_is_not_the_stores_does_not_pass() {
    let made = Made::new(&entries(&[1, 2, 3]));
    for store in [&[1, 2][..], &[1, 3], &[2, 3], &[1, 2, 3, 4], &[0, 1, 2, 3], &[1, 2, 4], &[]] {
        assert!(!made.passes(&made.der, &entries(store), &[]), "{store:?}");
    }
    let mut other = entries(&[1, 2, 3]);
    other[1].reason = RevocationReason::KeyCompromise;
    assert!(!made.passes(&made.der, &other, &[]));
    assert!(made.passes(&made.der, &other, &[2]), "it was put on hold before and revoked for good meanwhile");
}

#[test]
fn another_key_or_signature_does_not_pass() {
    let list = entries(&[1]);
    let (made, other, third) = (Made::new(&list), Made::new(&list), Made::new(&list));
    let wrong_key = Made { key: other.key.clone(), signature: made.signature.clone(), frame: made.frame.clone(), der: Vec::new(), ..third };
    assert!(!wrong_key.passes(&made.der, &list, &[]));
    // Bytes that are what was meant, with a signature over something else.
    let tbs_at = made.der.windows(made.frame.before.len()).position(|window| window == made.frame.before).unwrap();
    let tbs_length = made.frame.before.len() + usize::try_from(made.entries_length).unwrap() + made.frame.behind.len();
    let forged = signed::assemble(&made.der[tbs_at..tbs_at + tbs_length], ALGORITHM, &other.signature).unwrap();
    assert!(!Made { signature: other.signature, ..made }.passes(&forged, &list, &[]));
}

proptest! {
    #[test]
    fn only_what_changed_meanwhile_may_differ(
        before in proptest::collection::btree_set(1..40u8, 0..12),
        after in proptest::collection::btree_set(1..40u8, 0..12),
        spared in proptest::option::of(1..40u8),
    ) {
        let list = |set: &std::collections::BTreeSet<u8>| entries(&set.iter().copied().collect::<Vec<_>>());
        let made = Made::new(&list(&before));
        let differing: Vec<u8> = before.symmetric_difference(&after).copied().collect();
        prop_assert!(made.passes(&made.der, &list(&after), &differing));
        if let Some(spared) = spared.filter(|number| differing.contains(number)) {
            let fewer: Vec<u8> = differing.into_iter().filter(|number| *number != spared).collect();
            prop_assert!(!made.passes(&made.der, &list(&after), &fewer), "{spared} was left out or kept, and nobody had touched it");
        }
    }
}
