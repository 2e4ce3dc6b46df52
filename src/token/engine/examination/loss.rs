//! What becomes of a lost login, and of a module that forgot everything: the next request has to succeed all the same.

use super::keys::{Tried, destroy, generate, sign_with};
use super::{Examiner, Shortfall, Subject, explained};
use crate::api::doctor::Operation;
use crate::token::engine::link::SETTLED;
use crate::token::engine::module::Module;
use crate::token::key::KeyRef;
use crate::token::request::KeyProfile;
use crate::x509::algorithm::KeyType;

/// Examines with a key of the first type the token makes.
pub fn examine(examiner: &mut Examiner<'_>, subject: &Subject, module: &Module) {
    // Making them was a trial before.
    let Some(key) =
        [KeyType::P256, KeyType::Rsa2048].into_iter().find_map(|key_type| generate(subject, KeyProfile::AuthoritySigning(key_type)).ok())
    else {
        return;
    };
    examiner.attempt(Operation::LoginLost, None, || {
        // A login is the process's, so one session's logout ends it for all (PKCS#11 v2.40, 5.6.8).
        subject.seated(|session| Ok(session.logout()?))?;
        still_signs(subject, &key)
    });
    examiner.attempt(Operation::ModuleLost, None, || {
        // The engine has just repaired the login, and does not do that twice within this time.
        std::thread::sleep(SETTLED * 2);
        let incarnation = module.enter().incarnation();
        module.initialise_again(incarnation).map_err(|error| Shortfall::failed(&explained(&error)))?;
        still_signs(subject, &key)
    });
    // What is left is found by its label at the end.
    drop(destroy(subject, key.id));
}

fn still_signs(subject: &Subject, key: &KeyRef) -> Tried {
    sign_with(subject, key, &[key.public.key_type().default_algorithm()]).map(|((), _)| ((), None))
}
