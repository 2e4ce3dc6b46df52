//! Certificates of tls-alpn-01: the one that is believed has the digest in it.
#![no_main]

use chancery::acme_server::validation::Identifier;
use chancery::acme_server::validation::tls_alpn::check;
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

const KEY_AUTHORIZATION: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, KEY_AUTHORIZATION.as_bytes());
    for identifier in [
        Identifier::Dns { name: "www.example".to_owned(), wildcard: false },
        Identifier::Ip(std::net::Ipv4Addr::new(192, 0, 2, 1).into()),
    ] {
        if check(data, &identifier, KEY_AUTHORIZATION).is_ok() {
            assert!(data.windows(32).any(|window| window == digest.as_ref()));
        }
    }
});
