//! JSON bodies of every request: read, or refused with at least one fault that names what is wrong.
#![no_main]

use chancery::api::admin::{CreateOrganization, CreateProject, CreateToken, CreateUser, UpdateOrganization, UpdateProject, UpdateUser};
use chancery::api::body::{Body, read};
use chancery::api::crl::{RegenerateCrl, UpdateAuthority};
use chancery::api::events::{CreateWebhook, UpdateWebhook};
use chancery::api::import::ImportCertificate;
use chancery::api::pki::{
    ApproveSigningRequest, CreateAuthority, CreateRole, CreateSigningRequest, CreateTrustAnchor, ImportSigningRequest, Issue,
    RejectSigningRequest, Renew, RetrievePrivateKey, Revoke, RevokeAuthority, Sign, SignSigningRequest, UpdateCertificate, UpdateRole,
    Validate,
};
use chancery::api::secrets::WriteSecret;
use chancery::base::duration::Span;
use chancery::ca::{AuthorityRequest, CrlSchedule};
use chancery::profiles::read_rules;
use chancery::requests::KeyRequest;
use libfuzzer_sys::fuzz_target;

const SCHEDULE: CrlSchedule = CrlSchedule { period: Span::seconds(3_600), validity: Span::seconds(86_400) };

fuzz_target!(|data: &[u8]| {
    look_at::<Issue>(data);
    look_at::<Sign>(data);
    look_at::<Revoke>(data);
    look_at::<RevokeAuthority>(data);
    look_at::<UpdateAuthority>(data);
    look_at::<RegenerateCrl>(data);
    look_at::<UpdateCertificate>(data);
    look_at::<CreateToken>(data);
    look_at::<CreateOrganization>(data);
    look_at::<UpdateOrganization>(data);
    look_at::<CreateProject>(data);
    look_at::<UpdateProject>(data);
    look_at::<CreateUser>(data);
    look_at::<UpdateUser>(data);
    look_at::<CreateWebhook>(data);
    look_at::<UpdateWebhook>(data);
    look_at::<ImportCertificate>(data);
    look_at::<CreateTrustAnchor>(data);
    look_at::<RetrievePrivateKey>(data);
    look_at::<Validate>(data);
    look_at::<WriteSecret>(data);
    look_at::<Renew>(data);
    look_at::<ImportSigningRequest>(data);
    look_at::<ApproveSigningRequest>(data);
    look_at::<RejectSigningRequest>(data);
    look_at::<SignSigningRequest>(data);
    if let Some(wire) = look_at::<CreateRole>(data)
        && let Err(violations) = read_rules(&wire.into_parts().2, None)
    {
        assert!(!violations.is_empty());
    }
    if let Some(wire) = look_at::<CreateSigningRequest>(data)
        && let Err(violations) = KeyRequest::read(&wire, chancery::base::clock::from_seconds(1_800_000_000))
    {
        assert!(!violations.is_empty());
    }
    if let Some(wire) = look_at::<CreateAuthority>(data)
        && let Err(refused) = AuthorityRequest::read(wire, SCHEDULE)
    {
        assert!(!refused.violations.is_empty());
    }
    if let Some(wire) = look_at::<UpdateRole>(data)
        && let Err(violations) = read_rules(&wire, None)
    {
        assert!(!violations.is_empty());
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
