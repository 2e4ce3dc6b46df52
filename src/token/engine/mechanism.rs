//! The mechanisms the appliance uses, those among them that the binding does not know included.

use cryptoki::mechanism::vendor_defined::VendorDefinedMechanism;
use cryptoki::mechanism::{Mechanism, MechanismType};

/// CKM_AES_KEY_WRAP_KWP (PKCS#11 v3.0 mechanisms, 2.13): RFC 5649 under its own number. CKM_AES_KEY_WRAP_PAD is the number it had
/// before, which tokens have filled with RFC 5649 and with other paddings.
const AES_KEY_WRAP_KWP: u64 = 0x210B;

/// The mechanism type of CKM_AES_KEY_WRAP_KWP.
#[expect(unsafe_code, reason = "the binding makes mechanism types of the numbers it knows only, and 0x210B is none of them")]
pub fn key_wrap_kwp_type() -> MechanismType {
    // SAFETY: MechanismType is `repr(transparent)` over CK_MECHANISM_TYPE, an unsigned long, and every value of that is one of it.
    unsafe { std::mem::transmute::<u64, MechanismType>(AES_KEY_WRAP_KWP) }
}

/// The mechanism CKM_AES_KEY_WRAP_KWP, which takes no parameter.
pub fn key_wrap_kwp() -> Mechanism<'static> {
    Mechanism::VendorDefined(VendorDefinedMechanism::new::<()>(key_wrap_kwp_type(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_what_the_module_gets() {
        assert_eq!(*key_wrap_kwp_type(), 0x210B);
        assert_eq!(*key_wrap_kwp().mechanism_type(), 0x210B);
    }
}
