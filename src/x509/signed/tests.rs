use super::*;
use SignatureAlgorithm as A;

#[test]
fn every_algorithm_identifier_is_read_back() {
    for algorithm in A::ALL {
        assert_eq!(parse_algorithm(&algorithm_identifier(algorithm)), Some(algorithm));
    }
}

#[test]
fn the_bytes_are_those_of_the_rfcs() {
    let hex = |algorithm| hex::encode(algorithm_identifier(algorithm));
    assert_eq!(hex(A::RsaPkcs1(Hash::Sha256)), "300d06092a864886f70d01010b0500");
    assert_eq!(hex(A::Ecdsa(Hash::Sha384)), "300a06082a8648ce3d040303");
    assert_eq!(hex(A::Ed25519), "300506032b6570");
    // RFC 4055, 3.1 with SHA-256, as openssl writes it.
    assert_eq!(
        hex(A::RsaPss(Hash::Sha256)),
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
    );
}

#[test]
fn parameters_are_read_as_strictly_as_the_rfcs_say() {
    let read = |text: &str| parse_algorithm(&hex::decode(text).unwrap());
    assert_eq!(read("300b06092a864886f70d01010b"), Some(A::RsaPkcs1(Hash::Sha256)), "absent is accepted for RSA");
    assert_eq!(read("300c06082a8648ce3d0403030500"), None, "NULL is not for ECDSA");
    assert_eq!(read("300706032b65700500"), None, "NULL is not for Ed25519");
    assert_eq!(read("300d06092a864886f70d0101050500"), None, "SHA-1");
    assert_eq!(read("300f06092a864886f70d01010a3002a000"), None, "PSS with an empty hash");
    assert_eq!(read("300d06092a864886f70d01010a3000"), None, "PSS with the SHA-1 defaults");
    // A salt of 20 octets where the hash has 32.
    let mut odd = algorithm_identifier(A::RsaPss(Hash::Sha256));
    *odd.last_mut().unwrap() = 20;
    assert_eq!(parse_algorithm(&odd), None);
}

#[test]
fn a_signed_object_is_taken_apart_as_it_was_joined() {
    let tbs = [0x30, 3, 2, 1, 5];
    let der = assemble(&tbs, A::Ed25519, &[9; 64]).unwrap();
    let signed = Signed::parse(&der).unwrap();
    assert_eq!((signed.tbs.whole, signed.signature), (&tbs[..], &[9u8; 64][..]));
    assert_eq!(parse_algorithm(signed.algorithm), Some(A::Ed25519));
    assert!(assemble(&[0x30, 3, 2, 1], A::Ed25519, &[]).is_err());
    assert!(assemble(&[0x30, 0, 0x30, 0], A::Ed25519, &[]).is_err());
}
