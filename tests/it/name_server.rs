//! BIND on a port of its own: the DNS of a test.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than any stall of the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loopback address that no other test has, so that the ports of the protocols can be used as they are.
pub fn own_address() -> Ipv4Addr {
    static USED: AtomicU32 = AtomicU32::new(0);
    let number = USED.fetch_add(1, Ordering::Relaxed);
    assert!(number < 16, "sixteen addresses are enough for one test");
    // Each test is a process of its own. What ends in 0 is left to others.
    let place = (std::process::id() % 0x000F_0000) * 16 + number;
    let address = Ipv4Addr::from_bits(0x7F01_0000 + place);
    if address.octets()[3] == 0 { own_address() } else { address }
}

/// A name server that knows some zones, and nobody else.
pub struct NameServer {
    process: Child,
    dir: TempDir,
    pub address: SocketAddr,
}

/// A zone: its name, and its records below the SOA in the form of zone files.
pub type Zone<'a> = (&'a str, &'a str);

impl NameServer {
    pub fn start(zones: &[Zone<'_>]) -> Self {
        Self::start_with(zones, "")
    }

    /// The same, with more in its configuration. With a key of the name `update`, whoever has it may change every zone (RFC 2136).
    pub fn start_with(zones: &[Zone<'_>], more: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let address = own_port();
        let mut configuration = format!(
            "options {{ directory \"{dir}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; \
             pid-file none; session-keyfile none; dnssec-validation no; notify no; minimal-responses yes; }};\ncontrols {{ }};\n{more}\n",
            dir = dir.path().display(),
            port = address.port(),
        );
        for (name, records) in zones {
            let file = format!("{name}.zone");
            let head = "$TTL 1\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\n";
            std::fs::write(dir.path().join(&file), format!("{head}{records}\n")).unwrap();
            let update = if more.contains("key \"update\"") { "allow-update { key update; };" } else { "" };
            writeln!(configuration, "zone \"{name}\" {{ type primary; file \"{file}\"; check-names ignore; {update} }};").unwrap();
        }
        std::fs::write(dir.path().join("named.conf"), configuration).unwrap();
        let log = std::fs::File::create(dir.path().join("named.log")).unwrap();
        let process = Command::new(named())
            .args(["-g", "-n", "1", "-c"])
            .arg(dir.path().join("named.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("named starts; it is in the package bind9");
        let mut server = Self { process, dir, address };
        server.await_ready();
        server
    }

    /// What it says of itself.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("named.log")).unwrap_or_default()
    }

    /// Any answer will do: one to a message that is none but a header.
    fn await_ready(&mut self) {
        let begun = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        loop {
            assert!(self.process.try_wait().unwrap().is_none(), "named has ended:\n{}", self.log());
            assert!(begun.elapsed() < PATIENCE, "named is not ready:\n{}", self.log());
            // A question for the version, which is answered or refused.
            let question = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03";
            if socket.send_to(question, self.address).is_ok() && socket.recv(&mut [0; 512]).is_ok() && self.log().contains("running") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of 127.0.0.1 that was free a moment ago for both protocols. named takes addresses of interfaces only, of which loopback has one.
fn own_port() -> SocketAddr {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// Debian keeps it where only root's shell looks.
fn named() -> &'static Path {
    ["/usr/sbin/named", "/usr/bin/named"].map(Path::new).into_iter().find(|path| path.exists()).unwrap_or(Path::new("named"))
}
