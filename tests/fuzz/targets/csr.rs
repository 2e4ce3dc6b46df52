//! Certificate requests, as they come and signed again.
#![no_main]

use chancery::x509::csr::CertificateRequest;
use chancery_fuzz::mutate_der;
use chancery_fuzz::request::signed_again;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = CertificateRequest::from_der(data) {
        let _ = request.public_key().weaknesses();
        look_at(&request);
    }
    if let Some(request) = signed_again(data).and_then(|der| CertificateRequest::from_der(&der).ok()) {
        look_at(&request);
    }
});

fn look_at(request: &CertificateRequest) {
    assert!(CertificateRequest::from_der(request.der()).is_ok());
    let _ = (request.subject().to_string(), request.subject().attributes(), request.subject().common_names());
    let _ = (request.names(), request.key_usage(), request.extended_key_usage(), request.asks_for_ca());
    let _ = (request.basic_constraints(), request.other_extensions(), request.spki_sha256());
}
