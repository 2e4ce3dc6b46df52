//! What a module and a token say of themselves, before anything is tried.

use std::path::Path;

use cryptoki::mechanism::{MechanismInfo as Stated, MechanismType};
use cryptoki::slot::{Limit, Slot, TokenInfo as StatedToken};

use crate::api::doctor::{MechanismInfo, ModuleInfo, SlotInfo, TokenInfo};
use crate::token::doctor::message::Message;
use crate::token::engine::error::CallError;
use crate::token::engine::mechanism::key_wrap_kwp_type;
use crate::token::engine::module::Module;

/// The mechanisms the appliance uses and what for.
fn needed() -> [(MechanismType, &'static str, &'static str); 11] {
    [
        (MechanismType::RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN", "making RSA keys"),
        (MechanismType::ECC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", "making P-256, P-384 and P-521 keys"),
        (MechanismType::ECC_EDWARDS_KEY_PAIR_GEN, "CKM_EC_EDWARDS_KEY_PAIR_GEN", "making Ed25519 keys"),
        (MechanismType::RSA_PKCS, "CKM_RSA_PKCS", "RSA signatures; decryption for SCEP"),
        (MechanismType::RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS", "RSA signatures with PSS"),
        (MechanismType::ECDSA, "CKM_ECDSA", "ECDSA signatures"),
        (MechanismType::EDDSA, "CKM_EDDSA", "Ed25519 signatures"),
        (MechanismType::AES_KEY_GEN, "CKM_AES_KEY_GEN", "keys that seal and wrap"),
        (MechanismType::AES_GCM, "CKM_AES_GCM", "sealing secrets and kept private keys"),
        (MechanismType::AES_KEY_WRAP_PAD, "CKM_AES_KEY_WRAP_PAD", "private keys of subjects on their way in and out"),
        (key_wrap_kwp_type(), "CKM_AES_KEY_WRAP_KWP", "the same under its newer number; one of the two is enough"),
    ]
}

/// Tells of the module and its slots.
pub fn at_module(module: &Module, path: &Path, tell: &mut dyn FnMut(Message)) -> Result<(), CallError> {
    let entry = module.enter();
    let info = entry.pkcs11().get_library_info()?;
    tell(Message::Module(ModuleInfo {
        path: path.display().to_string(),
        manufacturer: text(info.manufacturer_id()),
        description: text(info.library_description()),
        version: info.library_version().to_string(),
        cryptoki_version: info.cryptoki_version().to_string(),
    }));
    let mut slots = Vec::new();
    for slot in entry.pkcs11().get_all_slots()? {
        let stated = entry.pkcs11().get_slot_info(slot)?;
        // A slot without a token answers with an error.
        let token = if stated.token_present() { entry.pkcs11().get_token_info(slot).ok() } else { None };
        slots.push(SlotInfo {
            description: text(stated.slot_description()),
            manufacturer: text(stated.manufacturer_id()),
            is_hardware: stated.hardware_slot(),
            token: token.as_ref().map(self::token),
        });
    }
    tell(Message::Slots(slots));
    Ok(())
}

/// What a token says of itself.
pub fn token(info: &StatedToken) -> TokenInfo {
    let flags = [
        ("TOKEN_INITIALIZED", info.token_initialized()),
        ("USER_PIN_INITIALIZED", info.user_pin_initialized()),
        ("LOGIN_REQUIRED", info.login_required()),
        ("RNG", info.rng()),
        ("WRITE_PROTECTED", info.write_protected()),
        ("PROTECTED_AUTHENTICATION_PATH", info.protected_authentication_path()),
        ("DUAL_CRYPTO_OPERATIONS", info.dual_crypto_operations()),
        ("CLOCK_ON_TOKEN", info.clock_on_token()),
        ("USER_PIN_COUNT_LOW", info.user_pin_count_low()),
        ("USER_PIN_FINAL_TRY", info.user_pin_final_try()),
        ("USER_PIN_LOCKED", info.user_pin_locked()),
        ("USER_PIN_TO_BE_CHANGED", info.user_pin_to_be_changed()),
        ("SO_PIN_COUNT_LOW", info.so_pin_count_low()),
        ("SO_PIN_FINAL_TRY", info.so_pin_final_try()),
        ("SO_PIN_LOCKED", info.so_pin_locked()),
        ("ERROR_STATE", info.error_state()),
    ];
    TokenInfo {
        label: text(info.label()),
        manufacturer: text(info.manufacturer_id()),
        model: text(info.model()),
        serial: text(info.serial_number()),
        hardware_version: info.hardware_version().to_string(),
        firmware_version: info.firmware_version().to_string(),
        flags: names(&flags),
    }
}

/// Tells which of the needed mechanisms the token says it has.
pub fn at_mechanisms(module: &Module, slot: Slot, tell: &mut dyn FnMut(Message)) {
    let entry = module.enter();
    let described = needed().map(|(mechanism, name, needed_for)| {
        let stated = entry.pkcs11().get_mechanism_info(slot, mechanism).ok();
        MechanismInfo {
            name: name.to_owned(),
            number: format!("0x{:08X}", *mechanism),
            needed_for: needed_for.to_owned(),
            is_present: stated.is_some(),
            smallest_key: stated.as_ref().map(Stated::min_key_size),
            largest_key: stated.as_ref().map(Stated::max_key_size),
            flags: stated.as_ref().map(flags).unwrap_or_default(),
        }
    });
    tell(Message::Mechanisms(described.into()));
}

/// Why a PIN should not be sent to a token in this state.
pub fn why_not_log_in(info: &StatedToken) -> Option<&'static str> {
    if info.user_pin_locked() {
        Some("the user PIN is locked (CKF_USER_PIN_LOCKED); the security officer unlocks it with the token's own tools")
    } else if info.user_pin_final_try() {
        Some(
            "a wrong PIN would lock the token now (CKF_USER_PIN_FINAL_TRY), so none was tried; log in once with the token's own tools, \
             and come back",
        )
    } else if !info.user_pin_initialized() {
        Some("the token has no user PIN yet (CKF_USER_PIN_INITIALIZED); set one with its own tools")
    } else if info.write_protected() {
        Some("the token is write-protected (CKF_WRITE_PROTECTED), so no key can be made in it")
    } else {
        None
    }
}

/// The limits of sessions as the token states them: of all, and of those that write.
pub fn stated_sessions(info: &StatedToken) -> (Option<u64>, Option<u64>) {
    (number(info.max_session_count()), number(info.max_rw_session_count()))
}

/// How many sessions the token says there may be.
pub fn most_sessions(info: &StatedToken) -> Option<usize> {
    number(info.max_session_count()).and_then(|most| usize::try_from(most).ok())
}

fn number(limit: Limit) -> Option<u64> {
    match limit {
        Limit::Max(most) => Some(most),
        Limit::Unavailable | Limit::Infinite => None,
    }
}

fn flags(stated: &Stated) -> Vec<String> {
    names(&[
        ("HW", stated.hardware()),
        ("ENCRYPT", stated.encrypt()),
        ("DECRYPT", stated.decrypt()),
        ("SIGN", stated.sign()),
        ("VERIFY", stated.verify()),
        ("GENERATE", stated.generate()),
        ("GENERATE_KEY_PAIR", stated.generate_key_pair()),
        ("WRAP", stated.wrap()),
        ("UNWRAP", Stated::unwrap(stated)),
    ])
}

fn names(flags: &[(&str, bool)]) -> Vec<String> {
    flags.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).to_owned()).collect()
}

/// What is padded with blanks, or with zeros by those who read the standard otherwise.
fn text(stated: &str) -> String {
    stated.trim_matches(['\0', ' ']).to_owned()
}
