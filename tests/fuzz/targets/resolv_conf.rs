//! resolv.conf(5): three resolvers at most, whatever else stands there.
#![no_main]

use chancery::outbound::nameservers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let found = nameservers(text);
    assert!(found.len() <= 3 && found.len() <= text.matches("nameserver").count());
    assert!(found.iter().all(|server| server.port() == 53));
});
