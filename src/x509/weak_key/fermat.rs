//! Fermat's factorisation: finds two factors that lie close to each other.
//!
//! n = p·q is a² − b² with a = (p + q) / 2. When p and q are close, a is one of the first numbers from √n on, and a² − n is
//! a square (Böck: Fermat factorization in the wild, 2023).

use num_bigint::BigUint;

/// A square leaves a square's remainder modulo each of these. Together they let about one number in 40,000 through, so that
/// almost no round needs a long square root.
const MODULI: [u64; 12] = [64, 63, 65, 11, 17, 19, 23, 29, 31, 37, 41, 43];

/// Their product: the state of a round is kept modulo it, in one word.
const PRODUCT: u64 = product();

const SQUARES: [u128; MODULI.len()] = squares();

/// Whether n has two factors that Fermat's method finds within so many rounds.
pub(super) fn has_close_factors(n: &BigUint, rounds: usize) -> bool {
    let root = n.sqrt();
    let square = &root * &root;
    let first = if &square < n { root + 1u32 } else { root };
    let square = &first * &first;
    // b² = a² − n, and (a + 1)² − n is larger by 2a + 1.
    let mut a = super::remainder(&first, PRODUCT);
    let mut b_squared = super::remainder(&(square - n), PRODUCT);
    for round in 0..rounds {
        if may_be_square(b_squared) && is_difference(&first, round, n) {
            return true;
        }
        b_squared = (b_squared + a + a + 1) % PRODUCT;
        a = (a + 1) % PRODUCT;
    }
    false
}

fn may_be_square(residue: u64) -> bool {
    MODULI.iter().zip(SQUARES).all(|(modulus, squares)| squares >> (residue % modulus) & 1 == 1)
}

fn is_difference(first: &BigUint, round: usize, n: &BigUint) -> bool {
    let a = first + round;
    let b_squared = &a * &a - n;
    let b = b_squared.sqrt();
    &b * &b == b_squared
}

const fn product() -> u64 {
    let (mut product, mut place) = (1u64, 0);
    while place < MODULI.len() {
        product *= MODULI[place];
        place += 1;
    }
    // Three times the product must fit a word, for the sums of a round.
    assert!(product < u64::MAX / 4);
    product
}

const fn squares() -> [u128; MODULI.len()] {
    let mut table = [0; MODULI.len()];
    let mut place = 0;
    while place < MODULI.len() {
        let mut root = 0;
        while root < MODULI[place] {
            table[place] |= 1 << (root * root % MODULI[place]);
            root += 1;
        }
        place += 1;
    }
    table
}
