//! CAA records, out of a real name server.

use chancery::acme_server::validation::DnsFault;

use super::*;
use crate::name_server::NameServer;

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_name_with_records_decides() {
    let zone = format!(
        "@ CAA 0 issue \"other.example\"\n\
         ours CAA 0 issue \"ca.example\"\nours CAA 0 iodef \"mailto:security@example.com\"\n\
         closed CAA 0 issue \";\"\nnot.closed CAA 0 issue \"ca.example\"\n\
         wild CAA 0 issue \";\"\nwild CAA 0 issuewild \"ca.example\"\n\
         tame CAA 0 issue \"ca.example\"\ntame CAA 0 issuewild \";\"\n\
         mine CAA 0 issue \"ca.example; accounturi={ACCOUNT}; validationmethods=dns-01\"\n\
         theirs CAA 0 issue \"ca.example; accounturi={ACCOUNT}0\"\n\
         method CAA 0 issue \"ca.example; validationmethods=http-01\"\n\
         critical CAA 128 future \"x\"\ncritical CAA 0 issue \"ca.example\"\n\
         report CAA 0 iodef \"mailto:security@example.com\"\n\
         alias CNAME ours\nbelow.alias2 A 127.0.0.1\nalias3 CNAME x.ours\n"
    );
    let names = NameServer::start(&[("corp", &zone), ("free", "www A 127.0.0.1\n"), ("broken", "this is no zone\n"), (".", "")]);
    let validator = validator(names.address, once());
    for good in [
        host("ours.corp"),
        // Neither the name nor anything above it says a word.
        host("www.free"),
        host("no.such.name.free"),
        host("deep.below.ours.corp"),
        host("not.closed.corp"),
        wildcard("wild.corp"),
        host("tame.corp"),
        host("mine.corp"),
        host("report.corp"),
        host("alias.corp"),
        host("below.alias.corp"),
        Identifier::Ip("192.0.2.1".parse().unwrap()),
    ] {
        assert_eq!(caa(&validator, &good).await, Ok(()), "{good:?}");
    }
    let forbidden = |name: &str| Err(CaaFault::Forbidden { name: name.to_owned() });
    let other = |name: &str| Err(CaaFault::OtherParameters { name: name.to_owned() });
    for (bad, wanted) in [
        (host("www.corp"), forbidden("corp")),
        (host("corp"), forbidden("corp")),
        (host("below.alias2.corp"), forbidden("corp")),
        // RFC 8659, 3: the climb is up the name itself, not up the one its alias leads to.
        (host("alias3.corp"), forbidden("corp")),
        (host("www.closed.corp"), forbidden("closed.corp")),
        (host("wild.corp"), forbidden("wild.corp")),
        (wildcard("tame.corp"), forbidden("tame.corp")),
        (host("theirs.corp"), other("theirs.corp")),
        (host("method.corp"), other("method.corp")),
        (host("critical.corp"), Err(CaaFault::Critical { name: "critical.corp".to_owned() })),
        (host("www.broken"), Err(CaaFault::Unreadable { name: "www.broken".to_owned(), fault: DnsFault::NoAnswer })),
    ] {
        assert_eq!(caa(&validator, &bad).await, wanted, "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_resolver_nothing_is_issued() {
    // Nobody listens there.
    let validator = validator(SocketAddr::from((crate::name_server::own_address(), 5300)), once());
    let unreadable = Err(CaaFault::Unreadable { name: "www.example".to_owned(), fault: DnsFault::NoAnswer });
    assert_eq!(caa(&validator, &host("www.example")).await, unreadable);
}
