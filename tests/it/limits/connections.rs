//! Caps on connections, each listener by itself.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{PATIENCE, address, connect, is_closed, limited, metric, runtime};
use crate::appliance::Appliance;
use crate::listener::configured;
use crate::waiting::wait_for;

/// Keeps as many connections open from these addresses as it gets, until it is dropped.
struct Crowd {
    stop: Arc<AtomicBool>,
    crowd: Option<JoinHandle<()>>,
}

impl Crowd {
    fn gather(to: SocketAddr, sources: u8, each: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let crowd = std::thread::spawn(move || {
            let runtime = runtime();
            let mut held: Vec<(u8, TcpStream)> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                held.retain(|(_, stream)| !is_closed(stream));
                for source in 0..sources {
                    let missing = each - held.iter().filter(|(from, _)| *from == source).count();
                    let new = (0..missing).filter_map(|_| connect(&runtime, Ipv4Addr::new(127, 0, 9, 1 + source), to).ok());
                    held.extend(new.map(|stream| (source, stream)));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { stop, crowd: Some(crowd) }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(crowd) = self.crowd.take() {
            let _ = crowd.join();
        }
    }
}

#[test]
fn an_address_gets_its_places_and_leaves_the_others_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = limited(dir.path(), "\n[limits.api]\nconnections = 40\nconnections_per_address = 5\n");
    let (runtime, to) = (runtime(), address(&appliance, "listen.addr"));
    // One that is refused may be reset before this side has seen it open.
    let greedy: Vec<_> = (0..12).map(|_| connect(&runtime, Ipv4Addr::new(127, 0, 0, 2), to).ok()).collect();
    let closed = || greedy.iter().filter(|stream| stream.as_ref().is_none_or(is_closed)).count();
    wait_for("what is beyond to be closed", || closed() >= 7);
    assert_eq!(closed(), 7, "five are its own");
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).status, 200, "another address does not notice");
    assert_eq!(metric(&appliance, r#"chancery_http_connections_refused_total{listener="api",reason="address"}"#), 7);
    assert!(metric(&appliance, r#"chancery_http_connections{listener="api"}"#) >= 6);
    drop(greedy);
    wait_for("places to be given back", || {
        connect(&runtime, Ipv4Addr::new(127, 0, 0, 2), to).is_ok_and(|again| {
            std::thread::sleep(Duration::from_millis(500));
            !is_closed(&again)
        })
    });
    // A connection that says nothing is a handshake that does not come.
    let silent = connect(&runtime, Ipv4Addr::new(127, 0, 0, 3), to).unwrap();
    wait_for("the handshake to be given up", || is_closed(&silent));
    assert!(metric(&appliance, r#"chancery_http_connections_cut_total{listener="api",reason="handshake"}"#) >= 1);
}

#[test]
fn a_full_listener_takes_nothing_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = configured(dir.path(), |text| {
        let socket = dir.path().join("admin.sock");
        format!(
            "{text}\n[admin]\nlisten = \"127.0.0.1:0\"\nsocket = {socket:?}\n\n[limits.api]\nconnections = 20\nconnections_per_address = 8\n"
        )
    });
    let ca = appliance.root("root", "ec", 256);
    let (api, admin, public) = (address(&appliance, "listen.addr"), address(&appliance, "admin.addr"), address(&appliance, "http.addr"));
    let crowd = Crowd::gather(api, 6, 8);
    // A full listener refuses, now and then; those places that are given up in between are anybody's.
    wait_for("somebody to be refused", || appliance.curl("GET", "/healthz", None, None, &[]).is_none());
    let socket = appliance.path("admin.sock");
    for _ in 0..10 {
        let status = |options: &[&str], url: &str| {
            let mut command = Command::new("curl");
            command.args(["--silent", "--insecure", "--max-time", "60", "--output", "/dev/null", "--write-out", "%{http_code}"]);
            String::from_utf8(command.args(options).arg(url).output().unwrap().stdout).unwrap()
        };
        assert_eq!(status(&["--unix-socket", socket.to_str().unwrap()], "http://x/v1/admin/tokens"), "200");
        assert_eq!(status(&[], &format!("https://{admin}/metrics")), "200");
        let bearer = format!("Authorization: Bearer {}", appliance.admin_token());
        assert_eq!(status(&["--header", &bearer], &format!("https://{admin}/v1/admin/tokens")), "200");
        assert_eq!(status(&[], &format!("http://{public}/ca/{ca}.crt")), "200");
        assert_eq!(status(&[], &format!("http://{public}/crl/{ca}.crl")), "200");
    }
    let metrics = Command::new("curl").args(["--silent", "--insecure", &format!("https://{admin}/metrics")]).output().unwrap();
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    assert!(metrics.contains(r#"chancery_http_connections_refused_total{listener="api",reason="listener"}"#), "{metrics}");
    for other in ["admin", "public", "break-glass"] {
        assert!(!metrics.contains(&format!(r#"refused_total{{listener="{other}""#)), "{metrics}");
    }
    assert!(appliance.log().contains("connections are refused"), "{}", appliance.log());
    drop(crowd);
    wait_for("the API to be reached again", || appliance.curl("GET", "/healthz", None, None, &[]).is_some());
}

#[test]
fn descriptors_that_are_few_are_shared_out_and_run_out_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_with(dir.path(), |command| {
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let log = std::fs::File::options().append(true).open(dir.path().join("daemon.log")).unwrap();
        *command = Command::new("sh");
        command.args(["-c", "ulimit -n 800; exec \"$@\"", "sh"]).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    });
    assert!(appliance.log().contains("fewer connections are taken than configured"), "{}", appliance.log());
    let ca = appliance.root("root", "ec", 256);
    let crowd = Crowd::gather(address(&appliance, "listen.addr"), 8, 60);
    wait_for("somebody to be refused", || appliance.curl("GET", "/healthz", None, None, &[]).is_none());
    let public = address(&appliance, "http.addr");
    for _ in 0..10 {
        let mut stream = TcpStream::connect(public).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /crl/{ca}.crl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    drop(crowd);
    wait_for("the API to be reached again", || appliance.curl("GET", "/healthz", None, None, &[]).is_some());
    assert!(!appliance.log().contains("Too many open files"), "{}", appliance.log());
}

#[test]
fn a_body_that_stops_is_not_waited_for() {
    let appliance = Appliance::start();
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &appliance.base_url().replace("https://", "")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let head = format!(
        "POST /v1/pki/roles HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        appliance.admin_token()
    );
    let begun = Instant::now();
    client.stdin.as_mut().unwrap().write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    client.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    let _ = client.wait();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_too_slow"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(28), "sooner than a body that does not stop: {:?}", begun.elapsed());
}
