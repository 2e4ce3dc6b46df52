//! CRLs over HTTP: parts of them, validators, both paths, PEM of many entries.

use std::process::Command;

use serde_json::json;

use super::World;
use crate::appliance::{Answer, run};
use crate::requester::Requester;
use crate::waiting::wait_for;

#[test]
fn parts_and_validators_are_served_as_http_has_them() {
    let world = World::new(json!({}));
    for host in 0..4 {
        world.revoke(&world.issue(&format!("host{host}")), "superseded").expect(200);
    }
    world.regenerate("full");
    let paths = ["/crl/ID.crl", "/v1/pki/ca/ID/crl", "/api/v1/ca/ID/crl"].map(|path| path.replace("ID", &world.root));
    for path in &paths {
        let get = |headers: &[&str]| world.appliance.call_raw(None, "GET", path, None, headers);
        let whole = get(&["Accept: application/pkix-crl"]);
        assert_eq!((whole.status, whole.header("content-type")), (200, Some("application/pkix-crl")), "{path}");
        let length = whole.body.len();
        assert_eq!(whole.header("content-length"), Some(length.to_string().as_str()));
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        let (etag, modified) = (whole.header("etag").unwrap().to_owned(), whole.header("last-modified").unwrap().to_owned());
        assert!(modified.ends_with(" GMT"), "{modified}");
        for (range, from, to) in
            [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=100-", 100, length), ("bytes=-7", length - 7, length)]
        {
            let part = get(&[&format!("Range: {range}")]);
            assert_eq!(
                (part.status, part.header("content-range")),
                (206, Some(format!("bytes {from}-{}/{length}", to - 1).as_str())),
                "{path} {range}"
            );
            assert!(part.body == whole.body[from..to], "{path} {range}");
            assert_eq!(part.header("etag"), Some(etag.as_str()));
        }
        let beyond = get(&[&format!("Range: bytes={length}-")]);
        assert_eq!((beyond.status, beyond.header("content-range")), (416, Some(format!("bytes */{length}").as_str())), "{path}");
        assert!(beyond.body.is_empty());
        for odd in ["bytes=5-4", "bytes=0-1,3-4", "lines=0-1"] {
            assert_eq!(get(&[&format!("Range: {odd}")]).status, 200, "what is not understood is ignored: {odd}");
        }
        assert_eq!(get(&["Range: bytes=0-1", &format!("If-Range: {etag}")]).status, 206);
        assert_eq!(get(&["Range: bytes=0-1", &format!("If-Range: {modified}")]).status, 206);
        assert_eq!(get(&["Range: bytes=0-1", "If-Range: \"another\""]).status, 200);
        assert_eq!(get(&[&format!("If-Modified-Since: {modified}")]).status, 304);
        assert_eq!(get(&["If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT"]).status, 200);
        assert_eq!(get(&[&format!("If-Modified-Since: {modified}"), "If-None-Match: \"another\""]).status, 200, "RFC 9110, 13.1.3");
        assert_eq!(get(&[&format!("If-None-Match: {etag}"), "Range: bytes=0-1"]).status, 304);
        let head = world.appliance.call_raw(None, "HEAD", path, None, &[]);
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, whole.header("content-length"), 0));
        assert_eq!(head.header("etag"), Some(etag.as_str()));
        // HEAD is answered as GET without anything that HEAD does not have: RFC 9110, 8.6 and 14.2.
        for version in ["--http1.1", "--http2"] {
            let head = |headers: &[&str]| asked_by_head(&world, version, path, headers);
            for part in ["bytes=0-9", "bytes=-7", &format!("bytes={length}-"), "bytes=5-4"] {
                let answer = head(&[&format!("Range: {part}")]);
                let said = (answer.status, answer.header("content-length"), answer.header("content-range"));
                assert_eq!(said, (200, whole.header("content-length"), None), "{version} {path} {part}");
            }
            assert_eq!(head(&["Range: bytes=0-9", &format!("If-Range: {etag}")]).status, 200, "{version} {path}");
            for condition in [format!("If-None-Match: {etag}"), "If-None-Match: *".to_owned(), format!("If-Modified-Since: {modified}")] {
                for answer in [head(&[&condition]), head(&[&condition, "Range: bytes=0-9"])] {
                    let said = (answer.status, answer.header("content-length"), answer.header("etag"));
                    assert_eq!(said, (304, None, Some(etag.as_str())), "{version} {path} {condition}");
                }
            }
            assert_eq!(head(&["If-None-Match: \"another\""]).status, 200, "{version} {path}");
        }
    }
    // Plain HTTP, by the URL in certificates.
    let address = std::fs::read_to_string(world.appliance.path("http.addr")).unwrap();
    let requester = Requester::new();
    let url = format!("http://{address}{}", paths[0]);
    let shown =
        requester.command("curl", &["--silent", "--range", "0-9", "--dump-header", "-", "--output", "part", &url]).output().unwrap();
    let head = String::from_utf8_lossy(&shown.stdout).to_lowercase();
    assert!(head.contains("206 partial content") && head.contains("content-range: bytes 0-9/"), "{head}");
    assert_eq!(std::fs::read(requester.path("part")).unwrap().len(), 10);
}

/// What HEAD is answered over this version of HTTP.
fn asked_by_head(world: &World, version: &str, path: &str, headers: &[&str]) -> Answer {
    let url = format!("{}{path}", world.appliance.base_url());
    let mut command = Command::new("curl");
    command.args(["--silent", "--head", "--max-time", "60", version, "--cacert"]).arg(world.appliance.path("ca.pem"));
    for header in headers {
        command.args(["--header", header]);
    }
    let output = command.arg(url).output().expect("curl starts");
    Answer::parse(&output.stdout).unwrap_or_else(|| panic!("HEAD {path} was not answered:\n{}", world.appliance.log()))
}

/// Longer than one piece that is read and written at a time.
#[test]
fn pem_of_many_entries_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(crate::appliance::Appliance::start_in(dir.path()), json!({}));
    assert!(world.appliance.stop());
    super::filled::fill(&dir.path().join("data"), &world.root, 5_000);
    world.appliance = crate::appliance::Appliance::start_in(dir.path());
    let path = format!("/v1/pki/ca/{}/crl", world.root);
    let published = world.appliance.call("POST", &path, None).expect(200);
    assert_eq!(published["revoked_certificates"], 5_000);
    let pem = world.appliance.call_raw(None, "GET", &path, None, &["Accept: application/x-pem-file"]);
    assert_eq!(pem.header("content-length"), Some(pem.body.len().to_string().as_str()));
    assert!(pem.text() == published["crl_pem"].as_str().unwrap());
    let der = world.crl("");
    assert!(der.len() > 200_000);
    assert!(pem.text() == chancery::x509::pem::encode(chancery::x509::pem::Label::Crl, &der), "the same bytes in both forms");
    let requester = Requester::new();
    assert_eq!(super::listed(&requester, &world.root_pem(), &der).0.len(), 5_000);
    let leftovers: Vec<_> = std::fs::read_dir(dir.path().join("data/crl")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(leftovers.len(), 1, "one file of the one CRL: {leftovers:?}");
}

#[test]
fn an_authority_is_found_by_its_name_too() {
    let world = World::new(json!({"delta": true, "shards": 2}));
    world.regenerate("full");
    let get = |path: &str| world.appliance.call_raw(None, "GET", path, None, &[]);
    for suffix in ["", "-delta", "-1", "-2", "-ca", "-1-delta", "-ca-delta"] {
        let by_name = get(&format!("/crl/root{suffix}.crl"));
        assert_eq!(by_name.status, 200, "{suffix}");
        assert!(by_name.body == world.crl(suffix), "{suffix}");
        for bare in [format!("/crl/root{suffix}"), format!("/crl/{}{suffix}", world.root)] {
            let answer = get(&bare);
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/pkix-crl")), "{bare}");
            assert!(answer.body == by_name.body, "{bare}");
        }
    }
    // Where relying parties ask.
    let address = std::fs::read_to_string(world.appliance.path("http.addr")).unwrap();
    let requester = Requester::new();
    for file in ["root", "root.crl", "root-1-delta"] {
        let url = format!("http://{}/crl/{file}", address.trim());
        run(&mut requester.command("curl", &["--silent", "--fail", "--output", "fetched.crl", &url]));
        assert!(std::fs::read(requester.path("fetched.crl")).unwrap() == get(&format!("/crl/{file}")).body, "{file}");
    }
    let certificate = get("/ca/root.crt");
    assert_eq!((certificate.status, certificate.header("content-type")), (200, Some("application/pkix-cert")));
    assert!(certificate.body == get(&format!("/ca/{}.crt", world.root)).body);
    for path in [
        "/crl/other.crl",
        "/crl/root-3.crl",
        "/crl/root-01.crl",
        "/crl/other",
        "/crl/root-3",
        "/crl/root-01",
        "/crl/root.",
        "/crl/root.crl.crl",
        "/crl/root.der",
        "/crl/Root",
        "/crl/.crl",
        "/ca/other.crt",
        "/ca/root.crl",
        "/ca/root-1.crt",
    ] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    // Names that end as the names of parts do are found as long as nothing else can be meant.
    let other = world.appliance.root("other-delta", "ec", 256);
    wait_for("its CRL", || get("/crl/other-delta.crl").status == 200);
    assert!(get("/crl/other-delta.crl").body == get(&format!("/crl/{other}.crl")).body);
    world.appliance.root("root-1", "ec", 256);
    assert_eq!(get("/crl/root-1.crl").status, 404, "the shard of one, or all of the other");
    assert!(get("/crl/root-2.crl").body == world.crl("-2"));
    assert_eq!(get("/crl/root-1").status, 404, "as with its end");
    // What ends in `.crl` is read without it, whatever else there is: nothing changes its meaning when another is made.
    assert_eq!(get("/crl/other.crl").status, 404);
    let dotted = world.appliance.root("other.crl", "ec", 256);
    wait_for("its CRL", || get("/crl/other.crl.crl").status == 200);
    assert!(get("/crl/other.crl.crl").body == get(&format!("/crl/{dotted}.crl")).body);
    assert_eq!(get("/crl/other.crl").status, 404);
    let other = world.appliance.root("other", "ec", 256);
    wait_for("its CRL", || get("/crl/other.crl").status == 200);
    assert!(get("/crl/other.crl").body == get(&format!("/crl/{other}.crl")).body);
    assert!(get("/crl/other").body == get("/crl/other.crl").body);
    // Certificates name the id, which means one for ever.
    let text = Requester::new().certificate_text(&world.issue("www").pem);
    assert!(text.contains(&format!("/crl/{}-", world.root)) && !text.contains("/crl/root"), "{text}");
}

/// What others own is found by its id alone, for their names may be the same.
#[test]
fn names_of_other_organizations_are_not_found() {
    let world = World::new(json!({}));
    let made = world.appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": "other"}))).expect(201);
    let body = json!({"name": "theirs", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": made["id"]});
    let token = world.appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
    let body = json!({"name": "theirs", "common_name": "Theirs", "ca_type": "root", "key_type": "ec"});
    let ca = world.appliance.call_as(Some(&token), "POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    let status = |path: &str| world.appliance.call_raw(None, "GET", path, None, &[]).status;
    wait_for("its CRL", || status(&format!("/crl/{ca}.crl")) == 200);
    assert_eq!((status("/crl/theirs"), status(&format!("/crl/{ca}"))), (404, 200));
    assert_eq!((status("/crl/theirs.crl"), status("/ca/theirs.crt"), status(&format!("/ca/{ca}.crt"))), (404, 404, 200));
}
