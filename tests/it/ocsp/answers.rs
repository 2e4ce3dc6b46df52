//! What is cached and for how long, what is refused and how, and that a revocation ends what was said before.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{World, until};

/// What is promised of a revocation.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);

fn seconds(value: &str) -> i64 {
    value
        .split(',')
        .find_map(|part| part.trim().strip_prefix("max-age="))
        .unwrap_or_else(|| panic!("no max-age in {value}"))
        .parse()
        .unwrap()
}

#[test]
fn answers_are_signed_once_and_say_how_long_they_may_be_kept() {
    let world = World::new();
    world.issue("good");
    let request = world.request("good", &[]);
    let path = format!("/ocsp/{}", world.issuing);
    let first = world.fetch("POST", &path, Some(&request), &[]);
    let again = world.fetch("POST", &path, Some(&request), &[]);
    assert_eq!(first.body, again.body);
    let caching = again.header("cache-control").unwrap();
    assert!((3_000..=3_600).contains(&seconds(caching)), "{caching}");
    for part in ["public", "no-transform", "must-revalidate"] {
        assert!(caching.contains(part), "{caching}");
    }
    let etag = again.header("etag").unwrap().to_owned();
    for name in ["last-modified", "expires", "date"] {
        assert!(again.header(name).is_some_and(|date| date.ends_with(" GMT")), "{name}");
    }
    let known = world.fetch("POST", &path, Some(&request), &[&format!("If-None-Match: {etag}")]);
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag.as_str())));
    // An answer to a nonce is for one asker alone.
    let request = world.request("good", &["-nonce"]);
    let own = world.fetch("POST", &path, Some(&request), &[]);
    assert_eq!((own.header("cache-control"), own.header("etag")), (Some("no-store"), None));
    assert_ne!(own.body, first.body);
    let metrics = world.appliance.call("GET", "/metrics", None).text();
    for (source, count) in [("cached", 2), ("signed", 2)] {
        let line = format!("chancery_ocsp_answers_total{{result=\"good\",source=\"{source}\"}} {count}");
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
}

#[test]
fn a_revocation_is_seen_at_once_whatever_was_cached() {
    let world = World::new();
    for reason in ["superseded", "certificate_hold", "key_compromise"] {
        let name = reason.replace('_', "-");
        let issued = world.issue(&name);
        let request = world.request(&name, &[]);
        let path = format!("/ocsp/{}", world.issuing);
        let status = || {
            let shown = world.read(&world.fetch("POST", &path, Some(&request), &[]).body, &name);
            if shown.contains(": good") { "good" } else { "revoked" }
        };
        assert_eq!((status(), status()), ("good", "good"));
        world.revoke(&issued, reason);
        let begun = Instant::now();
        assert_eq!(status(), "revoked", "{reason}");
        assert!(begun.elapsed() < VISIBLE_WITHIN * 3, "the machine is too slow for this test: {:?}", begun.elapsed());
    }
}

#[test]
fn a_revoked_authority_answers_on_for_what_it_has_issued() {
    let world = World::new();
    world.issue("good");
    assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: good"));
    let path = format!("/v1/pki/ca/{}/revoke", world.issuing);
    world.appliance.call("POST", &path, Some(json!({"reason": "cessation_of_operation"}))).expect(200);
    let said = world.ask(&["-cert", "good.pem"]);
    assert!(said.contains("good.pem: revoked") && said.contains("cessationOfOperation") && said.contains("Response verify OK"), "{said}");
    // One that has never answered gets no responder any more.
    let late = world.appliance.root("late", "ec", 256);
    world.appliance.call("POST", &format!("/v1/pki/ca/{late}/revoke"), Some(json!({}))).expect(200);
    let pem = world.appliance.call("GET", &format!("/v1/pki/ca/{late}/certificate"), None).expect(200);
    world.requester.write("late.pem", pem["certificate_pem"].as_str().unwrap());
    let url = format!("http://{}/ocsp/{late}", world.http());
    let output = world.requester.command("openssl", &["ocsp", "-issuer", "late.pem", "-cert", "late.pem", "-url", &url]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("unauthorized (6)"), "{said}");
}

#[test]
fn what_cannot_be_answered_is_refused_as_the_rfcs_say() {
    let world = World::new();
    world.issue("good");
    let path = format!("/ocsp/{}", world.issuing);
    // Of another issuer nothing is known here.
    let said = world.requester.openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "o.key",
        "-subj",
        "/CN=o",
        "-out",
        "other.pem",
    ]);
    assert!(world.requester.path("other.pem").exists(), "{said}");
    let url = world.url();
    let other = ["ocsp", "-url", &url, "-issuer", "other.pem", "-cert", "other.pem"];
    let output = world.requester.command("openssl", &other).output().unwrap();
    assert!(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).contains("unauthorized (6)"));
    // Beside one of ours it is unknown.
    let both = ["-cert", "good.pem", "-issuer", "other.pem", "-cert", "other.pem"];
    let said = world.ask(&both);
    assert!(said.contains("good.pem: good") && said.contains("other.pem: unknown"), "{said}");
    let malformed = [0x30, 3, 0x0A, 1, 1];
    for body in [&b""[..], b"\x30\x00", b"hello", &[0x30; 20_000]] {
        let answer = world.fetch("POST", &path, Some(body), &[]);
        assert_eq!((answer.status, answer.body.as_slice()), (200, &malformed[..]), "{} bytes", body.len());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for text in ["AAAA", "%%%", "no-base64", "MA=="] {
        assert_eq!(world.fetch("GET", &format!("{path}/{text}"), None, &[]).body, malformed, "{text}");
    }
    assert_eq!(world.fetch("POST", "/ocsp/ca_0123456789abcdef0123456789abcdef", Some(b"x"), &[]).status, 404);
    assert_eq!(world.fetch("POST", &path, Some(&vec![0; 100_000]), &[]).status, 413);
}

#[test]
fn the_plain_listener_has_this_and_nothing_else() {
    let world = World::new();
    let certificate = world.fetch("GET", &format!("/ca/{}.crt", world.issuing), None, &[]);
    assert_eq!((certificate.status, certificate.header("content-type")), (200, Some("application/pkix-cert")));
    world.requester.write("issuing.der", &certificate.body);
    world.requester.openssl(&["x509", "-inform", "DER", "-in", "issuing.der", "-noout"]);
    assert_eq!(world.fetch("GET", &format!("/crl/{}.crl", world.issuing), None, &[]).status, 200);
    for (method, path) in
        [("GET", "/healthz"), ("GET", "/metrics"), ("GET", "/v1/pki/ca"), ("GET", "/v1/openapi.json"), ("GET", "/"), ("POST", "/v1/pki/ca")]
    {
        assert_eq!(world.fetch(method, path, None, &[]).status, 404, "{method} {path}");
    }
    assert_eq!(world.fetch("GET", &format!("/ocsp/{}", world.issuing), None, &[]).status, 405);
    // What is issued names it.
    let issued = world.issue("good");
    let text = world.requester.certificate_text(issued["certificate"].as_str().unwrap());
    let urls = [format!("OCSP - URI:{}", world.url()), format!("CA Issuers - URI:http://{}/ca/{}.crt", world.http(), world.issuing)];
    for url in urls {
        assert!(text.contains(&url), "no {url} in {text}");
    }
    until("the answer at the URL in the certificate", || world.ask(&["-cert", "good.pem"]).contains("good.pem: good"));
}
