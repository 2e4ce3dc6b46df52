//! Text that should hold PEM blocks.
#![no_main]

use chancery::x509::pem::{Label, decode_all, decode_one, encode};
use libfuzzer_sys::fuzz_target;

const LABELS: [Label; 7] = [
    Label::Certificate,
    Label::CertificateRequest,
    Label::Crl,
    Label::PrivateKey,
    Label::EcPrivateKey,
    Label::RsaPrivateKey,
    Label::PublicKey,
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for label in LABELS {
        if let Ok(der) = decode_one(text, label) {
            assert_eq!(decode_all(text, label, 4).as_ref(), Ok(&vec![der.clone()]));
            assert_eq!(decode_one(&encode(label, &der), label), Ok(der));
        }
        if let Ok(blocks) = decode_all(text, label, 4) {
            assert!((1..=4).contains(&blocks.len()));
        }
    }
});
