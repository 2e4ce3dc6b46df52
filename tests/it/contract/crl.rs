//! The CRL of an authority over HTTP: formats, validators, caching, publication.

use serde_json::json;

use super::{World, assert_fields, time};
use crate::requester::Requester;

/// The path of the issuing authority's CRL, published behind those that its making brought about.
fn published(world: &World) -> String {
    let path = format!("/v1/pki/ca/{}/crl", world.issuing);
    world.appliance.call("POST", &path, None).expect(200);
    path
}

#[test]
fn the_crl_is_public_in_der_and_pem() {
    let world = World::new();
    let path = published(&world);
    let get = |accept: &str| world.appliance.call_raw(None, "GET", &path, None, &[accept]);
    let requester = Requester::new();
    let der = get("Accept: */*");
    assert_eq!((der.status, der.header("content-type")), (200, Some("application/pkix-crl")));
    requester.write("crl.der", &der.body);
    let pem = requester.openssl(&["crl", "-inform", "DER", "-in", "crl.der"]);
    for accept in ["Accept: application/x-pem-file", "Accept: text/plain"] {
        let answer = get(accept);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-pem-file")), "{accept}");
        assert_eq!(answer.text(), pem);
        assert_ne!(answer.header("etag"), der.header("etag"), "another representation has another validator (RFC 9110, 8.8.3)");
    }
    for accept in ["Accept: application/pkix-crl", "Accept: application/pkix-crl, text/plain;q=0.1", "Accept:"] {
        assert_eq!(get(accept).body, der.body, "{accept}");
    }
    assert_eq!(der.header("vary"), Some("accept"));
}

#[test]
fn the_crl_is_signed_by_its_authority() {
    let world = World::new();
    let requester = Requester::new();
    let certificate = world.get(&format!("/v1/pki/ca/{}/certificate", world.issuing));
    requester.write("issuing.pem", certificate["certificate_pem"].as_str().unwrap());
    let crl = world.appliance.call_raw(None, "GET", &format!("/v1/pki/ca/{}/crl", world.issuing), None, &["Accept: text/plain"]);
    requester.write("crl.pem", &crl.body);
    let verdict = requester.openssl(&["crl", "-in", "crl.pem", "-CAfile", "issuing.pem", "-noout"]);
    assert!(verdict.contains("verify OK"), "{verdict}");
}

#[test]
fn head_answers_as_get_without_the_body() {
    let world = World::new();
    let path = published(&world);
    let get = world.appliance.call_raw(None, "GET", &path, None, &[]);
    let head = world.appliance.call_raw(None, "HEAD", &path, None, &[]);
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    for header in ["content-type", "etag", "cache-control", "content-length"] {
        assert!(get.header(header).is_some(), "{header}");
        if header != "cache-control" {
            assert_eq!(head.header(header), get.header(header), "{header}");
        }
    }
}

#[test]
fn a_known_etag_is_answered_with_not_modified() {
    let world = World::new();
    let path = published(&world);
    let etag = world.appliance.call_raw(None, "GET", &path, None, &[]).header("etag").unwrap().to_owned();
    let get = |tags: &str| world.appliance.call_raw(None, "GET", &path, None, &[&format!("If-None-Match: {tags}")]);
    for tags in [etag.clone(), format!("\"other\", {etag}"), format!("W/{etag}"), "*".to_owned()] {
        let answer = get(&tags);
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{tags}");
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert!(answer.header("cache-control").is_some(), "RFC 9110, 15.4.5");
    }
    assert_eq!(get("\"other\"").status, 200);
    world.appliance.call("POST", &path, None).expect(200);
    assert_eq!(get(&etag).status, 200, "a new CRL has a new validator");
}

#[test]
fn head_has_conditions_as_get_and_no_parts() {
    let world = World::new();
    let path = published(&world);
    for accept in ["Accept: application/pkix-crl", "Accept: application/x-pem-file"] {
        let call = |method: &str, headers: &[&str]| world.appliance.call_raw(None, method, &path, None, &[&[accept], headers].concat());
        let get = call("GET", &[]);
        let etag = get.header("etag").unwrap();
        let modified = format!("If-Modified-Since: {}", get.header("last-modified").unwrap());
        for condition in [format!("If-None-Match: {etag}"), format!("If-None-Match: W/{etag}"), "If-None-Match: *".to_owned(), modified] {
            let (known, head) = (call("GET", &[&condition]), call("HEAD", &[&condition]));
            assert_eq!((known.status, head.status, head.body.len()), (304, 304, 0), "{condition}");
            // RFC 9110, 8.6: the length of what was not sent, or none.
            assert_eq!((known.header("content-length"), head.header("content-length")), (None, None), "{condition}");
            assert_eq!((head.header("etag"), head.header("vary")), (Some(etag), Some("accept")), "RFC 9110, 15.4.5");
        }
        // RFC 9110, 14.2: only GET has parts.
        let head = call("HEAD", &["Range: bytes=0-9"]);
        assert_eq!((head.status, head.header("content-length"), head.header("content-range")), (200, get.header("content-length"), None));
        let head = call("HEAD", &["If-None-Match: \"another\"", "Range: bytes=0-9"]);
        assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
    }
    assert_eq!(world.appliance.call_raw(None, "GET", &path, None, &["Range: bytes=0-9"]).body.len(), 10);
}

#[test]
fn caches_keep_the_crl_until_the_next_one_and_no_longer() {
    let world = World::new();
    let answer = world.appliance.call_raw(None, "GET", &format!("/v1/pki/ca/{}/crl", world.issuing), None, &[]);
    let control = answer.header("cache-control").unwrap();
    let age: u32 = control.strip_prefix("public, max-age=").unwrap_or_else(|| panic!("{control}")).parse().unwrap();
    assert!((3_500..=3_600).contains(&age), "hourly by default, not {age}");
}

#[test]
fn publishing_answers_pem_and_the_next_update_and_raises_the_number() {
    let world = World::new();
    let path = format!("/v1/pki/ca/{}/crl", world.issuing);
    let requester = Requester::new();
    let mut last = 0;
    for _ in 0..3 {
        let published = world.appliance.call("POST", &path, None).expect(200);
        assert_fields(&published, &["crl_pem", "crl_number", "this_update", "next_update", "revoked_certificates"]);
        let number = published["crl_number"].as_u64().unwrap();
        assert!(number > last, "{number} after {last}");
        last = number;
        assert_eq!(time(&published["next_update"]).as_second() - time(&published["this_update"]).as_second(), 86_400);
        let text = requester.crl_text(published["crl_pem"].as_str().unwrap());
        let shown = text.split("X509v3 CRL Number:").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
        assert_eq!(shown.parse::<u64>().unwrap(), number);
        let current = world.appliance.call_raw(None, "GET", &path, None, &["Accept: text/plain"]);
        assert_eq!(current.text(), published["crl_pem"].as_str().unwrap(), "what was published is what is served");
    }
}

#[test]
fn a_revocation_is_on_the_next_crl() {
    let world = World::new();
    let issued = world.issue("gone");
    let path = format!("/v1/pki/ca/{}/crl", world.issuing);
    assert_eq!(world.appliance.call("POST", &path, None).expect(200)["revoked_certificates"], 0);
    world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": issued["id"]}))).expect(200);
    let published = world.appliance.call("POST", &path, None).expect(200);
    assert_eq!(published["revoked_certificates"], 1);
    let serial = issued["serial_number"].as_str().unwrap().replace(':', "");
    assert!(Requester::new().crl_text(published["crl_pem"].as_str().unwrap()).contains(&serial));
    let of_root = world.appliance.call("POST", &format!("/v1/pki/ca/{}/crl", world.root), None).expect(200);
    assert_eq!(of_root["revoked_certificates"], 0, "each authority lists its own");
}

#[test]
fn relying_parties_fetch_by_the_urls_in_the_certificate() {
    let world = World::new();
    let issued = world.issue("www");
    let text = Requester::new().certificate_text(issued["certificate"].as_str().unwrap());
    let url = |kind: &str| {
        let found = text.split("URI:").skip(1).filter_map(|rest| rest.split_whitespace().next());
        found.into_iter().find(|url| url.ends_with(kind)).unwrap_or_else(|| panic!("no {kind} in\n{text}")).to_owned()
    };
    let requester = Requester::new();
    for (kind, reads) in [(".crl", ["crl", "-inform", "DER"]), (".crt", ["x509", "-inform", "DER"])] {
        let url = url(kind);
        assert!(url.starts_with("http://"), "plain HTTP (RFC 5280, 8): {url}");
        crate::appliance::run(&mut requester.command("curl", &["--silent", "--fail", "--output", "fetched", &url]));
        let text = requester.openssl(&[&reads[..], &["-in", "fetched", "-noout", "-text"]].concat());
        assert!(text.contains("Acme mTLS Intermediate"), "{text}");
    }
}
