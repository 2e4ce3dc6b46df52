use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

/// RFC 7638, 3.1.
#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    let key = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W\
              -5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrd\
              kt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29"
    });
    assert_eq!(Jwk::read(&key).unwrap().thumbprint_text(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

/// RFC 8037, A.2 and A.4: the key, and its signature over a header that says no more than the algorithm.
#[test]
fn an_ed25519_key_has_the_thumbprint_of_rfc_8037_and_verifies_its_example() {
    let key = Jwk::read(&json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})).unwrap();
    assert_eq!(key.thumbprint_text(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(key.verify(input, &URL_SAFE_NO_PAD.decode(signature).unwrap()));
    assert!(!key.verify(b"something else", &URL_SAFE_NO_PAD.decode(signature).unwrap()));
}

#[test]
fn keys_that_are_none_are_refused() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let read = |value: Value| Jwk::read(&value).unwrap_err();
    assert_eq!(read(json!([])), JwkFault::NoObject);
    assert_eq!(read(json!({})), JwkFault::Member("kty"));
    assert_eq!(read(json!({"kty": "oct", "k": "AAAA"})), JwkFault::Type);
    assert_eq!(read(json!({"kty": "OKP", "crv": "Ed448", "x": x})), JwkFault::Curve);
    assert_eq!(read(json!({"kty": "EC", "crv": "secp256k1", "x": x, "y": x})), JwkFault::Curve);
    assert_eq!(read(json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": x})), JwkFault::Private);
    assert_eq!(read(json!({"kty": "OKP", "crv": "Ed25519", "x": format!("{x}=")})), JwkFault::Member("x"));
    assert!(matches!(read(json!({"kty": "EC", "crv": "P-256", "x": x, "y": x})), JwkFault::Point(_)));
    let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xFF; bytes]);
    assert_eq!(read(json!({"kty": "RSA", "n": modulus(128), "e": "AQAB"})), JwkFault::RsaSize);
    assert_eq!(read(json!({"kty": "RSA", "n": modulus(1_024), "e": "AQAB"})), JwkFault::RsaSize);
    assert_eq!(read(json!({"kty": "RSA", "n": modulus(256), "e": "AQ"})), JwkFault::RsaExponent);
    assert_eq!(read(json!({"kty": "RSA", "n": modulus(256), "e": "AQAC"})), JwkFault::RsaExponent);
}

#[test]
fn a_key_is_the_same_key_in_a_certificate_and_no_other() {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let modulus = |first: u8| text(&[&[first], [0x55; 255].as_slice()].concat());
    let ec = |curve: &str, algorithm, width| {
        let pair = aws_lc_rs::signature::EcdsaKeyPair::generate(algorithm).unwrap();
        let (x, y) = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref()[1..].split_at(width);
        json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
    };
    let (p256, p384) = (&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING);
    let keys = [
        // What begins with a high bit has a sign before it in DER.
        json!({"kty": "RSA", "n": modulus(0xC5), "e": "AQAB"}),
        json!({"kty": "RSA", "n": modulus(0xC7), "e": "AQAB"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        ec("P-256", p256, 32),
        ec("P-256", p256, 32),
        ec("P-384", p384, 48),
    ];
    // None of them need be good ones.
    let keys = keys.map(|key| Jwk::kept(&key.to_string()).unwrap());
    let public = keys.clone().map(|key| key.public_key().unwrap().unwrap());
    for (place, key) in keys.iter().enumerate() {
        for (other, public) in public.iter().enumerate() {
            assert_eq!(key.is(public), place == other, "{place} {other}");
        }
    }
    // One of a size that is not certified is none of them.
    let odd = Jwk::kept(&json!({"kty": "RSA", "n": text(&[0xC5; 257]), "e": "AQAB"}).to_string()).unwrap();
    assert!(odd.public_key().unwrap().is_none());
    assert!(!public.iter().any(|public| odd.is(public)));
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn what_rfc_8555_6_2_forbids_is_refused_for_what_it_is() {
    let header = json!({"alg": "ES256", "url": "https://a/", "nonce": "AAAA", "kid": "https://a/1"});
    let whole = |header: &Value| json!({"protected": encoded(header), "payload": "", "signature": ""});
    let fault = |value: Value| Signed::parse(value.to_string().as_bytes()).unwrap_err();
    assert!(Signed::parse(whole(&header).to_string().as_bytes()).is_ok());
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        fault(whole(&header))
    };
    let without = |name: &str| {
        let mut header = header.clone();
        header.as_object_mut().unwrap().remove(name);
        fault(whole(&header))
    };
    let more = |name: &str, value: Value| {
        let mut whole = whole(&header);
        whole[name] = value;
        fault(whole)
    };
    assert!(matches!(fault(json!([])), JwsFault::NoObject));
    assert!(matches!(fault(json!({"payload": ""})), JwsFault::Body(_)));
    assert!(matches!(more("header", json!({})), JwsFault::Unprotected));
    assert!(matches!(more("signatures", json!([])), JwsFault::General));
    assert!(matches!(more("payload", json!("a=")), JwsFault::Base64("payload")));
    assert!(matches!(with("b64", json!(false)), JwsFault::Unencoded));
    assert!(matches!(with("crit", json!(["exp"])), JwsFault::Critical));
    assert!(matches!(with("jwk", json!({})), JwsFault::TwoKeys));
    assert!(matches!(without("kid"), JwsFault::NoKey));
    assert!(matches!(without("url"), JwsFault::NoUrl));
    assert!(matches!(without("nonce"), JwsFault::NoNonce));
    assert!(matches!(with("nonce", json!("a b")), JwsFault::Nonce));
    for name in ["none", "HS384", "ES256K", "PS256", "RS384", ""] {
        assert!(matches!(with("alg", json!(name)), JwsFault::Algorithm), "{name}");
    }
    assert!(matches!(without("alg"), JwsFault::Header(_)));
}

#[test]
fn a_public_key_is_no_secret_for_a_mac() {
    let header = json!({"alg": "HS256", "url": "https://a/", "nonce": "AAAA", "kid": "https://a/1"});
    let protected = encoded(&header);
    let key = Jwk::read(&json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})).unwrap();
    let Jwk::Ed25519(bytes) = &key else { panic!() };
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, bytes), format!("{protected}.").as_bytes());
    let whole = json!({"protected": protected, "payload": "", "signature": URL_SAFE_NO_PAD.encode(tag)});
    let signed = Signed::parse(whole.to_string().as_bytes()).unwrap();
    assert!(matches!(signed.verify(&key), Err(JwsFault::Algorithm)));
}
