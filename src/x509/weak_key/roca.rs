//! The fingerprint of keys from chips with the ROCA flaw (CVE-2017-15361).
//!
//! The flawed library makes primes of the form k·M + (65537^a mod M), M being a product of small primes (Nemec, Sys,
//! Svenda, Klinec, Matyas: The Return of Coppersmith's Attack, 2017). So modulo each of these primes p and q, and therefore
//! n, are powers of 65537. A random modulus is such a power modulo all 38 of them once in about 2^27.

/// The largest prime of the fingerprint: every key length of the library has at least these in its M.
const LARGEST: usize = 167;

/// For each number up to [`LARGEST`], the set of powers of 65537 modulo it, one bit each.
const POWERS: [[u64; 3]; LARGEST + 1] = powers();

/// Whether all residues of a modulus are powers of 65537. `residues` are pairs of an odd prime and the residue by it.
pub(super) fn is_marked(residues: &[(u16, u16)]) -> bool {
    residues.iter().map(|(prime, residue)| (usize::from(*prime), usize::from(*residue))).all(|(prime, residue)| {
        let Some(powers) = POWERS.get(prime) else { return true };
        powers.get(residue / 64).is_some_and(|word| word >> (residue % 64) & 1 == 1)
    })
}

const fn powers() -> [[u64; 3]; LARGEST + 1] {
    let mut table = [[0; 3]; LARGEST + 1];
    let mut modulus = 2;
    while modulus <= LARGEST {
        let mut power = 1;
        while table[modulus][power / 64] >> (power % 64) & 1 == 0 {
            table[modulus][power / 64] |= 1 << (power % 64);
            power = power * 65_537 % modulus;
        }
        modulus += 1;
    }
    table
}
