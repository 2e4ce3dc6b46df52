//! Certificates of others, and the lint over their to-be-signed bytes.
#![no_main]

use chancery::x509::certificate::Certificate;
use chancery::x509::lint::{Role, lint_tbs};
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    for role in [Role::Root, Role::Intermediate, Role::Leaf] {
        let _ = lint_tbs(data, role);
    }
    let Ok(certificate) = Certificate::from_der(data) else { return };
    assert_eq!(Certificate::from_der(certificate.der()).as_ref(), Ok(&certificate));
    for role in [Role::Root, Role::Intermediate, Role::Leaf] {
        let _ = lint_tbs(certificate.tbs(), role);
    }
    let _ = (certificate.serial().to_string(), certificate.issuer().to_string(), certificate.subject().attributes());
    let _ = (certificate.basic_constraints(), certificate.key_usage(), certificate.extended_key_usage(), certificate.names());
    let _ = (certificate.subject_key_id(), certificate.authority_key_id(), certificate.extension_ids(), certificate.not_after());
    let _ = (certificate.crl_urls(), certificate.issuer_urls(), certificate.ocsp_urls(), certificate.sha256());
    let _ = (certificate.key_kind(), certificate.subject().common_names());
    if let Ok(key) = certificate.public_key() {
        let _ = (key.weaknesses(), key.key_identifier(), certificate.is_signed_by(&key));
    }
});
