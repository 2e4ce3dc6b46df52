//! dns-01, dns-account-01 and dns-persist-01.

use chancery::acme_server::validation::{DnsFault, PersistentFault, Place};

use super::*;
use crate::name_server::NameServer;

const LABEL: &str = "_alozautnspjckz4a";

#[tokio::test(flavor = "multi_thread")]
async fn the_digest_is_found_beside_others_and_behind_aliases() {
    let other = "x".repeat(200);
    // More than a datagram holds, so that it is asked for again over TCP.
    let crowd: String = (0..40).map(|number| format!("_acme-challenge.crowd TXT \"{other}{number}\"\n")).collect();
    let zone = format!(
        "_acme-challenge.www TXT \"{DIGEST}\"\n\
         _acme-challenge.two TXT \"other\"\n_acme-challenge.two TXT \"{DIGEST}\"\n\
         _acme-challenge.cut TXT \"{}\" \"{}\"\n\
         _acme-challenge.alias CNAME here.challenges\nhere.challenges TXT \"{DIGEST}\"\n\
         _acme-challenge.away CNAME there.elsewhere.\n_acme-challenge.far CNAME far1\nfar1 CNAME far2.elsewhere.\n\
         _acme-challenge.pair CNAME pair.elsewhere.\n\
         {crowd}_acme-challenge.crowd TXT \"{DIGEST}\"\n\
         _acme-challenge.wrong TXT \"{}\"\n_acme-challenge.wrong TXT \" {DIGEST}\"\n_acme-challenge.none A 127.0.0.1\n",
        &DIGEST[..20],
        &DIGEST[20..],
        DIGEST.to_lowercase(),
    );
    // A second server knows the other zone only, as one inside a company does.
    let inner = NameServer::start(&[(
        "elsewhere",
        &format!("there TXT \"{DIGEST}\"\nfar2 CNAME there\npair CNAME _acme-challenge.pair.example.\n"),
    )]);
    let names = NameServer::start(&[("example", &zone), ("broken", "this is no zone\n")]);
    let zones = vec![Zone { name: "elsewhere".to_owned(), resolvers: vec![inner.address] }];
    let validator = validator_with(vec![names.address], zones, &[], once());
    for name in ["www", "two", "cut", "alias", "away", "far", "crowd"] {
        for identifier in [host(&format!("{name}.example")), wildcard(&format!("{name}.example"))] {
            assert_eq!(validate(&validator, ChallengeKind::Dns01, &identifier).await, Ok(()), "{identifier:?}");
        }
    }
    let dns = |name: &str, fault| Err(ValidationFault::Dns { at: Place::Asked(format!("_acme-challenge.{name}")), fault });
    let no_text = |name: &str| Err(ValidationFault::NoText { name: format!("_acme-challenge.{name}") });
    for (name, wanted) in [
        ("wrong.example", Err(ValidationFault::WrongText { name: "_acme-challenge.wrong.example".to_owned(), found: 2 })),
        ("none.example", no_text("none.example")),
        ("missing.example", no_text("missing.example")),
        ("pair.example", dns("pair.example", DnsFault::Aliases)),
        ("www.broken", dns("www.broken", DnsFault::NoAnswer)),
        ("www.refused", dns("www.refused", DnsFault::NoAnswer)),
    ] {
        assert_eq!(validate(&validator, ChallengeKind::Dns01, &host(name)).await, wanted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_label_of_its_own() {
    let zone = format!("{LABEL}._acme-challenge.www TXT \"{DIGEST}\"\n_acme-challenge.other TXT \"{DIGEST}\"\n");
    let names = NameServer::start(&[("example", &zone)]);
    let validator = validator(names.address, once());
    assert_eq!(validate(&validator, ChallengeKind::DnsAccount01, &host("www.example")).await, Ok(()));
    let name = format!("{LABEL}._acme-challenge.other.example");
    assert_eq!(validate(&validator, ChallengeKind::DnsAccount01, &host("other.example")).await, Err(ValidationFault::NoText { name }));
}

#[test]
fn the_label_is_what_coreutils_say() {
    let script = format!("printf %s '{ACCOUNT}' | openssl dgst -sha256 -binary | head -c 10 | base32 | tr A-Z a-z");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(format!("_{}", String::from_utf8(output.stdout).unwrap().trim()), LABEL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_stays_names_authority_and_account() {
    let zone = format!(
        "_validation-persist.www TXT \"x.example\"\n_validation-persist.www TXT \"ca.example;\" \" accounturi={ACCOUNT}\"\n\
         _validation-persist.wild TXT \"ca.example; accounturi={ACCOUNT}; policy=wildcard\"\n\
         _validation-persist.over TXT \"ca.example; accounturi={ACCOUNT}; persistUntil=1700000000\"\n\
         _validation-persist.other TXT \"ca.example; accounturi={ACCOUNT}0\"\n"
    );
    let names = NameServer::start(&[("example", &zone)]);
    let validator = validator(names.address, once());
    let kind = ChallengeKind::DnsPersist01;
    for identifier in [host("www.example"), host("wild.example"), wildcard("wild.example")] {
        assert_eq!(validate(&validator, kind, &identifier).await, Ok(()), "{identifier:?}");
    }
    let record = |name: &str, fault| Err(ValidationFault::PersistentRecord { name: format!("_validation-persist.{name}"), fault });
    for (identifier, wanted) in [
        (wildcard("www.example"), record("www.example", PersistentFault::NoWildcard)),
        (host("over.example"), record("over.example", PersistentFault::Expired)),
        (host("other.example"), record("other.example", PersistentFault::OtherAccount)),
        // Names below a name are not covered by its record.
        (host("a.wild.example"), Err(ValidationFault::NoText { name: "_validation-persist.a.wild.example".to_owned() })),
    ] {
        assert_eq!(validate(&validator, kind, &identifier).await, wanted, "{identifier:?}");
    }
}
