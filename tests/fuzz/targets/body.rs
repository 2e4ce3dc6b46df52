//! JSON bodies of every request: read, or refused with at least one fault that names what is wrong.
#![no_main]

use chancery::api::admin::CreateToken;
use chancery::api::body::{Body, read};
use chancery::api::pki::{
    CreateAuthority, CreateRole, Issue, Revoke, RevokeAuthority, Sign, UpdateCertificate, UpdateRole,
};
use chancery::ca::AuthorityRequest;
use chancery::profiles::RoleFields;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    look_at::<CreateRole>(data);
    look_at::<Issue>(data);
    look_at::<Sign>(data);
    look_at::<Revoke>(data);
    look_at::<RevokeAuthority>(data);
    look_at::<UpdateCertificate>(data);
    look_at::<CreateToken>(data);
    if let Some(wire) = look_at::<CreateAuthority>(data)
        && let Err(violations) = AuthorityRequest::read(wire)
    {
        assert!(!violations.is_empty());
    }
    if let Some(UpdateRole { allowed_domains, allow_subdomains, allow_ip_sans, max_ttl, key_type, key_bits, require_cn, store_private_keys, ca_id: _ }) =
        look_at::<UpdateRole>(data)
    {
        let fields = RoleFields {
            ca_id: None,
            allowed_domains,
            allow_subdomains,
            allow_ip_sans,
            max_ttl,
            key_type,
            key_bits,
            require_cn,
            store_private_keys,
        };
        if let Err(violations) = fields.apply(None) {
            assert!(!violations.is_empty());
        }
    }
});

fn look_at<T: Body>(data: &[u8]) -> Option<T> {
    match read(data) {
        Ok(body) => Some(body),
        Err(violations) => {
            assert!(!violations.is_empty());
            None
        }
    }
}
