//! What is cached and for how long, what is refused and how, and that a revocation ends what was said before.

use base64::Engine;
use serde_json::json;

use super::{World, schedule};
use crate::appliance::Appliance;
use crate::waiting::wait_for;

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
    assert_eq!((known.status, known.header("etag")), (200, Some(etag.as_str())), "POST is always answered");
    assert_eq!(known.body, first.body);
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

/// RFC 9110, 13.1.2: 304 is for GET and HEAD. Nothing is at the path that POST goes to, so no condition can be about it (13.2.1).
#[test]
fn only_who_reads_is_told_that_nothing_has_changed() {
    let world = World::new();
    world.issue("good");
    let request = world.request("good", &[]);
    let path = format!("/ocsp/{}", world.issuing);
    let whole = world.fetch("POST", &path, Some(&request), &[]);
    let etag = whole.header("etag").unwrap();
    let tags = [etag.to_owned(), format!("\"other\", {etag}"), format!("W/{etag}"), "*".to_owned()];
    let tags = tags.map(|tags| format!("If-None-Match: {tags}"));
    for tags in &tags {
        let posted = world.fetch("POST", &path, Some(&request), &[tags]);
        assert_eq!((posted.status, posted.header("etag")), (200, Some(etag)), "{tags}");
        assert!(posted.body == whole.body, "{tags}");
        assert!(world.read(&posted.body, "good").contains(": good"), "{tags}");
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(&request).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let readable = format!("{path}/{encoded}");
    assert!(world.fetch("GET", &readable, None, &[]).body == whole.body);
    for tags in &tags {
        for method in ["GET", "HEAD"] {
            let known = world.fetch(method, &readable, None, &[tags]);
            assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag)), "{method} {tags}");
            // RFC 9110, 8.6: the length of what was not sent, or none.
            assert_eq!(known.header("content-length"), None, "{method} {tags}");
            assert!(known.header("cache-control").is_some_and(|control| control.contains("max-age")), "RFC 9110, 15.4.5");
        }
    }
    for other in [&["If-None-Match: \"other\""][..], &["Range: bytes=0-9"], &[]] {
        let head = world.fetch("HEAD", &readable, None, other);
        assert_eq!((head.status, head.header("content-length")), (200, whole.header("content-length")), "{other:?}");
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
        assert_eq!(status(), "revoked", "{reason}: the first who asks is told");
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
}

/// RFC 6960, 2.7: a responder that knows of it says `revoked` of all that the authority has issued; so there has to be one.
#[test]
fn an_authority_that_was_revoked_before_anybody_asked_is_answered_for() {
    let scratch = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(scratch.path()), "ec", 256);
    world.issue("good");
    let path = format!("/v1/pki/ca/{}/revoke", world.issuing);
    world.appliance.call("POST", &path, Some(json!({"reason": "ca_compromise"}))).expect(200);
    let said = world.ask(&["-cert", "good.pem"]);
    assert!(said.contains("good.pem: revoked") && said.contains("cACompromise") && said.contains("Response verify OK"), "{said}");
    // What it never issued is unknown as ever, and its own certificate is its parent's affair.
    let said = world.ask(&["-serial", "0x0123456789abcdef0123456789abcdef"]);
    assert!(said.contains("unknown") && said.contains("Response verify OK"), "{said}");
    // It signs nothing else.
    let body = json!({"common_name": "late.example.com"});
    world.appliance.call("POST", "/v1/pki/issue/web", Some(body)).refused(409);
    // Its responder is kept up like any other's.
    let first = world.responder("good");
    assert!(world.appliance.stop());
    schedule(&world.appliance, "3s", "6s", "20s");
    world.appliance = Appliance::start_in(scratch.path());
    world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": first, "reason": "superseded"}))).expect(200);
    wait_for("another responder", || world.responder("good") != first);
    assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: revoked"));
    // A root as well, and what stands below one.
    let root = world.appliance.root("late", "ec", 256);
    let body = json!({"name": "below", "common_name": "Below", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "ec"});
    let below = world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    world.appliance.role("below", &below, json!({}));
    let body = json!({"common_name": "www.example.com"});
    let issued = world.appliance.call("POST", "/v1/pki/issue/below", Some(body)).expect(201);
    world.appliance.call("POST", &format!("/v1/pki/ca/{root}/revoke"), Some(json!({}))).expect(200);
    let chain = issued["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap());
    let chain: Vec<_> = chain.collect();
    world.requester.write("late.pem", chain[1]);
    world.requester.write("below.pem", chain[0]);
    world.requester.write("www.pem", issued["certificate"].as_str().unwrap());
    world.requester.write("late-chain.pem", chain.concat());
    for (issuer, certificate, ca) in [("late.pem", "late.pem", &root), ("late.pem", "below.pem", &root), ("below.pem", "www.pem", &below)] {
        let url = format!("http://{}/ocsp/{ca}", world.http());
        let arguments = ["ocsp", "-issuer", issuer, "-cert", certificate, "-url", &url, "-CAfile", "late-chain.pem"];
        let output = world.requester.command("openssl", &arguments).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(&format!("{certificate}: revoked")) && said.contains("Response verify OK"), "{said}");
    }
}

#[test]
fn the_end_of_a_hold_is_seen_at_once_and_told_by_the_delta_crl() {
    let world = World::of(Appliance::start(), "ec", 256);
    let path = format!("/v1/pki/ca/{}", world.issuing);
    world.appliance.call("PATCH", &path, Some(json!({"crl": {"delta": true}}))).expect(200);
    let issued = world.issue("held");
    let status = || {
        // The answer for everybody, which may have been signed ahead.
        let said = world.ask(&["-no_nonce", "-cert", "held.pem"]);
        assert!(said.contains("Response verify OK"), "{said}");
        said.split_once("held.pem: ").unwrap_or_else(|| panic!("{said}")).1.split_whitespace().next().unwrap().to_owned()
    };
    let regenerate = |kind: &str| {
        let path = format!("/api/v1/ca/{}/crl/regenerate", world.issuing);
        world.appliance.call("POST", &path, Some(json!({"type": kind}))).expect(200)
    };
    assert_eq!((status(), status()), ("good".to_owned(), "good".to_owned()));
    world.revoke(&issued, "certificate_hold");
    assert_eq!((status(), status()), ("revoked".to_owned(), "revoked".to_owned()));
    regenerate("full");
    let lift = format!("/v1/pki/certificates/{}/unrevoke", issued["id"].as_str().unwrap());
    world.appliance.call("POST", &lift, None).expect(200);
    assert_eq!(status(), "good");
    regenerate("delta");
    let delta = world.fetch("GET", &format!("/crl/{}-delta.crl", world.issuing), None, &[]);
    world.requester.write("delta.crl", &delta.body);
    let text = world.requester.openssl(&["crl", "-inform", "DER", "-in", "delta.crl", "-CAfile", "chain.pem", "-noout", "-text"]);
    let serial = issued["serial_number"].as_str().unwrap().replace(':', "");
    assert!(text.contains("verify OK") && text.contains("Remove From CRL") && text.contains(&serial), "{text}");
    // On hold again, and again free.
    world.revoke(&issued, "certificate_hold");
    assert_eq!(status(), "revoked");
    world.appliance.call("POST", &lift, None).expect(200);
    assert_eq!(status(), "good");
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
    wait_for("the answer at the URL in the certificate", || world.ask(&["-cert", "good.pem"]).contains("good.pem: good"));
}

/// Anybody may ask, as often as they like, and would fill the log.
#[test]
fn a_question_leaves_no_line_in_the_log_whichever_verb_it_came_with() {
    let world = World::new();
    world.issue("good");
    let request = world.request("good", &[]);
    let path = format!("/ocsp/{}", world.issuing);
    for _ in 0..3 {
        world.fetch("POST", &path, Some(&request), &[]).expect_any(200);
    }
    let log = world.appliance.log();
    assert!(log.contains("request answered") && !log.contains("/ocsp/"), "{log}");
}
