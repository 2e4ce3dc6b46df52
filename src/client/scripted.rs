//! A server for tests that answers what it is told to, one reaction for each request, and keeps what it was sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does with one request.
pub(crate) enum Reaction {
    Answer {
        status: u16,
        headers: Vec<(&'static str, &'static str)>,
        body: Vec<u8>,
    },
    /// These bytes, and then the connection ends.
    Raw(Vec<u8>),
    /// A body of this many bytes, as long as anyone listens.
    Endless(usize),
    /// Nothing, for longer than anyone waits.
    Silence,
}

impl Reaction {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: vec![("content-type", "application/json")], body: body.into() }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    /// Method and path with query.
    pub(crate) fn line(&self) -> String {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned()
    }
}

pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    /// Over plain HTTP.
    pub(crate) fn start(script: Vec<Reaction>) -> Self {
        Self::serve(script, |stream| Box::new(stream))
    }

    /// Over TLS, with a certificate and key in PEM.
    pub(crate) fn start_tls(script: Vec<Reaction>, certificate: &[u8], key: &[u8]) -> Self {
        let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
        Self::serve(script, move |stream| Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The first line of each request so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    fn serve(script: Vec<Reaction>, wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        std::thread::spawn(move || {
            let mut script = script.into_iter();
            for (connection, stream) in listener.incoming().enumerate() {
                let mut stream = wrap(stream.unwrap());
                while let Some(request) = read_request(&mut stream, connection) {
                    kept.lock().unwrap().push(request);
                    let Some(reaction) = script.next() else { return };
                    if !react(&mut stream, reaction) {
                        break;
                    }
                }
            }
        });
        Self { address, seen }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn read_request(stream: &mut Box<dyn Stream>, connection: usize) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return None,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Seen { connection, head, body: String::from_utf8(body).unwrap() })
}

/// Whether the connection stays open.
fn react(stream: &mut Box<dyn Stream>, reaction: Reaction) -> bool {
    match reaction {
        Reaction::Answer { status, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).and_then(|()| stream.flush()).is_ok()
        }
        Reaction::Raw(bytes) => {
            let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
            false
        }
        Reaction::Endless(length) => {
            let mut left = length;
            let mut ok = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_ok();
            while ok && left > 0 {
                ok = stream
                    .write_all(b"10000\r\n")
                    .and_then(|()| stream.write_all(&[b'a'; 0x10000]))
                    .and_then(|()| stream.write_all(b"\r\n"))
                    .is_ok();
                left = left.saturating_sub(0x10000);
            }
            false
        }
        Reaction::Silence => {
            std::thread::sleep(Duration::from_secs(5));
            false
        }
    }
}
