use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;
use crate::x509::key::tests::openssl_public_key;

/// A DER RSAPublicKey made from numbers.
fn rsa_key(n: &BigUint, e: &BigUint) -> PublicKey {
    let mut out = Vec::new();
    crate::x509::tlv::write(&mut out, crate::x509::tlv::SEQUENCE, |out| {
        for number in [n, e] {
            let mut content = number.to_bytes_be();
            if content[0] >= 0x80 {
                content.insert(0, 0);
            }
            crate::x509::tlv::write_value(out, crate::x509::tlv::INTEGER, &content);
        }
    });
    PublicKey::from_parts(KeyType::from_parts("rsa", n.bits() as u32).unwrap(), &out).unwrap()
}

fn with_modulus(n: &BigUint) -> Vec<Weakness> {
    rsa_key(n, &65_537u32.into()).weaknesses()
}

/// Numbers that look random and are the same in every run.
fn stream(seed: u64, bits: u64) -> BigUint {
    let bytes: Vec<u8> = (0..bits / 8 / 32 + 1)
        .flat_map(|part| crate::x509::algorithm::Hash::Sha256.digest(&[seed.to_be_bytes(), part.to_be_bytes()].concat()).as_ref().to_vec())
        .collect();
    let number = BigUint::from_bytes_be(&bytes) % (BigUint::from(1u32) << bits);
    // Two high bits make the product of two such numbers full length.
    number | (BigUint::from(3u32) << (bits - 2))
}

fn is_prime(number: &BigUint) -> bool {
    let residues = residues(number);
    residues.iter().all(|(_, residue)| *residue != 0) && BigUint::from(2u32).modpow(&(number - 1u32), number) == BigUint::from(1u32)
}

fn next_prime(from: BigUint) -> BigUint {
    let mut candidate = from | BigUint::from(1u32);
    while !is_prime(&candidate) {
        candidate += 2u32;
    }
    candidate
}

#[test]
fn keys_made_by_openssl_are_sound() {
    let mut kinds = vec![vec!["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]; 5];
    kinds.push(vec!["RSA", "-pkeyopt", "rsa_keygen_bits:3072"]);
    kinds.push(vec!["RSA", "-pkeyopt", "rsa_keygen_bits:4096"]);
    for curve in ["ec_paramgen_curve:P-256", "ec_paramgen_curve:P-384", "ec_paramgen_curve:P-521"] {
        kinds.push(vec!["EC", "-pkeyopt", curve]);
    }
    kinds.extend(vec![vec!["ED25519"]; 20]);
    for kind in kinds {
        assert_eq!(openssl_public_key(&kind).weaknesses(), [], "{kind:?}");
    }
}

#[test]
fn the_trial_primes_are_the_primes() {
    assert_eq!(ODD_PRIMES[..6], [3, 5, 7, 11, 13, 17]);
    assert_eq!(ODD_PRIMES.len() + 1, 564, "there are 564 primes below 4096");
    let n = stream(1, 2048);
    for (prime, residue) in residues(&n) {
        assert_eq!(BigUint::from(residue), &n % prime);
    }
}

#[test]
fn small_factors_are_found_and_named() {
    for factor in [3u32, 5, 7, 743, 751, 757, 4093] {
        // The cofactor has no small prime of its own.
        let mut cofactor = stream(u64::from(factor), 2048) / factor;
        let modulus = loop {
            cofactor += 1u32;
            let modulus = &cofactor * factor;
            let zeros: Vec<u16> = residues(&modulus).iter().filter(|(_, r)| *r == 0).map(|(p, _)| *p).collect();
            if modulus.bits() == 2048 && modulus.bit(0) && zeros == [factor as u16] {
                break modulus;
            }
        };
        assert_eq!(with_modulus(&modulus), [Weakness::SmallFactor(factor as u16)]);
    }
    let even = stream(2, 2047) << 1;
    assert!(with_modulus(&even).contains(&Weakness::EvenModulus));
}

#[test]
fn close_primes_are_found_within_a_hundred_rounds() {
    for (seed, bits) in [(10, 1024), (11, 1536)] {
        let p = next_prime(stream(seed, bits));
        let q = next_prime(&p + 2u32);
        assert_eq!(with_modulus(&(&p * &q)), [Weakness::ClosePrimes]);
        // A prime squared is the closest pair of all.
        assert_eq!(with_modulus(&(&p * &p)), [Weakness::ClosePrimes]);
    }
    // For factors p and q the round that finds them is (p + q) / 2 - ⌈√pq⌉, about (p − q)² / 8√pq.
    let p = stream(12, 1024) | BigUint::from(1u32);
    let step = BigUint::from(1u32) << 512;
    for (times, rounds) in [(1u32, 1usize), (20, 60), (27, 100)] {
        let n: BigUint = &p * (&p + &step * times * 2u32);
        let a = &p + &step * times;
        let root = n.sqrt();
        let round = usize::try_from(a - root).unwrap();
        assert!(round <= rounds * 8, "{round}");
        assert!(fermat::has_close_factors(&n, round + 1));
        assert!(!fermat::has_close_factors(&n, round.saturating_sub(1)));
    }
    let far = &stream(13, 1024) | BigUint::from(1u32);
    assert!(!fermat::has_close_factors(&(far * p), 1000));
}

#[test]
fn roca_moduli_are_recognised() {
    // The form of the flawed library for 2048-bit keys: M is the product of the first 126 primes.
    let m: BigUint = [2u16].iter().chain(&ODD_PRIMES[..125]).fold(BigUint::from(1u32), |m, prime| m * *prime);
    assert_eq!(m.bits(), 971);
    let prime = |seed: u64| {
        let power = BigUint::from(65_537u32).modpow(&stream(seed, 62), &m);
        let mut k = stream(seed + 1, 1024) / &m;
        loop {
            let candidate = &k * &m + &power;
            if is_prime(&candidate) {
                return candidate;
            }
            k += 1u32;
        }
    };
    for seed in [20, 30, 40] {
        let n = prime(seed) * prime(seed + 5);
        assert_eq!(n.bits(), 2048);
        assert_eq!(with_modulus(&n), [Weakness::Roca]);
        // One prime of the form is not the flaw's mark.
        let mixed = prime(seed) * next_prime(stream(seed + 7, 1024));
        assert_eq!(with_modulus(&mixed), []);
    }
}

#[test]
fn exponents_must_be_odd_and_in_range() {
    let n = next_prime(stream(50, 1024)) * next_prime(stream(51, 1024));
    let check = |e: BigUint| rsa_key(&n, &e).weaknesses();
    let one = BigUint::from(1u32);
    assert_eq!(check(one.clone()), [Weakness::SmallExponent]);
    assert_eq!(check(3u32.into()), [Weakness::SmallExponent]);
    assert_eq!(check(65_535u32.into()), [Weakness::SmallExponent]);
    assert_eq!(check(65_536u32.into()), [Weakness::EvenExponent, Weakness::SmallExponent]);
    assert_eq!(check(0u32.into()), [Weakness::EvenExponent, Weakness::SmallExponent]);
    assert_eq!(check(65_537u32.into()), []);
    assert_eq!(check(65_538u32.into()), [Weakness::EvenExponent]);
    assert_eq!(check((&one << 256) - 1u32), []);
    assert_eq!(check((&one << 256) + 1u32), [Weakness::LargeExponent]);
    assert_eq!(check(&n - 1u32), [Weakness::EvenExponent, Weakness::LargeExponent]);
}

#[test]
fn a_modulus_that_repeats_a_byte_is_refused() {
    let ones = (BigUint::from(1u32) << 2048) - 1u32;
    assert!(with_modulus(&ones).contains(&Weakness::PatternedModulus));
    let sparse = (BigUint::from(1u32) << 2047) + 981u32;
    assert!(with_modulus(&sparse).contains(&Weakness::PatternedModulus));
}

#[test]
fn points_of_small_order_are_refused_and_are_just_these() {
    let p: BigUint = (BigUint::from(1u32) << 255) - 19u32;
    let mut small = vec![BigUint::from(0u32), BigUint::from(1u32), &p - 1u32, p.clone(), &p + 1u32];
    for hex in [
        "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
        "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
    ] {
        let y = BigUint::parse_bytes(hex.as_bytes(), 16).unwrap();
        // A point whose double has order four: y(2P) = 0, so x² + y² = 0 by the doubling formula, with
        // x² = (y² − 1) / (d·y² + 1).
        let d = (&p - 121_665u32) * BigUint::from(121_666u32).modpow(&(&p - 2u32), &p) % &p;
        let square = &y * &y % &p;
        let x_square = (&square + &p - 1u32) * (&d * &square + 1u32).modpow(&(&p - 2u32), &p) % &p;
        assert_eq!((x_square + square) % &p, BigUint::from(0u32));
        small.push(y);
    }
    for y in small {
        for sign in [0, 0x80] {
            let mut bytes = y.to_bytes_le();
            bytes.resize(32, 0);
            bytes[31] |= sign;
            let key = PublicKey::from_parts(KeyType::Ed25519, &bytes).unwrap();
            assert_eq!(key.weaknesses(), [Weakness::SmallOrder], "{}", hex::encode(bytes));
        }
    }
}

#[test]
fn half_of_all_numbers_are_no_point() {
    let count = (0u32..200).filter(|y| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&(y + 2).to_le_bytes());
        PublicKey::from_parts(KeyType::Ed25519, &bytes).unwrap().weaknesses() == [Weakness::NotAPoint]
    });
    assert!((60..140).contains(&count.count()));
    assert_eq!(PublicKey::from_parts(KeyType::Ed25519, &[0xFF; 32]).unwrap().weaknesses(), [Weakness::NotAPoint]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_ed25519_bytes_panic(bytes: [u8; 32]) {
        let _ = PublicKey::from_parts(KeyType::Ed25519, &bytes).unwrap().weaknesses();
    }

    #[test]
    fn no_modulus_panics(bytes in proptest::collection::vec(any::<u8>(), 256), e in proptest::collection::vec(any::<u8>(), 0..40)) {
        let n = BigUint::from_bytes_be(&bytes) | (BigUint::from(1u32) << 2047);
        let _ = rsa_key(&n, &BigUint::from_bytes_be(&e)).weaknesses();
    }
}
