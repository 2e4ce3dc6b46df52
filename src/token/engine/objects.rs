//! Finding key pairs in the token and reading their public halves.
//!
//! A pair is found by CKA_ID. SoftHSM leaves CKA_PUBLIC_KEY_INFO empty, so the public key is put together from its parts.

use std::collections::HashMap;

use cryptoki::object::{Attribute, AttributeType, KeyType as TokenKeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::asn1::{ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Encode};

use super::link::Known;
use super::worker::{Call, Fault};
use crate::token::error::TokenError;
use crate::token::key::KeyId;
use crate::token::request::{KeyName, KeyProfile, ShownAttributes, StoredKey};
use crate::x509::algorithm::KeyType;
use crate::x509::key::PublicKey;

/// Where a private key is: remembered, or searched. It is the one that is meant, as far as the token shows what it has.
pub fn locate(call: &Call<'_>, key: &KeyName) -> Result<Known, Fault> {
    // A token that keeps private halves only cannot be compared here; who asked verifies every signature all the same.
    let is_meant = |known: &Known| known.public.is_none_or(|(spki_sha256, _)| spki_sha256 == key.spki_sha256);
    if let Some(known) = call.link.known(key.id, call.epoch).filter(is_meant) {
        return Ok(known);
    }
    let found = search(call, key.id)?;
    if is_meant(&found) { Ok(found) } else { Err(Fault::Final(TokenError::KeyMismatch(key.id))) }
}

/// The public half of the pair of that id, when its private half is there.
pub fn find(call: &Call<'_>, id: KeyId) -> Result<Option<PublicKey>, Fault> {
    let Some(handle) = private_key(call, id)? else { return Ok(None) };
    match public_half(call.session(), id, handle)? {
        Some(public) => Ok(Some(public)),
        None => Err(Fault::Final(TokenError::KeyMismatch(id))),
    }
}

/// That the token holds exactly this pair.
pub fn check(call: &Call<'_>, key: &KeyName) -> Result<(), Fault> {
    match find(call, key.id)? {
        Some(found) if found.spki_sha256() == key.spki_sha256 => Ok(()),
        Some(_) => Err(Fault::Final(TokenError::KeyMismatch(key.id))),
        None => Err(Fault::Final(TokenError::KeyMissing(key.id))),
    }
}

/// Every private key of the token. The public halves are searched once for all: a search costs more the more objects there are.
pub fn inventory(call: &Call<'_>) -> Result<Vec<StoredKey>, Fault> {
    let session = call.session();
    let mut halves = HashMap::new();
    for object in session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY)])? {
        call.running.renew();
        if let (id, Some(public)) = (named(session, object)?.0, public_key(session, object)?) {
            halves.insert(id, public);
        }
    }
    let mut keys = Vec::new();
    for object in session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)])? {
        call.running.renew();
        let (id, label) = named(session, object)?;
        let public = match halves.get(&id) {
            // There may be tens of thousands, and they are compared when they are exported.
            _ if label.starts_with(KeyProfile::SUBJECT) => None,
            Some(public) => Some(public.clone()),
            None => public_key(session, object)?,
        };
        keys.push(StoredKey { id, label, public, attributes: shown(session, object)? });
    }
    if keys.is_empty() {
        call.link.confirm_present(call.entry, call.seat)?;
    }
    Ok(keys)
}

/// Whether any object has that id.
pub fn exists(call: &Call<'_>, id: KeyId) -> Result<bool, Fault> {
    Ok(!call.session().find_objects(&[with_id(id)])?.is_empty())
}

/// Destroys the key pairs of that id; there may be none. The key that values are sealed with is no pair, and stays.
pub fn destroy(call: &Call<'_>, id: KeyId) -> Result<(), Fault> {
    // Looked for by class, so that nothing of a key is read: a module that crashes over that could leave it behind for ever.
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        for handle in call.session().find_objects(&[with_id(id), Attribute::Class(class)])? {
            call.session().destroy_object(handle)?;
        }
    }
    Ok(())
}

/// Reads a public key from an object that has its parts.
pub fn public_key(session: &Session, object: ObjectHandle) -> Result<Option<PublicKey>, Fault> {
    let asked =
        [AttributeType::KeyType, AttributeType::Modulus, AttributeType::PublicExponent, AttributeType::EcParams, AttributeType::EcPoint];
    let mut parts = Parts::default();
    for attribute in session.get_attributes(object, &asked)? {
        match attribute {
            Attribute::KeyType(value) => parts.key_type = Some(value),
            Attribute::Modulus(value) => parts.modulus = value,
            Attribute::PublicExponent(value) => parts.exponent = value,
            Attribute::EcParams(value) => parts.curve = value,
            Attribute::EcPoint(value) => parts.point = value,
            _ => {}
        }
    }
    Ok(parts.public_key())
}

/// The DER of the curve's name, as CKA_EC_PARAMS wants it. `None` for keys that are on no curve.
pub fn curve_parameters(key_type: KeyType) -> Option<Vec<u8>> {
    curve(key_type).and_then(|oid| oid.to_der().ok())
}

#[derive(Default)]
struct Parts {
    key_type: Option<TokenKeyType>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    curve: Vec<u8>,
    point: Vec<u8>,
}

impl Parts {
    fn public_key(&self) -> Option<PublicKey> {
        match self.key_type? {
            TokenKeyType::RSA => {
                let modulus = UintRef::new(&self.modulus).ok()?;
                let exponent = UintRef::new(&self.exponent).ok()?;
                let bits = u32::try_from(modulus.as_bytes().len()).ok()?.checked_mul(8)?;
                let key = pkcs1::RsaPublicKey { modulus, public_exponent: exponent }.to_der().ok()?;
                PublicKey::from_parts(KeyType::from_parts("rsa", bits)?, &key).ok()
            }
            TokenKeyType::EC | TokenKeyType::EC_EDWARDS => {
                let key_type = named_curve(&self.curve)?;
                PublicKey::from_parts(key_type, bare_point(key_type, &self.point)?).ok()
            }
            _ => None,
        }
    }
}

fn search(call: &Call<'_>, id: KeyId) -> Result<Known, Fault> {
    let Some(handle) = private_key(call, id)? else {
        return Err(Fault::Final(TokenError::KeyMissing(id)));
    };
    let public = public_half(call.session(), id, handle)?.map(|public| (public.spki_sha256(), public.key_type()));
    let limits = &call.link.limits;
    let limit = if limits.is_empty() { None } else { limits.of(id, &named(call.session(), handle)?.1) };
    let known = Known { handle, public, limit };
    call.link.remember(id, call.epoch, known);
    Ok(known)
}

/// The CKA_ID and the label of an object.
fn named(session: &Session, object: ObjectHandle) -> Result<(Vec<u8>, String), Fault> {
    let (mut id, mut label) = (Vec::new(), String::new());
    for attribute in session.get_attributes(object, &[AttributeType::Id, AttributeType::Label])? {
        match attribute {
            Attribute::Id(value) => id = value,
            Attribute::Label(value) => label = String::from_utf8_lossy(&value).into_owned(),
            _ => {}
        }
    }
    Ok((id, label))
}

fn shown(session: &Session, object: ObjectHandle) -> Result<ShownAttributes, Fault> {
    let asked =
        [AttributeType::Sensitive, AttributeType::Extractable, AttributeType::NeverExtractable, AttributeType::Local, AttributeType::Sign];
    let mut shown = ShownAttributes::default();
    for attribute in session.get_attributes(object, &asked)? {
        match attribute {
            Attribute::Sensitive(value) => shown.sensitive = Some(value),
            Attribute::Extractable(value) => shown.extractable = Some(value),
            Attribute::NeverExtractable(value) => shown.never_extractable = Some(value),
            Attribute::Local(value) => shown.local = Some(value),
            Attribute::Sign(value) => shown.sign = Some(value),
            _ => {}
        }
    }
    Ok(shown)
}

/// The only private key of that id. None is an answer only from a token that is there and that we are logged in to: without a login
/// private objects are invisible, and a token that is gone shows nothing either.
fn private_key(call: &Call<'_>, id: KeyId) -> Result<Option<ObjectHandle>, Fault> {
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), with_id(id)];
    let mut found = call.session().find_objects(&template)?;
    if found.is_empty() {
        call.link.confirm_present(call.entry, call.seat)?;
        // It may have come back between the search and the question.
        found = call.session().find_objects(&template)?;
    }
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        _ => Err(Fault::Final(TokenError::KeyMismatch(id))),
    }
}

/// The public key from its own object or, where the token keeps the parts there too, from the private one.
fn public_half(session: &Session, id: KeyId, private: ObjectHandle) -> Result<Option<PublicKey>, Fault> {
    for object in session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY), with_id(id)])?.into_iter().chain([private]) {
        if let Some(public) = public_key(session, object)? {
            return Ok(Some(public));
        }
    }
    Ok(None)
}

fn with_id(id: KeyId) -> Attribute {
    Attribute::Id(id.as_bytes().to_vec())
}

fn curve(key_type: KeyType) -> Option<ObjectIdentifier> {
    use const_oid::db::{rfc5912, rfc8410};
    match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => None,
        KeyType::P256 => Some(rfc5912::SECP_256_R_1),
        KeyType::P384 => Some(rfc5912::SECP_384_R_1),
        KeyType::P521 => Some(rfc5912::SECP_521_R_1),
        // PKCS#11 v3.0 mechanisms, 2.3.10 allows the name "edwards25519" as well; the identifier is what SoftHSM knows.
        KeyType::Ed25519 => Some(rfc8410::ID_ED_25519),
    }
}

fn named_curve(parameters: &[u8]) -> Option<KeyType> {
    if parameters == b"\x13\x0cedwards25519" {
        return Some(KeyType::Ed25519);
    }
    let oid = ObjectIdentifier::from_der(parameters).ok()?;
    KeyType::ALL.into_iter().find(|key_type| curve(*key_type) == Some(oid))
}

/// CKA_EC_POINT without its OCTET STRING: the standard asks for one, PKCS#11 v3.0 no longer does for Edwards curves, and tokens differ.
/// The length decides, since it is the curve's.
fn bare_point(key_type: KeyType, point: &[u8]) -> Option<&[u8]> {
    let length = match key_type {
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => return None,
        KeyType::P256 => 65,
        KeyType::P384 => 97,
        KeyType::P521 => 133,
        KeyType::Ed25519 => 32,
    };
    if point.len() == length {
        return Some(point);
    }
    let wrapped = <&OctetStringRef>::from_der(point).ok()?;
    Some(wrapped.as_bytes()).filter(|point| point.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_may_be_wrapped_or_bare() {
        let bare = [7; 32];
        let wrapped = [&[0x04, 32][..], &bare].concat();
        assert_eq!(bare_point(KeyType::Ed25519, &bare), Some(&bare[..]));
        assert_eq!(bare_point(KeyType::Ed25519, &wrapped), Some(&bare[..]));
        assert_eq!(bare_point(KeyType::Ed25519, &wrapped[..33]), None);
        assert_eq!(bare_point(KeyType::P256, &wrapped), None);

        let bare = [4; 133];
        let wrapped = [&[0x04, 0x81, 133][..], &bare].concat();
        assert_eq!(bare_point(KeyType::P521, &bare), Some(&bare[..]));
        assert_eq!(bare_point(KeyType::P521, &wrapped), Some(&bare[..]));
    }

    #[test]
    fn curves_are_known_by_identifier_and_ed25519_by_name_too() {
        for key_type in [KeyType::P256, KeyType::P384, KeyType::P521, KeyType::Ed25519] {
            assert_eq!(named_curve(&curve_parameters(key_type).unwrap()), Some(key_type));
        }
        assert_eq!(named_curve(b"\x13\x0cedwards25519"), Some(KeyType::Ed25519));
        assert_eq!(named_curve(b"\x13\x0acurve25519"), None);
        assert_eq!(named_curve(b""), None);
        assert_eq!(curve_parameters(KeyType::Rsa2048), None);
    }
}
