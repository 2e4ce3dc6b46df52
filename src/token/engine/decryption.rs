//! Decryption with the RSA key of a registration authority (RFC 8894, 3.1), and with no other.
//!
//! Whoever asks learns whether the token is there, and by PKCS #1 v1.5 nothing else: what was not encrypted as it should be decrypts to
//! random bytes, on the same way and counted and logged as little as what was.

use cryptoki::context::Function;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType};
use subtle::{Choice, ConditionallySelectable};

use super::error::CallError;
use super::generation::Found;
use super::objects;
use super::worker::{Call, Fault};
use crate::base::secret::{SecretBytes, Zeroizing};
use crate::token::error::TokenError;
use crate::token::request::{DecryptionScheme, KeyName, KeyProfile, OaepHash};

/// Decrypts. `is_counted` is of the request, which may be tried several times.
pub fn decrypt(
    call: &Call<'_>,
    key: &KeyName,
    scheme: DecryptionScheme,
    input: &[u8],
    is_counted: &mut bool,
) -> Result<SecretBytes, Fault> {
    let known = objects::locate(call, key)?;
    let found = Found(call.session().get_attributes(known.handle, &[AttributeType::Label, AttributeType::Decrypt])?);
    let is_marked = found.label().is_some_and(|label| label.starts_with(KeyProfile::REGISTRATION_AUTHORITY.as_bytes()));
    if !is_marked || !found.0.contains(&Attribute::Decrypt(true)) {
        return Err(Fault::Final(TokenError::NotForThis(key.id)));
    }
    if let Some(limit) = known.limit.filter(|_| !std::mem::replace(is_counted, true)) {
        call.link.limits.spend(limit).map_err(Fault::Final)?;
    }
    // What is answered instead is made in any case, so that it takes no time of its own.
    let length = match scheme {
        DecryptionScheme::Pkcs1 { length } => usize::from(length),
        DecryptionScheme::Oaep(_) => 0,
    };
    let mut instead = Zeroizing::new(vec![0; length]);
    aws_lc_rs::rand::fill(&mut instead).map_err(|_| Fault::Final(TokenError::Unavailable(None)))?;
    call.running.renew();
    let outcome = call.session().decrypt(&mechanism(scheme), known.handle, input).map(SecretBytes::from).map_err(CallError::from);
    // Some modules say of a wrong padding what others say when they are broken: Kryoptic CKR_DEVICE_ERROR, SoftHSM
    // CKR_GENERAL_ERROR. So nothing of what C_Decrypt says is told, for whoever could tell wrong paddings from right ones could have
    // messages decrypted by asking often enough (RFC 3218, 2.3; RFC 8017, 7.2). Whether the token is away is asked of the token
    // itself, whatever was said before.
    call.link.confirm_present(call.entry, call.seat)?;
    let outcome = match outcome {
        Err(error) if !is_of_the_decryption(&error) => return Err(error.into()),
        outcome => outcome.ok(),
    };
    match scheme {
        DecryptionScheme::Pkcs1 { .. } => Ok(chosen(outcome.as_ref().map(SecretBytes::expose), &instead).into()),
        // One answer for everything that is wrong (J. Manger, CRYPTO 2001).
        DecryptionScheme::Oaep(_) => outcome.ok_or(Fault::Final(TokenError::Undecryptable)),
    }
}

/// Whether it was said when the message had been looked at. C_DecryptInit knows the key and the mechanism, and no message.
fn is_of_the_decryption(error: &CallError) -> bool {
    match error {
        CallError::Returned { function, .. } => matches!(function, Function::Decrypt),
        CallError::Module(_) | CallError::LoggedOut => false,
    }
}

/// What was decrypted if it has the length that it must have, and otherwise the other; which of them, no time tells.
fn chosen(plain: Option<&[u8]>, instead: &[u8]) -> Vec<u8> {
    let plain = plain.unwrap_or_default();
    let is_good = Choice::from(u8::from(plain.len() == instead.len()));
    let plain = plain.iter().copied().chain(std::iter::repeat(0));
    instead.iter().zip(plain).map(|(instead, plain)| u8::conditional_select(instead, &plain, is_good)).collect()
}

fn mechanism(scheme: DecryptionScheme) -> Mechanism<'static> {
    let (hash, mgf) = match scheme {
        DecryptionScheme::Pkcs1 { .. } => return Mechanism::RsaPkcs,
        DecryptionScheme::Oaep(OaepHash::Sha1) => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        DecryptionScheme::Oaep(OaepHash::Sha256) => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        DecryptionScheme::Oaep(OaepHash::Sha384) => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        DecryptionScheme::Oaep(OaepHash::Sha512) => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    };
    Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_long_as_it_must_be_is_chosen() {
        assert_eq!(chosen(Some(&[1, 2, 3]), &[7, 8, 9]), [1, 2, 3]);
        for plain in [None, Some(&[][..]), Some(&[1, 2]), Some(&[1, 2, 3, 4])] {
            assert_eq!(chosen(plain, &[7, 8, 9]), [7, 8, 9], "{plain:?}");
        }
    }
}
