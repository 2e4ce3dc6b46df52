//! A load client that costs little: prepared bytes go out, and of the answer only the status and the length are read.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where the daemon is and what it is trusted by.
#[derive(Clone)]
pub struct Connector {
    address: SocketAddr,
    tls: TlsConnector,
}

/// A kept-alive connection.
pub struct Connection<S = TlsStream<TcpStream>> {
    stream: S,
    buffer: Vec<u8>,
}

impl Connector {
    /// None while the daemon is not far enough.
    pub fn new(address: &str, trusted: &Path) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted).ok()?).ok()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Some(Self { address: address.trim().parse().ok()?, tls: TlsConnector::from(Arc::new(config)) })
    }

    pub async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self.tls.connect(ServerName::from(self.address.ip()), stream).await?;
        Ok(Connection { stream, buffer: vec![0; 64 << 10] })
    }
}

impl Connection<TcpStream> {
    /// Plain HTTP, from one of the addresses of this machine.
    pub async fn plain(from: Ipv4Addr, address: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 << 10] })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Sends one request and takes its answer: the status and the body.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        let whole = self.exchange(request).await?;
        Ok((whole.status, &self.buffer[whole.body..whole.end]))
    }

    /// The same with the head of the answer, and its body in one piece however it came.
    pub async fn ask_for_all(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let Whole { status, body, end, is_chunked } = self.exchange(request).await?;
        let head = std::str::from_utf8(&self.buffer[..body]).map_err(|_| ErrorKind::InvalidData)?;
        let body = &self.buffer[body..end];
        let body = if is_chunked { chunks(body).ok_or(ErrorKind::InvalidData)?.0.into() } else { body.into() };
        Ok(Answer { status, head, body })
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Whole> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).filter(|room| !room.is_empty()).ok_or(ErrorKind::FileTooLarge)?;
            match self.stream.read(room).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
            if let Some(whole) = whole(&self.buffer[..filled]) {
                return Ok(whole);
            }
        }
    }
}

/// An answer with its head.
pub struct Answer<'a> {
    pub status: u16,
    head: &'a str,
    pub body: Cow<'a, [u8]>,
}

impl Answer<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

pub async fn is_healthy(connector: &Connector) -> bool {
    let Ok(mut connection) = connector.connect().await else { return false };
    matches!(connection.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await, Ok((200, _)))
}

/// Where the parts of an answer are.
struct Whole {
    status: u16,
    body: usize,
    end: usize,
    is_chunked: bool,
}

/// The answer, when all of it is there.
fn whole(bytes: &[u8]) -> Option<Whole> {
    let body = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..body]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let is_chunked = header(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = match header(head, "content-length") {
        Some(length) => length.parse().ok()?,
        None if is_chunked => chunks(&bytes[body..])?.1,
        // RFC 9112, 6.3: it has no body.
        None if status == 204 => 0,
        None => return None,
    };
    (bytes.len() >= body + length).then_some(Whole { status, body, end: body + length, is_chunked })
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let line = |line: &'a str| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    head.split("\r\n").find_map(line).map(|(_, value)| value.trim())
}

/// The content of a chunked body (RFC 9112, 7.1) without trailers, and how long the body is.
fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let rest = bytes.get(at..)?;
        let line = rest.windows(2).position(|end| end == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
        let begins = at + line + 2;
        content.extend_from_slice(bytes.get(begins..begins + length)?);
        at = begins + length + 2;
        if length == 0 {
            return (bytes.len() >= at).then_some((content, at));
        }
    }
}
