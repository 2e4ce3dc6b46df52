//! Webhooks: events sent to a receiver we did not write, which checks each signature, is away, hangs, or points elsewhere.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::appliance::Appliance;
use crate::waiting::{found, wait_for};

/// A receiver at 127.0.0.1 with a certificate of the appliance's own authority.
struct Receiver {
    process: Child,
    dir: TempDir,
    ca_pem: String,
    port: u64,
    dns: u64,
}

impl Receiver {
    fn start(appliance: &Appliance, ca: &str) -> Self {
        let dir = TempDir::new().unwrap();
        appliance.role("receivers", ca, json!({}));
        let body = json!({"common_name": "hook.example.com", "ip_sans": ["127.0.0.1"], "private_key_format": "pkcs8"});
        let issued = appliance.call("POST", "/v1/pki/issue/receivers", Some(body)).expect(201);
        std::fs::write(dir.path().join("server.pem"), issued["certificate"].as_str().unwrap()).unwrap();
        std::fs::write(dir.path().join("server.key"), issued["private_key"].as_str().unwrap()).unwrap();
        for folder in ["mode", "secret"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/webhook_receiver.py");
        let process = Command::new("python3").arg(script).arg(dir.path()).stdin(Stdio::piped()).spawn().expect("python3 starts");
        let ca_pem = appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200)["certificate_pem"].clone();
        let mut receiver = Self { process, dir, ca_pem: ca_pem.as_str().unwrap().to_owned(), port: 0, dns: 0 };
        let ports = found("the receiver listens", || std::fs::read_to_string(receiver.dir.path().join("ports.json")).ok());
        let ports: Value = serde_json::from_str(&ports).unwrap();
        (receiver.port, receiver.dns) = (ports["https"].as_u64().unwrap(), ports["dns"].as_u64().unwrap());
        receiver
    }

    fn url(&self, name: &str) -> String {
        format!("https://127.0.0.1:{}/{name}", self.port)
    }

    /// What a request for that name is answered from now on.
    fn answers(&self, name: &str, mode: &str) {
        let path = self.dir.path().join("mode");
        std::fs::write(path.join("new"), mode).unwrap();
        std::fs::rename(path.join("new"), path.join(name)).unwrap();
    }

    /// What came for that name.
    fn received(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("received.jsonl")).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let all = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|record| record["path"] == format!("/{name}")).collect()
    }

    /// A webhook for that name, whose secret the receiver knows; its id.
    fn hook(&self, appliance: &Appliance, name: &str, events: &[&str]) -> Value {
        let body = json!({"url": self.url(name), "events": events, "ca_pem": self.ca_pem});
        let made = appliance.call("POST", "/v1/webhooks", Some(body)).expect(201);
        std::fs::write(self.dir.path().join("secret").join(name), made["secret"].as_str().unwrap()).unwrap();
        made
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn issue(appliance: &Appliance, name: &str) -> Value {
    let body = json!({"common_name": format!("{name}.example.com")});
    appliance.call("POST", "/v1/pki/issue/receivers", Some(body)).expect(201)
}

fn names(received: &[Value]) -> Vec<String> {
    received.iter().map(|record| record["body"]["data"]["common_name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_happens_from_its_creation_on_is_sent_signed_and_in_order() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    let made = receiver.hook(&appliance, "all", &["certificate.issued", "role.*"]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let issued: Vec<Value> = (0..5).map(|number| issue(&appliance, &format!("www{number}"))).collect();
    let body = json!({"certificate_id": issued[0]["id"]});
    appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    appliance.role("last", &ca, json!({}));
    let received = found("six events", || Some(receiver.received("all")).filter(|received| received.len() >= 6));
    assert_eq!(names(&received)[..5], (0..5).map(|n| format!("www{n}.example.com")).collect::<Vec<_>>());
    assert_eq!(received[5]["body"]["type"], "role.created", "what was not asked for is not sent");
    let told = appliance.call("GET", "/v1/events?type=certificate.issued", None).expect(200);
    for (record, event) in received.iter().zip(&told["data"].as_array().unwrap()[1..]) {
        assert_eq!(record["signed"], true, "{record}");
        assert_eq!(record["body"], *event, "the same form as GET /v1/events");
        assert_eq!(record["headers"]["webhook-id"], event["id"]);
        assert_eq!(record["headers"]["content-type"], "application/cloudevents+json");
    }
    let shown = found("nothing waits", || {
        Some(appliance.call("GET", &format!("/v1/webhooks/{id}"), None).expect(200)).filter(|shown| shown["status"]["lag"] == 0)
    });
    assert!(shown["status"]["last_success_at"].is_string() && shown["status"].get("last_error").is_none(), "{shown}");
    let deliveries = appliance.call("GET", &format!("/v1/webhooks/{id}/deliveries?limit=4"), None).expect(200);
    assert_eq!(deliveries["data"][0]["event_type"], "role.created", "newest first: {deliveries}");
    assert!(deliveries["data"].as_array().unwrap().iter().all(|one| one["state"] == "delivered" && one["status_code"] == 204));
    let path = format!("/v1/webhooks/{id}/deliveries?limit=4&cursor={}", deliveries["cursor"].as_str().unwrap());
    let rest = appliance.call("GET", &path, None).expect(200);
    assert_eq!((rest["data"].as_array().unwrap().len(), rest["cursor"].is_null()), (2, true), "{rest}");
    // The secret is told once.
    for path in [format!("/v1/webhooks/{id}"), "/v1/webhooks".to_owned(), "/v1/admin/audit?limit=1000".to_owned()] {
        assert!(!appliance.call("GET", &path, None).text().contains(&secret[6..]), "{path}");
    }
    assert!(!appliance.log().contains(&secret[6..]));
    let entry = appliance.told("webhook.create")[0].to_string();
    assert!(entry.contains(&format!("https://127.0.0.1:{}", receiver.port)) && !entry.contains("/all"), "no path of a URL: {entry}");
}

#[test]
fn what_is_not_taken_is_sent_again_and_delays_no_other() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    receiver.answers("failing", "503");
    receiver.answers("hanging", "hang");
    let failing = receiver.hook(&appliance, "failing", &["certificate.*"])["id"].as_str().unwrap().to_owned();
    receiver.hook(&appliance, "hanging", &["certificate.*"]);
    receiver.hook(&appliance, "good", &["certificate.*"]);
    for number in 0..3 {
        issue(&appliance, &format!("www{number}"));
    }
    wait_for("one that works is not delayed", || receiver.received("good").len() == 3);
    wait_for("it is tried again", || receiver.received("failing").len() >= 3);
    let shown = appliance.call("GET", &format!("/v1/webhooks/{failing}"), None).expect(200);
    let status = &shown["status"];
    assert!(status["attempts"].as_u64() >= Some(2) && status["next_attempt_at"].is_string(), "{shown}");
    assert_eq!(status["last_error"], "the receiver answered 503");
    assert!(status["failing_since"].is_string() && status["lag"].as_u64() > Some(0), "{shown}");
    let waiting = appliance.call("GET", &format!("/v1/webhooks/{failing}/deliveries"), None).expect(200);
    assert_eq!((&waiting["data"][0]["state"], &waiting["data"][0]["status_code"]), (&json!("retrying"), &json!(503)), "{waiting}");
    let tried = receiver.received("failing");
    assert!(names(&tried).iter().all(|name| name == "www0.example.com"), "in order: {tried:?}");
    assert!(tried.iter().all(|record| record["signed"] == true && record["headers"]["webhook-id"] == tried[0]["headers"]["webhook-id"]));
    receiver.answers("failing", "200");
    // A change has what waits tried at once.
    appliance.call("PATCH", &format!("/v1/webhooks/{failing}"), Some(json!({"description": "mended"}))).expect(200);
    let taken = || receiver.received("failing").into_iter().filter(|record| record["mode"] == "200").collect::<Vec<_>>();
    let taken = found("all three are taken", || Some(taken()).filter(|taken| taken.len() == 3));
    assert_eq!(names(&taken), ["www0.example.com", "www1.example.com", "www2.example.com"]);
    let ended = found("three deliveries", || {
        let ended = appliance.call("GET", &format!("/v1/webhooks/{failing}/deliveries"), None).expect(200);
        (ended["data"].as_array().unwrap().len() == 3).then_some(ended)
    });
    assert!(ended["data"][2]["attempts"].as_u64() >= Some(3) && ended["data"][2]["error"] == "the receiver answered 503", "{ended}");
}

#[test]
fn a_webhook_has_one_test_under_way_at_a_time() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    receiver.answers("hanging", "hang");
    let path = |hook: &Value| format!("/v1/webhooks/{}/test", hook["id"].as_str().unwrap());
    let (hanging, good) = (path(&receiver.hook(&appliance, "hanging", &["ca.*"])), path(&receiver.hook(&appliance, "good", &["ca.*"])));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| appliance.call("POST", &hanging, None).expect(200));
        wait_for("the first test is under way", || !receiver.received("hanging").is_empty());
        let second = appliance.call("POST", &hanging, None);
        assert!(second.header("retry-after").is_some());
        assert_eq!(second.refused(503).0, "webhook_busy");
        assert_eq!(appliance.call("POST", &good, None).expect(200)["delivered"], true);
        assert_eq!(first.join().unwrap()["delivered"], false);
    });
    assert_eq!(receiver.received("hanging").len(), 1);
    appliance.call("POST", &good, None).expect(200);
}

#[test]
fn a_disabled_webhook_keeps_its_events_and_a_deleted_one_sends_none() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    let id = receiver.hook(&appliance, "paused", &["certificate.*"])["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/webhooks/{id}");
    appliance.call("PATCH", &path, Some(json!({"enabled": false}))).expect(200);
    issue(&appliance, "www0");
    let witness = receiver.hook(&appliance, "witness", &["certificate.*"])["id"].as_str().unwrap().to_owned();
    issue(&appliance, "www1");
    wait_for("the other is sent what happens after its creation", || receiver.received("witness").len() == 1);
    assert!(receiver.received("paused").is_empty());
    appliance.call("PATCH", &path, Some(json!({"enabled": true}))).expect(200);
    let received = found("what waited", || Some(receiver.received("paused")).filter(|received| received.len() == 2));
    assert_eq!(names(&received), ["www0.example.com", "www1.example.com"]);
    appliance.call("DELETE", &path, None).expect(204);
    assert_eq!(appliance.call("GET", &path, None).status, 404);
    issue(&appliance, "www2");
    wait_for("the other goes on", || receiver.received("witness").len() == 2);
    assert_eq!(receiver.received("paused").len(), 2);
    let tested = appliance.call("POST", &format!("/v1/webhooks/{witness}/test"), None).expect(200);
    assert_eq!(tested, json!({"delivered": true, "status_code": 204}));
    let last = receiver.received("witness").pop().unwrap();
    assert_eq!((&last["body"]["type"], &last["signed"]), (&json!("webhook.test"), &json!(true)), "{last}");
}

#[test]
fn a_daemon_that_is_killed_loses_no_event() {
    let dir = TempDir::new().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    receiver.answers("killed", "503");
    receiver.hook(&appliance, "killed", &["certificate.issued"]);
    let mut wanted = Vec::new();
    for round in 0..4 {
        for number in 0..6 {
            let name = format!("www{round}-{number}");
            issue(&appliance, &name);
            wanted.push(format!("{name}.example.com"));
        }
        let before = receiver.received("killed").len();
        receiver.answers("killed", "204");
        // Amidst of what is being sent, at another place each time.
        wait_for("some are sent", || receiver.received("killed").len() > before + round);
        appliance.kill();
        // What is issued next waits, so that there is something to be amidst of.
        receiver.answers("killed", "503");
        appliance = Appliance::start_in(dir.path());
    }
    receiver.answers("killed", "204");
    let taken = || receiver.received("killed").into_iter().filter(|record| record["mode"] == "204").collect::<Vec<_>>();
    let all = found("every event arrives", || {
        let names = names(&taken());
        wanted.iter().all(|name| names.contains(name)).then_some(names)
    });
    let mut first = Vec::new();
    for name in all {
        if !first.contains(&name) {
            first.push(name);
        }
    }
    assert_eq!(first, wanted, "in order, repetitions aside");
    assert!(receiver.received("killed").iter().all(|record| record["signed"] == true));
}

#[test]
fn a_renewal_that_comes_to_nothing_is_sent() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    receiver.hook(&appliance, "failed", &["certificate.renewal_failed"]);
    let issued = issue(&appliance, "www");
    let path = format!("/v1/pki/certificates/{}/renew", issued["id"].as_str().unwrap());
    appliance.call("POST", &path, Some(json!({}))).expect(201);
    assert_eq!(appliance.call("DELETE", "/v1/pki/roles/receivers", None).status, 204);
    appliance.call("POST", &path, Some(json!({}))).refused(409);
    let received = found("one event", || Some(receiver.received("failed")).filter(|received| !received.is_empty()));
    let [record] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((&record["signed"], &record["body"]["subject"]), (&json!(true), &issued["id"]));
    assert_eq!(record["body"]["data"]["fault"], "no_role");
}

#[test]
fn nothing_is_sent_where_the_operator_does_not_let_it() {
    let dir = TempDir::new().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    assert!(appliance.stop());
    let config = dir.path().join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (before, _) = text.split_once("[outbound]").unwrap();
    let (port, dns) = (receiver.port, receiver.dns);
    // One thing may be dialled: the receiver. Everything else on this machine is refused by one rule or the other.
    let section =
        format!("[outbound]\nenabled = true\nallow = [\"127.0.0.1/32\"]\nports = [{port}, 443]\nresolvers = [\"127.0.0.1:{dns}\"]\n");
    std::fs::write(&config, format!("{before}{section}")).unwrap();
    let appliance = Appliance::start_in(dir.path());
    // Said already when it is made, by what the URL itself shows.
    for url in [
        "http://hook.example.com/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://100.100.100.200/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.0.0.1/",
        "https://127.0.0.2/",
        "https://[::1]/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://user:word@hook.example.com/",
        "https://hook.example.com:8443/",
        "https://hook.example.com:22/",
        "ftp://hook.example.com/",
        "file:///etc/passwd",
        "hook.example.com",
    ] {
        let body = json!({"url": url});
        let (code, fields) = appliance.call("POST", "/v1/webhooks", Some(body)).refused(400);
        assert_eq!((code.as_str(), fields), ("invalid_request", vec!["url".to_owned()]), "{url}");
    }
    // Found when the name is resolved.
    let refused = "refused: the address is none that the operator allows to dial";
    for (host, error) in [
        ("private.example.com", refused),
        ("metadata.example.com", refused),
        ("mixed.example.com", refused),
        ("localhost", refused),
        ("nobody.example.com", "the name cannot be resolved"),
    ] {
        let body = json!({"url": format!("https://{host}:{port}/x"), "ca_pem": receiver.ca_pem, "events": ["ca.*"]});
        let id = appliance.call("POST", "/v1/webhooks", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
        let tested = appliance.call("POST", &format!("/v1/webhooks/{id}/test"), None).expect(200);
        assert_eq!(tested, json!({"delivered": false, "error": error}), "{host}");
    }
    // A name that leads where it may is dialled, and its certificate is held against the name.
    let good = json!({"url": format!("https://hook.example.com:{port}/good"), "ca_pem": receiver.ca_pem});
    let id = appliance.call("POST", "/v1/webhooks", Some(good)).expect(201)["id"].as_str().unwrap().to_owned();
    let tested = appliance.call("POST", &format!("/v1/webhooks/{id}/test"), None).expect(200);
    assert_eq!(tested, json!({"delivered": true, "status_code": 204}));
    // Without its authority's certificate the receiver is nobody.
    appliance.call("PATCH", &format!("/v1/webhooks/{id}"), Some(json!({"ca_pem": ""}))).expect(200);
    let tested = appliance.call("POST", &format!("/v1/webhooks/{id}/test"), None).expect(200);
    assert_eq!(tested["delivered"], false, "{tested}");
    // A redirect is an answer, and nobody goes where it points.
    receiver.answers("moved", &format!("307 {}", receiver.url("target")));
    let moved = json!({"url": receiver.url("moved"), "ca_pem": receiver.ca_pem});
    let id = appliance.call("POST", "/v1/webhooks", Some(moved)).expect(201)["id"].as_str().unwrap().to_owned();
    let tested = appliance.call("POST", &format!("/v1/webhooks/{id}/test"), None).expect(200);
    assert_eq!((&tested["delivered"], &tested["status_code"]), (&json!(false), &json!(307)), "{tested}");
    assert!(tested["error"].as_str().unwrap().ends_with("redirects are not followed"), "{tested}");
    assert_eq!((!receiver.received("moved").is_empty(), receiver.received("target").len()), (true, 0));
    assert!(receiver.received("x").is_empty());
}

#[test]
fn without_outgoing_connections_there_are_no_webhooks() {
    let dir = TempDir::new().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    assert!(appliance.stop());
    let config = dir.path().join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.split_once("[outbound]").unwrap().0).unwrap();
    let appliance = Appliance::start_in(dir.path());
    let (code, _) = appliance.call("POST", "/v1/webhooks", Some(json!({"url": "https://hook.example.com/"}))).refused(409);
    assert_eq!(code, "outbound_disabled");
}

#[test]
fn the_command_line_makes_shows_and_ends_webhooks() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let receiver = Receiver::start(&appliance, &ca);
    let bundle = receiver.dir.path().join("ca.pem");
    std::fs::write(&bundle, &receiver.ca_pem).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        for name in ["CHANCERY_URL", "CHANCERY_CA_FILE", "CHANCERY_TOKEN_FILE", "CHANCERY_TOKEN", "CHANCERY_DIR"] {
            command.env_remove(name);
        }
        let output = command.args(["webhook"]).args(arguments).arg("--dir").arg(appliance.dir()).output().unwrap();
        let notes = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {notes}");
        (String::from_utf8(output.stdout).unwrap(), notes)
    };
    let secret_file = receiver.dir.path().join("secret").join("line");
    let (url, bundle, out) = (receiver.url("line"), bundle.to_str().unwrap(), secret_file.to_str().unwrap());
    let (made, _) = run(&["create", &url, "--event", "certificate.*", "--receiver-ca", bundle, "--out", out]);
    assert!(made.contains("webhook_") && !made.contains("whsec_"), "{made}");
    let secret = std::fs::read_to_string(&secret_file).unwrap();
    assert!(secret.starts_with("whsec_"));
    let id = appliance.call("GET", "/v1/webhooks", None).expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(run(&["list"]).0.contains(&url));
    assert!(run(&["test", &id]).0.contains("204"));
    issue(&appliance, "www");
    wait_for("the delivery is listed", || run(&["deliveries", &id]).0.contains("certificate.issued"));
    assert!(receiver.received("line").iter().all(|record| record["signed"] == true));
    assert!(run(&["update", &id, "--disable", "--description", "resting"]).0.contains("resting"));
    assert!(run(&["show", &id]).0.contains("resting"));
    let (_, notes) = run(&["delete", &id]);
    assert!(notes.contains(&id), "{notes}");
    let (alone, notes) = run(&["create", &url]);
    assert!(alone.starts_with("whsec_") && alone.lines().count() == 1 && notes.contains("webhook_"), "{alone} {notes}");
}
