//! CSRs as orders are finalized with them: whatever the names in one, it is taken for an order of exactly these names and for no other.
#![no_main]

use chancery::acme_server::validation::Identifier;
use chancery::acme_server::{check_names, read_identifier};
use chancery::x509::csr::CertificateRequest;
use chancery::x509::san::{RequestedName, SubjectAltName};
use chancery_fuzz::mutate_der;
use chancery_fuzz::request::signed_again;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Some(csr) = signed_again(data).and_then(|der| CertificateRequest::from_der(&der).ok()) else { return };
    let names = csr.names().iter().filter_map(|name| match name {
        RequestedName::Good(SubjectAltName::Dns(name)) => read_identifier("dns", name.as_str()).ok(),
        RequestedName::Good(SubjectAltName::Ip(address)) => Some(Identifier::Ip(*address)),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    let is_taken = check_names(&csr, &names).is_ok();
    let other = Identifier::Dns { name: "other.invalid".to_owned(), wildcard: false };
    if is_taken && !names.contains(&other) {
        names.push(other);
        assert!(check_names(&csr, &names).is_err(), "a name more");
        names.pop();
        if let Some(last) = names.pop() {
            names.retain(|name| *name != last);
            assert!(check_names(&csr, &names).is_err(), "a name less");
        }
    }
});
