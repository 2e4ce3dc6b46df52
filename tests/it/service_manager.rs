//! The daemon under a service manager: sockets that were bound for it, readiness, signs of life, reload, and the end.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::review::Slow;

/// Wide, for the machine may do other things.
const SOON: Duration = Duration::from_secs(60);

/// A daemon behind `systemd-socket-activate`, and what it says to its service manager.
struct Service {
    child: Child,
    said: UnixDatagram,
    address: String,
    others: Vec<String>,
    dir: TempDir,
}

impl Service {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With sockets beside the API's, by their names.
    fn start_with(names: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut made = Appliance::start_in(dir.path());
        assert!(made.stop());
        let socket = dir.path().join("notify");
        let said = UnixDatagram::bind(&socket).unwrap();
        said.set_read_timeout(Some(SOON)).unwrap();
        let address = free_address();
        let log = std::fs::File::create(dir.path().join("service.log")).unwrap();
        let mut command = Command::new("systemd-socket-activate");
        command.arg(format!("--listen={address}"));
        let place = |name: &&str| match *name {
            "break-glass" => dir.path().join("passed.sock").display().to_string(),
            _ => free_address(),
        };
        let others: Vec<String> = names.iter().map(place).collect();
        command.args(others.iter().map(|other| format!("--listen={other}")));
        command.arg(format!("--fdname={}", [&["api"], names].concat().join(":")));
        for (name, value) in [("NOTIFY_SOCKET", socket), ("SOFTHSM2_CONF", dir.path().join("softhsm2.conf"))] {
            command.arg(format!("--setenv={name}={}", value.display()));
        }
        command.arg("--setenv=WATCHDOG_USEC=600000");
        command.arg(env!("CARGO_BIN_EXE_chanceryd")).args(["serve", "--config"]).arg(dir.path().join("chancery.toml"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("systemd-socket-activate starts");
        Self { child, said, address, others, dir }
    }

    /// The next message with this word, and the time it took is no matter.
    fn hears(&self, word: &str) -> String {
        let begun = Instant::now();
        let mut buffer = [0; 4096];
        while begun.elapsed() < SOON {
            let length = self.said.recv(&mut buffer).unwrap_or_else(|error| panic!("{word} was not said: {error}\n{}", self.log()));
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text.lines().any(|line| line.starts_with(word)) {
                return text;
            }
        }
        panic!("{word} was not said:\n{}", self.log());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn healthz(&self) -> String {
        let url = format!("https://{}/healthz", self.address);
        run(Command::new("curl").args(["--silent", "--show-error", "--max-time", "60", "--cacert"]).arg(self.path("ca.pem")).arg(url))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("service.log")).unwrap_or_default()
    }

    fn configure(&self, change: impl FnOnce(String) -> String) {
        let path = self.path("chancery.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The first connection starts the daemon, and waits until it serves.
fn woken(service: &Service) -> String {
    wait_for_listener(&service.address);
    let health = service.healthz();
    assert!(health.contains("\"status\":\"ok\""), "{health}\n{}", service.log());
    service.hears("READY=1")
}

fn wait_for_listener(address: &str) {
    let port = address.rsplit(':').next().unwrap();
    let wanted = format!(":{:04X} 00000000:0000 0A", port.parse::<u16>().unwrap());
    let begun = Instant::now();
    while !std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&wanted) {
        assert!(begun.elapsed() < SOON, "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_serves_on_a_passed_socket_and_says_that_it_is_ready() {
    let mut service = Service::start();
    let ready = woken(&service);
    assert!(ready.contains(&format!("STATUS=serving the API on {}", service.address)), "{ready}");
    service.hears("WATCHDOG=1");
    service.signal(Signal::SIGTERM);
    service.hears("STOPPING=1");
    assert!(service.child.wait().unwrap().success(), "{}", service.log());
}

#[test]
fn a_reload_takes_up_what_is_good_and_keeps_the_old_otherwise() {
    let service = Service::start();
    woken(&service);
    service.configure(|text| format!("{text}\n[log]\nfilter = \"debug\"\n"));
    service.signal(Signal::SIGHUP);
    assert!(service.hears("RELOADING=1").contains("MONOTONIC_USEC="));
    let ready = service.hears("READY=1");
    assert!(!ready.contains("wrong") && !ready.contains("another start"), "{ready}");

    service.configure(|text| text.replace("\"debug\"", "\"chancery=nonsense\""));
    service.signal(Signal::SIGHUP);
    assert!(service.hears("READY=1").contains("the changed configuration is wrong: log.filter"), "{}", service.log());
    service.configure(|text| text.replace("filter", "philtre"));
    service.signal(Signal::SIGHUP);
    assert!(service.hears("READY=1").contains("unknown field `philtre`"), "{}", service.log());
    assert!(service.log().contains("the configuration was not taken up"), "{}", service.log());

    service.configure(|text| text.replace("philtre = \"chancery=nonsense\"", "filter = \"info\"").replace("127.0.0.1", "127.0.0.2"));
    service.signal(Signal::SIGHUP);
    assert!(service.hears("READY=1").contains("another start is needed for listen"), "{}", service.log());
    assert!(service.healthz().contains("\"status\":\"ok\""));
}

#[test]
fn who_hangs_says_nothing_any_more() {
    let service = Service::start();
    woken(&service);
    service.hears("WATCHDOG=1");
    service.signal(Signal::SIGSTOP);
    while service.said.set_read_timeout(Some(Duration::from_secs(3))).is_ok() {
        let mut buffer = [0; 512];
        if service.said.recv(&mut buffer).is_err() {
            break;
        }
    }
    service.said.set_read_timeout(Some(SOON)).unwrap();
    service.signal(Signal::SIGCONT);
    service.hears("WATCHDOG=1");
}

#[test]
fn a_socket_of_an_unknown_name_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut made = Appliance::start_in(dir.path());
    assert!(made.stop());
    let address = free_address();
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen={address}")).args(["--fdname=telnet", env!("CARGO_BIN_EXE_chanceryd"), "serve", "--config"]);
    let child = command.arg(dir.path().join("chancery.toml")).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_listener(&address);
    let _ = std::net::TcpStream::connect(&address).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("the socket telnet"), "{text}");
}

#[test]
fn the_sockets_for_administration_are_passed_by_their_names() {
    let service = Service::start_with(&["admin", "break-glass"]);
    let ready = woken(&service);
    let admin = &service.others[0];
    assert!(ready.contains(&format!("administration on {admin}")), "{ready}");
    let token = std::fs::read_to_string(service.path("admin.token")).unwrap();
    let asked = |address: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"]);
        curl.arg(service.path("ca.pem")).args(["--header", &format!("Authorization: Bearer {}", token.trim())]);
        run(curl.arg(format!("https://{address}/v1/admin/tokens")))
    };
    assert_eq!(asked(admin), "200");
    // It is there and nowhere else.
    assert_eq!(asked(&service.address), "404");
    let socket = &service.others[1];
    let mut chancery = Command::new(env!("CARGO_BIN_EXE_chancery"));
    let output = chancery.env_clear().args(["--socket", socket, "token", "list"]).output().unwrap();
    if nix::unistd::Uid::effective().is_root() {
        assert!(output.status.success(), "{output:?}");
    } else {
        assert!(!output.status.success(), "{output:?}");
    }
}

#[test]
fn a_stop_finishes_what_was_begun_and_is_not_held_up_by_idle_connections() {
    let mut appliance = Appliance::start();
    let address = appliance.base_url().trim_start_matches("https://").to_owned();
    let _idle: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    let begun = Instant::now();
    assert!(appliance.stop(), "{}", appliance.log());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// A request whose body is under way when the daemon is asked to stop is carried out and answered, and nobody new is let in meanwhile.
#[test]
fn a_stop_waits_for_the_request_that_is_under_way() {
    let dir = TempDir::new().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let address = appliance.base_url().trim_start_matches("https://").to_owned();
    let open = || {
        let metrics = appliance.call("GET", "/metrics", None).text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("chancery_http_connections{listener=\"api\"} ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{metrics}")).parse::<u32>().unwrap()
    };
    let wait = |what: &str, is_so: &mut dyn FnMut() -> bool| {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < SOON, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait("the connections of before end", &mut || open() == 1);
    let slow = Slow::begin(&appliance, "/v1/pki/issue/web", r#"{"common_name": "www.example.com"}"#);
    wait("the request is there, beside the one that asks for it", &mut || open() == 2);
    appliance.signal(Signal::SIGTERM);
    wait("nobody new is let in", &mut || std::net::TcpStream::connect(&address).is_err());
    assert_eq!(slow.end(), 201);
    assert!(appliance.stop(), "{}", appliance.log());
    let again = Appliance::start_in(dir.path());
    let listed = again.call("GET", "/v1/pki/certificates", None).expect(200);
    let names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| &one["common_name"]).collect();
    assert!(names.contains(&&json!("www.example.com")), "{listed}");
}

#[test]
fn a_request_is_told_to_the_journal_in_fields() {
    // systemd-journald's place, in a mount namespace of the daemon's own.
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("journal");
    std::fs::create_dir(&place).unwrap();
    let journal = UnixDatagram::bind(place.join("socket")).unwrap();
    journal.set_read_timeout(Some(SOON)).unwrap();
    // Read all the time, as the journal does: whoever logs waits when ten messages lie there.
    let (told, entries) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length) = journal.recv(&mut buffer) {
            if told.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    let appliance = Appliance::start_with(&dir.path().join("appliance"), |command| {
        let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind \"$0\" /run/systemd/journal && exec \"$@\"";
        let mut inside = Command::new("unshare");
        if !nix::unistd::Uid::effective().is_root() {
            inside.args(["--user", "--map-root-user"]);
        }
        inside.args(["--mount", "sh", "-ec", script]).arg(&place).arg(command.get_program()).args(command.get_args());
        inside.env("JOURNAL_STREAM", "8:1").stdin(Stdio::null());
        *command = inside;
    });
    let ca = appliance.root("r", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "a.example.com"}))).expect(201);
    let serial = issued["serial_number"].as_str().unwrap();
    loop {
        let bytes = entries.recv_timeout(SOON).expect("the request is told of");
        let entry = Entry(&bytes);
        if entry.field("MESSAGE").as_deref() == Some("request answered") && entry.field("CHANCERY_SERIAL").as_deref() == Some(serial) {
            assert_eq!(entry.field("CHANCERY_CA").as_deref(), Some(ca.as_str()));
            assert!(entry.field("CHANCERY_REQUEST").is_some_and(|id| id.starts_with("req_")));
            assert!(entry.field("CHANCERY_CALLER").is_some_and(|caller| caller.contains("development")));
            break;
        }
    }
}

/// An entry in the journal's own form: a field's name, a line end, the length of its value in eight bytes, the value.
struct Entry<'a>(&'a [u8]);

impl Entry<'_> {
    fn field(&self, name: &str) -> Option<String> {
        let marked = format!("{name}\n");
        let at = self.0.windows(marked.len()).position(|part| part == marked.as_bytes())? + marked.len();
        let length = usize::try_from(u64::from_le_bytes(self.0.get(at..at + 8)?.try_into().ok()?)).ok()?;
        Some(String::from_utf8_lossy(self.0.get(at + 8..at + 8 + length)?).into_owned())
    }
}
