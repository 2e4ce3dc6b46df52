//! Whether 32 bytes are a point of edwards25519, and not one of its eight points of small order.

use num_bigint::BigUint;

use super::Weakness;

/// The y of the four points of order eight; the others of small order have 0, 1 or −1.
const ORDER_EIGHT: [&str; 2] = [
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
];

pub(super) fn weakness(bits: &[u8]) -> Option<Weakness> {
    let Some((last, lower)) = bits.split_last() else { return Some(Weakness::NotAPoint) };
    // RFC 8032, 5.1.2: little endian, with the sign of x in the highest bit.
    let y = BigUint::from_bytes_le(&[lower, &[last & 0x7F]].concat());
    let one = BigUint::from(1u32);
    let p = (&one << 255) - 19u32;
    if y >= p {
        // RFC 8032, 5.1.3, step 1: decoding fails. Other software takes it modulo p, where all but a few are unknown points.
        return Some(if is_small_order(&(&y - &p), &p) { Weakness::SmallOrder } else { Weakness::NotAPoint });
    }
    if is_small_order(&y, &p) {
        return Some(Weakness::SmallOrder);
    }
    // RFC 8032, 5.1.3, step 2: x² = (y² − 1) / (d·y² + 1) with d = −121665/121666. Both sides are multiplied by the square
    // of (d·y² + 1)·121666, which leaves a square a square; Euler's criterion then needs one power.
    let square = &y * &y % &p;
    let above = (&square + &p - &one) % &p * 121_666u32 % &p;
    let below = (&p * 121_666u32 + 121_666u32 - &square * 121_665u32) % &p;
    let residue = (above * below).modpow(&((&p - &one) >> 1), &p);
    (residue != one).then_some(Weakness::NotAPoint)
}

fn is_small_order(y: &BigUint, p: &BigUint) -> bool {
    let one = BigUint::from(1u32);
    *y <= one || *y == p - one || ORDER_EIGHT.iter().any(|hex| BigUint::parse_bytes(hex.as_bytes(), 16).as_ref() == Some(y))
}
