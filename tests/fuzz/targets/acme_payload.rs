//! What ACME clients send inside their signatures, as each of the forms there are.
#![no_main]

use chancery::acme_server::{Jwk, Signed, alt_name, read_challenge_id, read_identifier, shown};
use chancery::api::acme::{Finalize, KeyChange, NewAccount, NewOrder, RevokeCertificate, StatusChange, UpdateAccount};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(NewAccount { external_account_binding: Some(binding), .. }) = serde_json::from_slice(data) {
        let _ = Signed::parse_inner(&binding);
    }
    if let Ok(KeyChange { old_key, .. }) = serde_json::from_slice(data) {
        let _ = Jwk::read(&old_key);
    }
    if let Ok(NewOrder { identifiers, .. }) = serde_json::from_slice(data) {
        for name in identifiers {
            let Ok(read) = read_identifier(&name.kind, &name.value) else { continue };
            // What was read stands in a certificate, and is the same name when it is read again.
            assert!(alt_name(&read).is_some());
            let (kind, value) = shown(&read);
            assert_eq!(read_identifier(kind, &value).as_ref(), Ok(&read));
        }
    }
    let _ = serde_json::from_slice::<UpdateAccount>(data);
    let _ = serde_json::from_slice::<StatusChange>(data);
    let _ = serde_json::from_slice::<Finalize>(data);
    let _ = serde_json::from_slice::<RevokeCertificate>(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = read_challenge_id(text);
        let _ = read_identifier("dns", text);
        let _ = read_identifier("ip", text);
    }
});
