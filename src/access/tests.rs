use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::audit::Ledger;
use crate::base::clock::Clock;
use crate::base::duration::Span;
use crate::base::id::{CaId, OrgId, RequestId};
use crate::storage::{Change, Class, Options, Storage, Table};

#[test]
fn wider_scopes_hold_narrower_ones() {
    assert!(Scope::PkiAdmin.includes(Scope::PkiRead));
    assert!(Scope::PkiIssue.includes(Scope::PkiRead));
    assert!(!Scope::PkiIssue.includes(Scope::PkiAdmin));
    for scope in Scope::ALL {
        assert_eq!(scope.name().parse(), Ok(*scope));
        assert!(scope.includes(*scope));
        assert!(*scope == Scope::System || !scope.includes(Scope::System), "{scope}");
        // The evaluator's sets and the relation say the same.
        let rights = Rights::of_scopes(&[*scope]);
        for asked in Scope::ALL {
            assert_eq!(rights.holds(*asked), scope.includes(*asked), "{scope} and {asked}");
        }
    }
    assert_eq!("pki:all".parse::<Scope>(), Err(UnknownScope));
}

#[test]
fn what_is_kept_of_a_text_has_no_secret_in_it() {
    let secret = "chy_abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE";
    for (text, kept) in [
        ("nothing", "nothing"),
        ("chy_short is no secret", "chy_short is no secret"),
        (secret, "chy_[withheld]"),
        (&format!("/v1/admin/tokens/{secret}"), "/v1/admin/tokens/chy_[withheld]"),
        (&format!("{secret}, \"{secret}\"."), "chy_[withheld], \"chy_[withheld]\"."),
        ("\"-----BEGIN EC PRIVATE KEY-----\\nMHc\"", "[withheld: there was a private key in it]"),
    ] {
        assert_eq!(without_secrets(text), kept);
    }
}

#[test]
fn a_capability_on_one_authority_is_for_that_one_only() {
    let (one, other) = (CaId::new(), CaId::new());
    let rights = Rights::of_grants(&[Grant { scope: Scope::CreateCert, on: Some(one) }]);
    assert!(rights.holds_on(Scope::CreateCert, one) && rights.holds_somewhere(Scope::CreateCert));
    assert!(!rights.holds_on(Scope::CreateCert, other) && !rights.holds(Scope::CreateCert));
    assert!(Rights::of_scopes(&[Scope::PkiIssue]).holds_on(Scope::CreateCert, other));
    let text = format!("create_cert@{one}");
    assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
    assert_eq!(format!("pki:admin@{one}").parse::<Grant>(), Err(GrantFault::NotACapability));
    assert_eq!("create_cert@ca_1".parse::<Grant>(), Err(GrantFault::NotAnAuthority));
}

#[test]
fn roles_of_users_hold_what_their_names_say() {
    let [superuser, admin, user] = UserRole::ALL.map(UserRole::rights);
    assert!(superuser.include(&admin) && admin.include(&user));
    assert!(superuser.holds(Scope::AccessAdmin) && !superuser.holds(Scope::System));
    assert!(admin.holds(Scope::PkiAdmin) && admin.holds(Scope::ExportPrivateKey) && !admin.holds(Scope::AccessAdmin));
    assert!(user.holds(Scope::CertificateRead) && !user.holds(Scope::CreateCert));
}

fn directory(dir: &std::path::Path) -> Directory {
    let options = Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() };
    let storage = Storage::open(dir, options).unwrap().0;
    Directory::load(&storage, Ledger::new(storage.clone()), Clock::System).unwrap()
}

fn request(organization: OrgId, scopes: Vec<Grant>) -> TokenRequest {
    let ttl = Some(Span::days(1));
    TokenRequest { organization, user: None, project: None, name: "t".to_owned(), scopes, ttl, client_spki_sha256: None }
}

/// The caller that a new token makes.
async fn caller(directory: &Directory, request: TokenRequest, maker: &Caller) -> Result<Caller, AccessError> {
    let made = directory.create_token(request, maker).await?;
    let holder = directory.of_secret(made.secret.unwrap().expose()).expect("it is good");
    Ok(Caller::token(&holder, RequestId::new()))
}

fn grants(cas: [CaId; 2]) -> impl Strategy<Value = Vec<Grant>> {
    let grant = (0..Scope::ALL.len(), 0..3usize).prop_map(move |(scope, on)| {
        let scope = Scope::ALL[scope];
        Grant { scope, on: cas.get(on).copied().filter(|_| scope.is_capability()) }
    });
    vec(grant, 0..4)
}

/// Whatever chain of tokens and users is made, nobody at its end can do what its beginner could not, nor reaches farther.
#[test]
fn no_chain_of_tokens_and_users_gives_more_than_its_beginner_has() {
    let cas = [CaId::new(), CaId::new()];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let directory = directory(dir.path());
    let other = runtime.block_on(
        directory.create_organization(OrganizationRequest { name: "other".to_owned(), allow_self_approval: false }, &Caller::system()),
    );
    let other = other.unwrap().id;
    let steps = vec((grants(cas), 0..UserRole::ALL.len(), any::<bool>(), any::<bool>()), 1..6);
    proptest!(ProptestConfig { cases: 64, ..ProptestConfig::default() }, |(first in grants(cas), steps in steps)| {
        runtime.block_on(async {
            let beginner = caller(&directory, request(OrgId::DEFAULT, first.clone()), &Caller::system()).await.unwrap();
            let mut maker = beginner.clone();
            for (scopes, role, by_user, elsewhere) in steps {
                let organization = if elsewhere { other } else { maker.organization() };
                let mut wanted = request(organization, scopes.clone());
                if by_user {
                    let name = OrgId::new().to_string();
                    let user = UserRequest { organization, name, role: UserRole::ALL[role], permissions: scopes.clone() };
                    match directory.create_user(user, &maker).await {
                        Ok(user) => wanted.user = Some(user.id),
                        Err(AccessError::Escalation | AccessError::Unknown(Kind::Organization)) => continue,
                        Err(error) => panic!("{error}"),
                    }
                }
                match caller(&directory, wanted, &maker).await {
                    Ok(made) => maker = made,
                    Err(AccessError::Escalation | AccessError::Unknown(Kind::Organization)) => continue,
                    Err(error) => panic!("{error}"),
                }
                for scope in Scope::ALL {
                    assert!(beginner.holds(*scope) || !maker.holds(*scope), "{first:?} became {scope}");
                    for ca in cas {
                        assert!(beginner.holds_on(*scope, ca) || !maker.holds_on(*scope, ca), "{first:?} became {scope} on {ca}");
                    }
                }
                assert!(beginner.reaches(maker.organization()), "{first:?} got into {}", maker.organization());
            }
        });
    });
}

#[tokio::test]
async fn a_token_can_do_no_more_than_its_user_can_at_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let directory = directory(dir.path());
    let system = Caller::system();
    let user = UserRequest { organization: OrgId::DEFAULT, name: "u".to_owned(), role: UserRole::Admin, permissions: Vec::new() };
    let user = directory.create_user(user, &system).await.unwrap().id;
    let wanted = TokenRequest { user: Some(user), ..request(OrgId::DEFAULT, vec![Scope::PkiAdmin.into()]) };
    let made = directory.create_token(wanted, &system).await.unwrap();
    let rights = || directory.of_secret(made.secret.as_ref().unwrap().expose()).map(|holder| holder.rights);
    assert!(rights().unwrap().holds(Scope::PkiAdmin) && !rights().unwrap().holds(Scope::AccessAdmin));
    let lesser = UserChange { role: Some(UserRole::User), ..UserChange::default() };
    directory.update_user(user, lesser, &system).await.unwrap();
    assert!(rights().unwrap().holds(Scope::PkiRead) && !rights().unwrap().holds(Scope::PkiIssue));
    directory.delete_user(user, &system).await.unwrap();
    assert!(rights().is_none());
    assert!(directory.tokens(OrgId::DEFAULT).is_empty());
}

#[tokio::test]
async fn all_of_it_is_there_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (organization, secret) = {
        let directory = directory(dir.path());
        let system = Caller::system();
        let wanted = OrganizationRequest { name: "tenant".to_owned(), allow_self_approval: true };
        let organization = directory.create_organization(wanted, &system).await.unwrap().id;
        let project = ProjectRequest { organization, name: "p".to_owned(), description: "d".to_owned() };
        let project = directory.create_project(project, &system).await.unwrap().id;
        let permissions = vec![Grant { scope: Scope::RevokeCert, on: Some(CaId::new()) }];
        let user = UserRequest { organization, name: "u".to_owned(), role: UserRole::Superuser, permissions };
        let user = directory.create_user(user, &system).await.unwrap().id;
        let wanted = TokenRequest { user: Some(user), project: Some(project), ..request(organization, vec![Scope::PkiRead.into()]) };
        (organization, directory.create_token(wanted, &system).await.unwrap().secret.unwrap())
    };
    let directory = directory(dir.path());
    assert!(directory.allows_self_approval(organization) && !directory.allows_self_approval(OrgId::DEFAULT));
    assert_eq!((directory.projects(organization).len(), directory.users(organization).len()), (1, 1));
    let holder = directory.of_secret(secret.expose()).unwrap();
    assert_eq!((holder.token.organization, holder.token.project), (organization, Some(directory.projects(organization)[0].id)));
    assert!(holder.rights.holds(Scope::PkiRead) && !holder.rights.holds(Scope::PkiIssue));
}

#[tokio::test]
async fn an_organization_that_owns_something_stays_and_an_empty_one_goes_with_all_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let directory = directory(dir.path());
    let system = Caller::system();
    let wanted = OrganizationRequest { name: "tenant".to_owned(), allow_self_approval: false };
    let id = directory.create_organization(wanted.clone(), &system).await.unwrap().id;
    assert!(matches!(directory.create_organization(wanted, &system).await, Err(AccessError::NameTaken(Kind::Organization))));
    let made = directory.create_token(request(id, vec![Scope::PkiRead.into()]), &system).await.unwrap();
    directory.storage().commit(owned(Change::new(Class::Normal), id)).await.unwrap();
    assert!(matches!(directory.delete_organization(id, &system).await, Err(AccessError::InUse)));
    directory.storage().commit(released(Change::new(Class::Normal), id)).await.unwrap();
    directory.delete_organization(id, &system).await.unwrap();
    assert!(directory.of_secret(made.secret.unwrap().expose()).is_none());
    let late = directory.storage().commit(owned(Change::new(Class::Normal), id)).await;
    assert!(matches!(late, Err(crate::storage::CommitError::Conflict { table: Table::OrganizationEnds, .. })));
    assert!(matches!(directory.delete_organization(OrgId::DEFAULT, &system).await, Err(AccessError::IsDefault)));
}

/// What was stored before there were organisations: these variants, with these fields in this order.
#[test]
fn a_token_of_the_first_version_belongs_to_the_default_organization() {
    let ends = [&[0, 1, b't', 1, 8][..], b"pki:read", &[7; 32], &[2, 1, 4]].concat();
    let token = record::TokenRecord::decode(crate::base::id::TokenId::new(), &ends).unwrap();
    assert_eq!((token.organization, token.user, token.project), (OrgId::DEFAULT, None, None));
    assert_eq!(token.scopes, [Scope::PkiRead.into()]);
    assert_eq!(token.credential, Credential::Secret { sha256: [7; 32] });
    let development = [&[0, 1, b't', 1, 9][..], b"pki:admin", &[7; 32], &[2, 0]].concat();
    let token = record::TokenRecord::decode(crate::base::id::TokenId::new(), &development).unwrap();
    assert_eq!(token.scopes, [Scope::PkiAdmin.into(), Scope::System.into()]);
}

#[tokio::test]
async fn a_key_of_another_organization_is_not_taken_from_it_when_its_token_has_expired() {
    let dir = tempfile::tempdir().unwrap();
    let directory = directory(dir.path());
    let system = Caller::system();
    let wanted = OrganizationRequest { name: "tenant".to_owned(), allow_self_approval: false };
    let tenant = directory.create_organization(wanted, &system).await.unwrap().id;
    let of_key = |organization, ttl| TokenRequest {
        client_spki_sha256: Some([7; 32]),
        ttl,
        ..request(organization, vec![Scope::PkiRead.into(), Scope::AccessAdmin.into()])
    };
    // One that has expired already.
    directory.create_token(of_key(tenant, Some(Span::seconds(0))), &system).await.unwrap();
    assert!(directory.of_client_key([7; 32]).is_none());
    let own = directory.create_token(request(OrgId::DEFAULT, vec![Scope::PkiAdmin.into()]), &system).await.unwrap();
    let holder = directory.of_secret(own.secret.unwrap().expose()).unwrap();
    let other = Caller::token(&holder, crate::base::id::RequestId::new());
    let refused = directory.create_token(of_key(OrgId::DEFAULT, Some(Span::seconds(3_600))), &other).await;
    assert!(matches!(refused, Err(AccessError::KeyTaken(None))), "and it is not told whose it is");
    // Its own organisation may have it again.
    directory.create_token(of_key(tenant, Some(Span::seconds(3_600))), &system).await.unwrap();
    assert_eq!(directory.of_client_key([7; 32]).unwrap().token.organization, tenant);
}

#[tokio::test]
async fn a_token_knows_those_it_was_made_with_also_after_they_have_ended_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, secret) = {
        let directory = directory(dir.path());
        let mut caller = Caller::system();
        let mut made = Vec::new();
        for _ in 0..3 {
            let NewToken { token, secret } =
                directory.create_token(request(OrgId::DEFAULT, vec![Scope::PkiAdmin.into()]), &caller).await.unwrap();
            let secret = secret.unwrap();
            caller = Caller::token(&directory.of_secret(secret.expose()).unwrap(), crate::base::id::RequestId::new());
            made.push((token.id, secret));
        }
        directory.revoke_token(made[1].0, &Caller::system()).await.unwrap();
        let (_, secret) = made.pop().unwrap();
        (made[0].0, made[1].0, secret)
    };
    let holder = directory(dir.path()).of_secret(secret.expose()).unwrap();
    let makers: Vec<_> = holder.token.makers.iter().map(|maker| maker.token).collect();
    assert_eq!(makers, [second, first]);
}
