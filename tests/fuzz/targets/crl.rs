//! Revocation lists of others. What was read is written again, where this appliance would write it too.
#![no_main]

use chancery::x509::algorithm::{Hash, SignatureAlgorithm};
use chancery::x509::crl::{Crl, CrlDraft, CrlEntry};
use chancery::x509::signed;
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Ok(crl) = Crl::from_der(data) else { return };
    let entries: Vec<CrlEntry> = crl.entries().collect();
    let (Some(next_update), Some(number)) = (crl.next_update(), crl.number()) else { return };
    let draft = CrlDraft {
        issuer: crl.issuer_der(),
        signature: SignatureAlgorithm::Ecdsa(Hash::Sha256),
        this_update: crl.this_update(),
        next_update,
        number,
        authority_key_id: crl.authority_key_id().unwrap_or_default(),
        distribution_point: None,
        base: None,
        delta_urls: &[],
    };
    // The draft may refuse: for a delta's reasons, for times it does not write.
    let Ok(tbs) = draft.to_tbs(entries.iter().copied()) else { return };
    let der = signed::assemble(&tbs, draft.signature, &[0]).expect("what was drafted is one element");
    let again = Crl::from_der(&der).expect("what was written is read");
    assert!(again.entries().eq(entries));
    assert_eq!((again.number(), again.issuer_der()), (crl.number(), crl.issuer_der()));
    assert_eq!((again.this_update(), again.next_update()), (crl.this_update(), crl.next_update()));
});
