//! Keys that are well formed and still unsafe: their private half can be had from what is public.
//!
//! The checks are those the CA/Browser Forum asks of a CA (Baseline Requirements, 4.9.1.1 and 6.1.6) and are cheap enough
//! to run on every request. What they cannot see are keys of a broken random generator whose list one must possess (the
//! Debian keys of 2008), a modulus that is itself prime, and factors larger than [`TRIAL_LIMIT`] that lie far apart.

mod ed25519;
mod fermat;
mod roca;

use num_bigint::BigUint;

use super::algorithm::KeyType;
use super::key::PublicKey;

/// Why a key must not be certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    #[error("the RSA public exponent is even")]
    EvenExponent,
    #[error("the RSA public exponent is smaller than 65537")]
    SmallExponent,
    #[error("the RSA public exponent is 2^256 or larger")]
    LargeExponent,
    #[error("the RSA modulus is even")]
    EvenModulus,
    #[error("the RSA modulus has the small factor {0}")]
    SmallFactor(u16),
    #[error("the two primes of the RSA modulus are close to each other")]
    ClosePrimes,
    #[error("the RSA key comes from a chip with the ROCA flaw (CVE-2017-15361)")]
    Roca,
    #[error("the RSA modulus repeats one byte and was not made from random primes")]
    PatternedModulus,
    #[error("the Ed25519 key is not the encoding of a point on the curve")]
    NotAPoint,
    #[error("the Ed25519 key is a point of small order, with which anyone can sign")]
    SmallOrder,
}

/// Factors below this are looked for; NIST SP 800-89, 5.3.3 asks for those up to 752.
pub const TRIAL_LIMIT: usize = 4096;

/// Rounds of Fermat's method; the Baseline Requirements, 6.1.1.3 ask for 100.
const FERMAT_ROUNDS: usize = 100;

impl PublicKey {
    /// Everything that is unsafe about this key; nothing for a sound one.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        match self.key_type() {
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => match self.rsa_numbers() {
                Some((modulus, exponent)) => rsa(modulus, exponent),
                None => Vec::new(),
            },
            // An uncompressed point is never the identity, and the curves have no other small subgroup.
            KeyType::P256 | KeyType::P384 | KeyType::P521 => Vec::new(),
            KeyType::Ed25519 => ed25519::weakness(self.bits()).into_iter().collect(),
        }
    }
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<Weakness> {
    let n = BigUint::from_bytes_be(modulus);
    let mut found = Vec::new();
    // Baseline Requirements, 6.1.6: odd, and in the range from 2^16 + 1 to 2^256 - 1.
    if exponent.last().is_none_or(|last| last % 2 == 0) {
        found.push(Weakness::EvenExponent);
    }
    match exponent {
        [] | [_] | [_, _] | [1, 0, 0] => found.push(Weakness::SmallExponent),
        long if long.len() > 32 => found.push(Weakness::LargeExponent),
        _ => {}
    }
    if is_patterned(modulus) {
        found.push(Weakness::PatternedModulus);
    }
    let residues = residues(&n);
    if modulus.last().is_none_or(|last| last % 2 == 0) {
        found.push(Weakness::EvenModulus);
    } else if let Some((prime, _)) = residues.iter().find(|(_, residue)| *residue == 0) {
        found.push(Weakness::SmallFactor(*prime));
    }
    if roca::is_marked(&residues) {
        found.push(Weakness::Roca);
    }
    if fermat::has_close_factors(&n, FERMAT_ROUNDS) {
        found.push(Weakness::ClosePrimes);
    }
    found
}

/// Whether one byte value fills a quarter of the modulus. In a product of random primes it fills about one part in 256;
/// moduli of only ones, or of a short number stretched with zeros, come from broken or hostile software.
fn is_patterned(modulus: &[u8]) -> bool {
    let mut counts = [0usize; 256];
    for byte in modulus {
        counts[usize::from(*byte)] += 1;
    }
    counts.iter().any(|count| count * 4 > modulus.len())
}

/// The odd primes below [`TRIAL_LIMIT`].
static ODD_PRIMES: [u16; count_odd_primes()] = odd_primes();

/// The remainder of `n` by each odd prime below the limit.
///
/// The long division is by products of as many primes as fit a machine word; the rest is arithmetic on words.
fn residues(n: &BigUint) -> Vec<(u16, u16)> {
    let mut residues = Vec::with_capacity(ODD_PRIMES.len());
    let mut primes = ODD_PRIMES.as_slice();
    while !primes.is_empty() {
        let mut product = 1u64;
        let mut taken = 0;
        for prime in primes {
            match product.checked_mul(u64::from(*prime)) {
                Some(larger) => product = larger,
                None => break,
            }
            taken += 1;
        }
        let remainder = remainder(n, product);
        let (now, later) = primes.split_at(taken);
        // The remainder of a division by a u16 is a u16.
        residues.extend(now.iter().map(|prime| (*prime, (remainder % u64::from(*prime)) as u16)));
        primes = later;
    }
    residues
}

fn remainder(n: &BigUint, divisor: u64) -> u64 {
    u64::try_from(n % divisor).unwrap_or_default()
}

const fn is_odd_prime(number: usize) -> bool {
    let mut divisor = 3;
    while divisor * divisor <= number {
        if number.is_multiple_of(divisor) {
            return false;
        }
        divisor += 2;
    }
    number > 2 && number % 2 == 1
}

const fn count_odd_primes() -> usize {
    let (mut count, mut number) = (0, 3);
    while number < TRIAL_LIMIT {
        count += is_odd_prime(number) as usize;
        number += 2;
    }
    count
}

const fn odd_primes() -> [u16; count_odd_primes()] {
    let mut primes = [0; count_odd_primes()];
    let (mut count, mut number) = (0, 3);
    while number < TRIAL_LIMIT {
        if is_odd_prime(number) {
            primes[count] = number as u16;
            count += 1;
        }
        number += 2;
    }
    primes
}

#[cfg(test)]
mod tests;
