//! http-01.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chancery::acme_server::ErrorType;
use chancery::acme_server::validation::{ConnectionFault, DnsFault, Place, RedirectFault};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};

use super::*;
use crate::name_server::{NameServer, own_address};

const KIND: ChallengeKind = ChallengeKind::Http01;

fn connection(at: Place, fault: ConnectionFault) -> Result<(), ValidationFault> {
    Err(ValidationFault::Connection { at, fault })
}

fn redirect(at: Place, fault: RedirectFault) -> Result<(), ValidationFault> {
    Err(ValidationFault::Redirect { at, fault })
}

fn asked(name: &str) -> Place {
    Place::Asked(name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_port_80_is_found_by_way_of_redirects() {
    let web = own_address();
    let mut pages = json!({"/elsewhere": right()});
    for (number, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        // A chain through every status, every kind of reference, and TLS in its middle.
        let to = ["/step1?a=b", "step2", "https://www.example/step3", "//other.example/step4", "http://www.example:80/elsewhere"][number];
        let from = if number == 0 { PATH.to_owned() } else { format!("/step{number}{}", if number == 1 { "?a=b" } else { "" }) };
        pages[from] = json!({"status": status, "location": to});
    }
    let server = WebServer::start(&[web.into()], &pages);
    let zone = format!("www A {web}\nother A {web}\n");
    let names = NameServer::start(&[("example", &zone)]);
    let validator = validator(names.address, once());
    assert_eq!(validate(&validator, KIND, &host("www.example")).await, Ok(()));
    let ports: Vec<Value> = server.seen().iter().map(|seen| seen["port"].clone()).collect();
    assert_eq!(ports, [80, 80, 80, 443, 443, 80], "{:?}", server.seen());
    // An address is asked without asking DNS (RFC 8738, 4).
    let pages = json!({PATH: right()});
    let address = own_address();
    let server = WebServer::start(&[address.into()], &pages);
    assert_eq!(validate(&validator, KIND, &Identifier::Ip(address.into())).await, Ok(()));
    assert_eq!(server.seen()[0]["host"], address.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_ipv6_is_asked_as_well() {
    // There is one loopback address of IPv6 only, so no other test may serve on it.
    let server = WebServer::start(&[Ipv6Addr::LOCALHOST.into()], &json!({PATH: right()}));
    let names = NameServer::start(&[("example", "www AAAA ::1\n")]);
    let validator = validator(names.address, once());
    for identifier in [Identifier::Ip(Ipv6Addr::LOCALHOST.into()), host("www.example")] {
        assert_eq!(validate(&validator, KIND, &identifier).await, Ok(()));
    }
    assert_eq!(server.seen()[0]["host"], "[::1]");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_key_authorization_is_refused() {
    let web = own_address();
    let page = |body: String| json!({"body": body});
    let cases = [
        ("other", page(KEY_AUTHORIZATION.replace("LoqX", "XXXX")), ErrorType::IncorrectResponse),
        ("more", page(format!("{KEY_AUTHORIZATION}x")), ErrorType::IncorrectResponse),
        ("before", page(format!(" {KEY_AUTHORIZATION}")), ErrorType::IncorrectResponse),
        ("empty", page(String::new()), ErrorType::IncorrectResponse),
        ("long", page(format!("{KEY_AUTHORIZATION}{}", " ".repeat(100))), ErrorType::IncorrectResponse),
        ("missing", json!({"status": 404, "body": KEY_AUTHORIZATION}), ErrorType::Unauthorized),
        ("failing", json!({"status": 500, "body": KEY_AUTHORIZATION}), ErrorType::Unauthorized),
        ("created", json!({"status": 201, "body": KEY_AUTHORIZATION}), ErrorType::Unauthorized),
        ("nowhere", json!({"status": 302}), ErrorType::Unauthorized),
        ("file", json!({"status": 302, "location": "file:///etc/passwd"}), ErrorType::Unauthorized),
        ("raw", json!({"raw": "SSH-2.0-OpenSSH_9.2\r\n"}), ErrorType::Connection),
        ("closed", json!({"raw": ""}), ErrorType::Connection),
    ];
    for (name, page, problem) in cases {
        let server = WebServer::start(&[web.into()], &json!({PATH: page}));
        let names = NameServer::start(&[("example", &format!("{name} A {web}\n"))]);
        let fault = validate(&validator(names.address, once()), KIND, &host(&format!("{name}.example"))).await.unwrap_err();
        assert_eq!(fault.problem(), problem, "{name}: {fault}");
        assert!(!fault.to_string().contains("9jg46"), "{name}: the answer is not shown: {fault}");
        assert_eq!(server.seen().len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_a_server_are_told_apart() {
    let web = own_address();
    let zone = format!("away A {web}\nempty TXT nothing\n");
    let names = NameServer::start(&[("example", &zone), ("broken", "this is no zone\n")]);
    let validator = validator(names.address, once());
    let dns = |name: &str, fault| Err(ValidationFault::Dns { at: asked(name), fault });
    for (name, wanted) in [
        ("away.example", connection(asked("away.example"), ConnectionFault::Refused(80))),
        ("none.example", dns("none.example", DnsFault::NoSuchName)),
        ("empty.example", dns("empty.example", DnsFault::NoAddress)),
        ("www.broken", dns("www.broken", DnsFault::NoAnswer)),
    ] {
        assert_eq!(validate(&validator, KIND, &host(name)).await, wanted, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_have_an_end_and_lead_to_two_ports() {
    let web = own_address();
    let to = |location: &str| json!({"status": 302, "location": location});
    let mut pages = json!({
        "/.well-known/acme-challenge/circle": to("/circle"),
        "/circle": to("/circle2"),
        "/circle2": to("/circle"),
        "/.well-known/acme-challenge/port": to("http://www.example:8080/"),
        "/.well-known/acme-challenge/tls": to("https://www.example:8443/"),
        "/.well-known/acme-challenge/ten": to("/ten/1"),
        "/.well-known/acme-challenge/eleven": to("/eleven/1"),
    });
    for number in 1..=10 {
        pages[format!("/ten/{number}")] = if number == 10 { json!({"body": "x"}) } else { to(&format!("/ten/{}", number + 1)) };
        pages[format!("/eleven/{number}")] = to(&format!("/eleven/{}", number + 1));
    }
    let _server = WebServer::start(&[web.into()], &pages);
    let names = NameServer::start(&[("example", &format!("www A {web}\n"))]);
    let validator = validator(names.address, once());
    let identifier = host("www.example");
    let issuer_domains = [];
    for (token, wanted) in [
        ("circle", redirect(Place::Redirect(3), RedirectFault::Circle)),
        ("port", redirect(Place::Redirect(1), RedirectFault::Port(8080))),
        ("tls", redirect(Place::Redirect(1), RedirectFault::Port(8443))),
        ("eleven", redirect(Place::Redirect(10), RedirectFault::TooMany)),
        ("ten", Ok(())),
    ] {
        let attempt = Attempt {
            identifier: &identifier,
            kind: KIND,
            token,
            key_authorization: "x",
            account_url: ACCOUNT,
            issuer_domains: &issuer_domains,
        };
        assert_eq!(validator.validate(attempt).await, wanted, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_allowed_are_not_dialled() {
    let web = own_address();
    let to = |location: &str| json!({"status": 302, "location": location});
    let metadata = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    let pages = json!({
        "/.well-known/acme-challenge/metadata": to(metadata),
        "/.well-known/acme-challenge/mapped": to("http://[::ffff:169.254.169.254]/"),
        "/.well-known/acme-challenge/private": to("http://10.1.2.3/"),
        "/.well-known/acme-challenge/named": to("http://metadata.example/"),
    });
    let server = WebServer::start(&[web.into()], &pages);
    let zone = format!("www A {web}\nmetadata A 169.254.169.254\nboth A {web}\nboth A 169.254.169.254\nprivate A 10.1.2.3\n");
    let names = NameServer::start(&[("example", &zone)]);
    let open = validator(names.address, once());
    let identifier = host("www.example");
    for token in ["metadata", "mapped", "private", "named"] {
        let attempt =
            Attempt { identifier: &identifier, kind: KIND, token, key_authorization: "x", account_url: ACCOUNT, issuer_domains: &[] };
        let fault = open.validate(attempt).await.unwrap_err();
        assert_eq!(Err(fault.clone()), connection(Place::Redirect(1), ConnectionFault::NotAllowed), "{token}");
        assert!(!fault.to_string().contains("169.254") && !fault.to_string().contains("10.1"), "{fault}");
    }
    let seen = server.seen().len();
    for name in ["metadata.example", "both.example", "private.example"] {
        for kind in [KIND, ChallengeKind::TlsAlpn01] {
            let wanted = connection(asked(name), ConnectionFault::NotAllowed);
            assert_eq!(validate(&open, kind, &host(name)).await, wanted, "{name}");
        }
    }
    for address in ["169.254.169.254", "fe80::1", "10.1.2.3", "::ffff:169.254.169.254"] {
        let wanted = connection(asked(address), ConnectionFault::NotAllowed);
        assert_eq!(validate(&open, KIND, &Identifier::Ip(address.parse().unwrap())).await, wanted);
    }
    // Without leave for loopback addresses.
    let closed = validator_with(vec![names.address], Vec::new(), &[], once());
    assert_eq!(validate(&closed, KIND, &identifier).await, connection(asked("www.example"), ConnectionFault::NotAllowed));
    assert_eq!(validate(&closed, KIND, &host("localhost")).await, connection(asked("localhost"), ConnectionFault::NotAllowed));
    assert_eq!(server.seen().len(), seen, "nobody was asked");
}

/// A name server that gives a good address the first time, and that of a metadata service from then on.
fn rebinding(web: Ipv4Addr) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind((own_address(), 5300)).unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.add_query(query.clone());
            if query.query_type() == RecordType::A {
                let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                let address = if first { web } else { Ipv4Addr::new(169, 254, 169, 254) };
                answer.add_answer(Record::from_rdata(query.name().clone(), 0, RData::A(A(address))));
            }
            socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    (address, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_was_checked_is_dialled() {
    let web = own_address();
    let _server = WebServer::start(&[web.into()], &json!({PATH: right()}));
    let (resolver, asked_for) = rebinding(web);
    let validator = validator(resolver, once());
    assert_eq!(validate(&validator, KIND, &host("www.example")).await, Ok(()));
    assert_eq!(asked_for.load(Ordering::SeqCst), 1, "the name is resolved once");
    assert_eq!(validate(&validator, KIND, &host("www.example")).await, connection(asked("www.example"), ConnectionFault::NotAllowed));
}

#[tokio::test(flavor = "multi_thread")]
async fn giants_and_sluggards_are_left() {
    let web = own_address();
    let pages = json!({
        "/.well-known/acme-challenge/giant": {"giant": true},
        "/.well-known/acme-challenge/head": {"head": true},
        "/.well-known/acme-challenge/drip": {"drip": 0.2},
        "/.well-known/acme-challenge/silent": {"silent": true},
    });
    let server = WebServer::start(&[web.into()], &pages);
    let names = NameServer::start(&[("example", &format!("www A {web}\n"))]);
    let validator = validator(names.address, once());
    let identifier = host("www.example");
    for (token, problem) in [
        ("giant", ErrorType::IncorrectResponse),
        ("head", ErrorType::Connection),
        ("drip", ErrorType::Connection),
        ("silent", ErrorType::Connection),
    ] {
        let begun = Instant::now();
        let attempt =
            Attempt { identifier: &identifier, kind: KIND, token, key_authorization: "x", account_url: token, issuer_domains: &[] };
        let fault = validator.validate(attempt).await.unwrap_err();
        assert_eq!(fault.problem(), problem, "{token}: {fault}");
        // The last two take the three seconds they are given.
        assert!(begun.elapsed() < Duration::from_secs(30), "{token}: {:?}", begun.elapsed());
        // A time-out is everybody's, and would be believed for a while.
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }
    let sent = |path: &str| server.seen().iter().find_map(|seen| (seen["path"] == path).then(|| seen["sent"].as_u64()).flatten());
    for token in ["giant", "head"] {
        let path = format!("/.well-known/acme-challenge/{token}");
        let begun = Instant::now();
        while sent(&path).is_none() {
            assert!(begun.elapsed() < PATIENCE, "{token}: the connection is still open");
            std::thread::sleep(Duration::from_millis(20));
        }
        // What the kernel's buffers hold, and no more.
        assert!(sent(&path).unwrap() < 16 << 20, "{token}: {:?}", sent(&path));
    }
}
