//! Private keys that are sent to be imported, in each form they come in.
#![no_main]

use chancery::x509::pem::Label;
use chancery::x509::private_key::{Encoding, from_traditional, read, to_pem};
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    look_at(data);
    for label in [Label::EcPrivateKey, Label::RsaPrivateKey] {
        if let Ok(pkcs8) = from_traditional(label, data) {
            look_at(&pkcs8);
        }
    }
});

fn look_at(pkcs8: &[u8]) {
    if let Ok(key) = read(pkcs8) {
        let again = read(&key.pkcs8).expect("what was written can be read");
        assert!(again.public == key.public && again.pkcs8 == key.pkcs8);
        to_pem(key.public.key_type(), &key.pkcs8, Encoding::Traditional).expect("what was read can be written");
    }
}
