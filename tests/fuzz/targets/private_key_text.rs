//! Text that should hold one private key, as it is sent to be imported.
#![no_main]

use chancery::base::secret::ExposeSecret;
use chancery::x509::private_key::{Encoding, from_pem, to_pem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(key) = from_pem(text) else { return };
    for encoding in [Encoding::Traditional, Encoding::Pkcs8] {
        let written = to_pem(key.public.key_type(), &key.pkcs8, encoding).expect("what was read can be written");
        let again = from_pem(written.expose_secret()).expect("what was written can be read");
        assert!(again.public == key.public && again.pkcs8 == key.pkcs8);
    }
});
