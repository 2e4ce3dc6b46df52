//! Requests of ACME clients: what is inside their base64 is mutated too, and those that can be read are held against a key.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery::acme_server::{Jwk, Signed};
use chancery::base::secret::SecretBytes;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

static KEY: LazyLock<Jwk> = LazyLock::new(|| {
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    Jwk::read(&key).expect("the key of RFC 8037, A.1")
});

fuzz_target!(|data: &[u8]| {
    look_at(data);
    // The same as a header of a request that is well formed otherwise.
    let (header, payload) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let whole = json!({"protected": URL_SAFE_NO_PAD.encode(header), "payload": URL_SAFE_NO_PAD.encode(payload), "signature": ""});
    look_at(whole.to_string().as_bytes());
    if let Ok(key) = serde_json::from_slice(data).map_err(drop).and_then(|value| Jwk::read(&value).map_err(drop)) {
        let again = Jwk::read(&serde_json::from_str(&key.canonical()).expect("JSON")).expect("what was read is read again");
        assert_eq!(again, key);
        assert_eq!(again.thumbprint(), key.thumbprint());
    }
});

fn look_at(body: &[u8]) {
    let Ok(signed) = Signed::parse(body) else { return };
    // Nobody here can sign.
    assert!(signed.verify(&KEY).is_err());
    assert!(signed.verify_mac(&SecretBytes::from(vec![7; 32])).is_err());
}
