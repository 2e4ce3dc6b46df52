use super::*;
use crate::audit::Action;

#[test]
fn patterns_mean_one_kind_or_all_of_a_thing() {
    let one: Pattern = "certificate.issued".parse().unwrap();
    let all: Pattern = "certificate.*".parse().unwrap();
    assert!(one.means(Kind::CertificateIssued) && !one.means(Kind::CertificateRevoked));
    assert!(all.means(Kind::CertificateIssued) && all.means(Kind::CertificateExpiring) && !all.means(Kind::CaCreated));
    for wrong in ["", "*", "certificate", "certificate.", "certificates.*", "certificate.issue", ".*"] {
        assert_eq!(wrong.parse::<Pattern>(), Err(UnknownPattern), "{wrong}");
    }
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(Pattern::One(*kind)));
    }
}

#[test]
fn intentions_and_refusals_are_no_events() {
    let at = Timestamp::UNIX_EPOCH;
    let listed = |entry| Listed { sequence: 7, entry, chain: Default::default() };
    let organization = OrgId::from_bytes([1; 16]);
    let entry = |action| Entry::done(at, crate::audit::Actor::System, action).of(organization);
    assert!(Event::told_by(listed(entry(Action::CertificateIntend))).is_none());
    let refused = Entry { outcome: Outcome::Refused { code: "forbidden".to_owned() }, ..entry(Action::CertificateIssue) };
    assert!(Event::told_by(listed(refused)).is_none());
    let nobodys = Entry { organization: None, ..entry(Action::CertificateIssue) };
    assert!(Event::told_by(listed(nobodys)).is_none());
    let event = Event::told_by(listed(entry(Action::CertificateIssue).detail(Field::Peer, "10.0.0.1").detail(Field::Role, "web"))).unwrap();
    assert_eq!((event.kind, event.sequence), (Kind::CertificateIssued, 7));
    assert_eq!(event.data, [(Field::Role, "web".to_owned())], "where a caller sits is told in the audit trail alone");
}
