//! Distinguished names: the text of RFC 4514 and the DER of X.501.
#![no_main]

use chancery::x509::name::DistinguishedName;
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    if let Ok(name) = DistinguishedName::from_der(data) {
        look_at(&name);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = DistinguishedName::parse_rfc4514(text) {
        assert_eq!(DistinguishedName::from_der(name.der()).as_ref(), Ok(&name));
        look_at(&name);
    }
});

fn look_at(name: &DistinguishedName) {
    let _ = (name.attributes(), name.common_names(), name.is_empty());
    // What is shown may be read again, or refused; it need not be one of the attributes that are offered.
    let _ = DistinguishedName::parse_rfc4514(&name.to_string());
}
