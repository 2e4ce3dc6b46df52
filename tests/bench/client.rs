//! A load client that costs little: prepared bytes go out, and of the answer only the status and the length are read.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
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
    /// Plain HTTP.
    pub async fn plain(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 64 << 10] })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Sends one request and takes its answer: the status and the body.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).filter(|room| !room.is_empty()).ok_or(ErrorKind::FileTooLarge)?;
            match self.stream.read(room).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
            if let Some((status, body)) = whole(&self.buffer[..filled]) {
                return Ok((status, &self.buffer[body..filled]));
            }
        }
    }
}

pub async fn is_healthy(connector: &Connector) -> bool {
    let Ok(mut connection) = connector.connect().await else { return false };
    matches!(connection.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await, Ok((200, _)))
}

/// The status and where the body begins, when the whole answer is there.
fn whole(bytes: &[u8]) -> Option<(u16, usize)> {
    let body = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..body]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    let length = head.split("\r\n").find_map(length)?;
    (bytes.len() >= body + length).then_some((status, body))
}
