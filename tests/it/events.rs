//! What has happened, as those are told who follow: in pages, as a stream, once for each deed and in its order.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::appliance::Appliance;

/// Longer than any stall of the machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn types(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn every_deed_is_told_once_in_its_order_and_in_the_form_of_cloudevents() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let body = json!({"common_name": "www.example.com"});
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
    let body = json!({"certificate_id": issued["id"], "reason": "superseded"});
    appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    // Refusals are told of in the audit trail alone.
    appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.org"}))).refused(400);
    let page = appliance.call("GET", "/v1/events", None).expect(200);
    let told: Vec<_> = types(&page).into_iter().filter(|kind| *kind != "crl.published").collect();
    assert_eq!(told, ["ca.created", "role.created", "certificate.issued", "certificate.revoked"]);
    let event = page["data"].as_array().unwrap().iter().find(|event| event["type"] == "certificate.issued").unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["datacontenttype"], "application/json");
    assert_eq!(event["subject"], issued["id"]);
    assert_eq!(event["data"]["serial_number"], issued["serial_number"]);
    assert_eq!(event["data"]["common_name"], "www.example.com");
    assert_eq!(event["data"]["not_after"], issued["not_after"]);
    assert!(event["source"].as_str().unwrap().starts_with("/organizations/org_"), "{event}");
    let entries = appliance.told("certificate.issue");
    assert_eq!(event["id"], entries[0]["sequence"].to_string(), "the deed and its event are one change");
}

#[test]
fn events_are_paged_filtered_and_continued() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    for number in 0..5 {
        let body = json!({"common_name": format!("www{number}.example.com")});
        appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
    }
    let mut names = Vec::new();
    let mut path = "/v1/events?type=certificate.*&limit=2".to_owned();
    loop {
        let page = appliance.call("GET", &path, None).expect(200);
        names.extend(page["data"].as_array().unwrap().iter().map(|event| event["data"]["common_name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/events?type=certificate.*&limit=2&cursor={cursor}");
    }
    assert_eq!(names, (0..5).map(|number| format!("www{number}.example.com")).collect::<Vec<_>>());
    let all = appliance.call("GET", "/v1/events?type=certificate.issued", None).expect(200);
    let third = all["data"][2]["id"].as_str().unwrap();
    let rest = appliance.call("GET", &format!("/v1/events?type=certificate.issued&after={third}"), None).expect(200);
    assert_eq!(rest["data"].as_array().unwrap()[..], all["data"].as_array().unwrap()[3..]);
    let (code, fields) = appliance.call("GET", "/v1/events?type=certificate.eaten&after=x", None).refused(400);
    assert_eq!((code.as_str(), fields), ("invalid_request", vec!["type".to_owned(), "after".to_owned()]));
}

/// A client that follows, ended when dropped.
struct Follower {
    client: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(appliance: &Appliance, token: &str, query: &str) -> Self {
        let mut client = Command::new("curl")
            .args(["--silent", "--no-buffer", "--cacert"])
            .arg(appliance.path("ca.pem"))
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .arg(format!("{}/v1/events/stream{query}", appliance.base_url()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stream = BufReader::new(client.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || stream.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let follower = Self { client, lines };
        assert_eq!(follower.line(), "retry: 2000");
        follower
    }

    fn line(&self) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the stream goes on");
            if !line.is_empty() && !line.starts_with(':') {
                return line;
            }
        }
    }

    /// The id, the type and the data of the next event.
    fn event(&self) -> (String, String, Value) {
        let part = |prefix: &str| self.line().strip_prefix(prefix).unwrap_or_else(|| panic!("a line that begins with {prefix}")).to_owned();
        (part("id: "), part("event: "), serde_json::from_str(&part("data: ")).unwrap())
    }

    fn ends(&self) -> bool {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return true,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

#[test]
fn who_follows_is_told_and_goes_on_behind_what_was_seen() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let token = appliance.token(&["pki:read"]);
    let follower = Follower::start(&appliance, &token, "?type=role.*");
    appliance.role("first", &ca, json!({}));
    appliance.role("second", &ca, json!({}));
    let (seen, kind, event) = follower.event();
    assert_eq!((kind.as_str(), event["data"]["name"].as_str().or(event["subject"].as_str())), ("role.created", Some("first")), "{event}");
    drop(follower);
    let again = Follower::start(&appliance, &token, &format!("?type=role.*&after={seen}"));
    let (_, _, event) = again.event();
    assert_eq!(event["data"]["name"].as_str().or(event["subject"].as_str()), Some("second"), "{event}");
}

#[test]
fn the_command_line_lists_and_follows() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        command.env_clear().arg("--dir").arg(appliance.dir()).args(arguments);
        command
    };
    let listed = crate::appliance::run(&mut command(&["event", "list", "--type", "ca.*"]));
    assert!(listed.contains("ca.created") && listed.contains(&ca), "{listed}");
    let mut client = command(&["event", "follow", "--type", "role.*", "--after", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    appliance.role("first", &ca, json!({}));
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["type"], "role.created");
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn a_stream_ends_with_its_token_and_with_the_daemon() {
    let mut appliance = Appliance::start();
    let body = json!({"name": "follower", "scopes": ["pki:read"], "ttl": "1h"});
    let made = appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201);
    let follower = Follower::start(&appliance, made["token"].as_str().unwrap(), "");
    appliance.call("DELETE", &format!("/v1/admin/tokens/{}", made["id"].as_str().unwrap()), None).expect(204);
    assert!(follower.ends(), "a revoked token reads on");
    let follower = Follower::start(&appliance, &appliance.admin_token(), "");
    assert!(appliance.stop(), "the daemon stops in order while somebody follows");
    assert!(follower.ends());
}

/// What became of requests, renewals, authorities and CRLs, each with what it is about.
#[test]
fn requests_renewals_authorities_and_crls_are_told_of() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let post = |path: &str, body: Value, status: u16| appliance.call("POST", path, Some(body)).expect(status);
    let request = || {
        let body = json!({"subject": {"common_name": "made.example.com"}, "key_type": "ec", "key_size": 256});
        post("/v1/pki/csr", body, 201)["id"].as_str().unwrap().to_owned()
    };
    // The development token may approve what it asked for only where the organisation lets it.
    let organization = appliance.call("GET", "/v1/admin/organizations", None).expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/admin/organizations/{organization}");
    appliance.call("PATCH", &path, Some(json!({"allow_self_approval": true}))).expect(200);
    let (signed, rejected) = (request(), request());
    post(&format!("/v1/pki/csr/{signed}/approve"), json!({}), 200);
    let issued = post(&format!("/v1/pki/csr/{signed}/sign"), json!({"ca_id": ca, "validity_days": 3}), 201);
    post(&format!("/v1/pki/csr/{rejected}/reject"), json!({"reason": "no"}), 200);
    appliance.call("DELETE", &format!("/v1/pki/csr/{rejected}"), None).expect(204);
    let first = post("/v1/pki/issue/web", json!({"common_name": "www.example.com"}), 201);
    let renewed = post(&format!("/v1/pki/certificates/{}/renew", first["id"].as_str().unwrap()), json!({}), 201);
    let published = post(&format!("/v1/pki/ca/{ca}/crl"), json!({}), 200);
    post(&format!("/v1/pki/ca/{ca}/revoke"), json!({"reason": "cessation_of_operation"}), 200);
    let page = appliance.call("GET", "/v1/events?limit=1000", None).expect(200);
    let events = page["data"].as_array().unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).map(|event| &event["subject"]).collect::<Vec<_>>();
    assert_eq!(of("csr.created"), [&json!(signed), &json!(rejected)]);
    assert_eq!(of("csr.approved"), [&json!(signed)]);
    assert_eq!(of("csr.rejected"), [&json!(rejected)]);
    assert_eq!(of("csr.deleted"), [&json!(rejected)]);
    assert_eq!(of("certificate.issued"), [&issued["id"], &first["id"]]);
    assert_eq!(of("certificate.renewed"), [&renewed["id"]]);
    assert_eq!(of("ca.created"), [&json!(ca)]);
    assert_eq!(of("ca.revoked"), [&json!(ca)]);
    let numbers: Vec<_> =
        events.iter().filter(|event| event["type"] == "crl.published").map(|event| &event["data"]["crl_number"]).collect();
    let wanted = published["crl_number"].to_string();
    assert!(numbers.iter().any(|number| number.as_str() == Some(wanted.trim_matches('"'))), "{wanted} is not among {numbers:?}");
    let renewal = events.iter().find(|event| event["type"] == "certificate.renewed").unwrap();
    assert_eq!(renewal["data"]["renewed_from"], first["id"], "{renewal}");
}

/// A certificate of exactly 30 days has come near its end as soon as it is there; the next look, here that of a new start, tells of it, and only
/// the first one does.
#[test]
fn a_certificate_that_is_about_to_end_is_told_of_once() {
    let directory = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_in(directory.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({"max_ttl": "2160h"}));
    let issue = |name: &str, ttl: &str| {
        let body = json!({"common_name": name, "ttl": ttl});
        appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201)["id"].clone()
    };
    let near = issue("near.example.com", "720h");
    issue("far.example.com", "800h");
    // It ends in a week and in a day as soon as it is there; a life that is shorter than a notice is not told of by that notice.
    let week = issue("week.example.com", "168h");
    let day = issue("day.example.com", "24h");
    issue("brief.example.com", "23h");
    let revoked = issue("revoked.example.com", "720h");
    appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": revoked}))).expect(200);
    drop(appliance);
    let mut wanted = [(near, "30"), (week, "7"), (day, "1")].map(|(id, days)| (id, days.to_owned())).to_vec();
    for start in 0..2 {
        let appliance = Appliance::start_in(directory.path());
        let told = || {
            let page = appliance.call("GET", "/v1/events?type=certificate.expiring", None).expect(200);
            let told = page["data"].as_array().unwrap().iter();
            told.map(|event| (event["subject"].clone(), event["data"]["days"].as_str().unwrap().to_owned())).collect::<Vec<_>>()
        };
        crate::waiting::wait_for(&format!("what start {start} has to tell"), || told().len() >= wanted.len());
        assert_eq!(told(), wanted, "start {start}");
        // For the next start, which tells of this one and not of the first again.
        let body = json!({"common_name": "late.example.com", "ttl": "720h"});
        let late = appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201)["id"].clone();
        wanted.push((late, "30".to_owned()));
    }
}
