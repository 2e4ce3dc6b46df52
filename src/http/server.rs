//! The accept loops: TLS for the API, plain HTTP for relying parties, a unix socket for emergencies; with limits, and a drain
//! at the end.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::idle::Use;
use super::limits;
use super::peer::{LocalPeer, Peer};
use super::tls::{Exchange, PeerCertificate};

/// Where connections come in, and what they must speak.
pub enum Door {
    /// TLS with the configuration of the moment.
    Tls { listener: TcpListener, tls: Arc<Exchange> },
    /// Plain HTTP.
    Plain { listener: TcpListener },
    /// Plain HTTP from processes of this machine that run as one of these users.
    BreakGlass { listener: UnixListener, users: Vec<u32> },
}

/// A connection that was accepted and has said nothing yet.
enum Arrival {
    Tls { stream: TcpStream, peer: Peer, tls: Arc<Exchange> },
    Plain { stream: TcpStream, peer: Peer },
    Local { stream: UnixStream, peer: Peer },
}

/// Serves a router until `stop` turns true, then lets open requests finish for a while.
pub async fn serve(door: Door, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = stopped(&mut stop) => break,
        };
        let arrival = tokio::select! {
            accepted = door.accept() => match accepted {
                Ok(arrival) => arrival,
                Err(error) => {
                    // Out of descriptors, or the peer was gone already: neither is a reason to stop serving.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            let peer = arrival.peer().clone();
            if let Err(error) = arrival.serve(router, watcher).await {
                tracing::debug!(%peer, error, "a connection ended early");
            }
        });
    }
    drop(door);
    if let Some(graceful) = Arc::into_inner(graceful) {
        let _ = tokio::time::timeout(limits::DRAIN_TIME, graceful.shutdown()).await;
    }
}

/// Returns when `stop` is true, or when nobody is left to say so.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Door {
    async fn accept(&self) -> io::Result<Arrival> {
        let from = |address| Peer::Network { address, certificate: None };
        match self {
            Self::Tls { listener, tls } => {
                let (stream, address) = listener.accept().await?;
                Ok(Arrival::Tls { stream, peer: from(address), tls: tls.clone() })
            }
            Self::Plain { listener } => {
                let (stream, address) = listener.accept().await?;
                Ok(Arrival::Plain { stream, peer: from(address) })
            }
            Self::BreakGlass { listener, users } => {
                let (stream, _) = listener.accept().await?;
                let credentials = stream.peer_cred()?;
                let user = credentials.uid();
                // The kernel tells no process id of another PID namespace.
                let process = credentials.pid().unwrap_or(0);
                let peer = Peer::Local(LocalPeer { user, process, is_admitted: users.contains(&user) });
                Ok(Arrival::Local { stream, peer })
            }
        }
    }
}

impl Arrival {
    fn peer(&self) -> &Peer {
        match self {
            Self::Tls { peer, .. } | Self::Plain { peer, .. } | Self::Local { peer, .. } => peer,
        }
    }

    async fn serve(self, router: Router, watcher: Watcher) -> Result<(), &'static str> {
        match self {
            Self::Plain { stream, peer } => connection(stream, peer, router, watcher).await,
            Self::Local { stream, peer } => connection(stream, peer, router, watcher).await,
            Self::Tls { stream, peer, tls } => {
                let stream = handshake(&tls, stream).await.ok_or("there was no handshake")?;
                let peer = with_certificate(peer, &stream)?;
                connection(stream, peer, router, watcher).await
            }
        }
    }
}

async fn handshake(tls: &Exchange, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(tls.current());
    tokio::time::timeout(limits::HANDSHAKE_TIME, acceptor.accept(stream)).await.ok()?.ok()
}

/// The peer with the certificate it has shown, if any.
fn with_certificate(peer: Peer, stream: &TlsStream<TcpStream>) -> Result<Peer, &'static str> {
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    match (peer, shown) {
        (Peer::Network { address, .. }, Some(der)) => {
            let certificate = PeerCertificate::read(der).ok_or("its client certificate is of a form that is not read")?;
            Ok(Peer::Network { address, certificate: Some(Arc::new(certificate)) })
        }
        (peer, _) => Ok(peer),
    }
}

async fn connection<S>(stream: S, peer: Peer, router: Router, watcher: Watcher) -> Result<(), &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEADER_TIME).max_buf_size(limits::HEADER);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(limits::HEADER as u32).max_concurrent_streams(256);
    let usage = Use::begin();
    let stream = usage.watch(stream);
    let counted = usage.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let (open, answer) = (counted.request(), router.clone().oneshot(request));
        async move {
            let _open = open;
            answer.await
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    tokio::select! {
        served = watcher.watch(connection) => served.map_err(|_| "it broke the protocol or was closed"),
        () = usage.ended(limits::IDLE_TIME) => Err("nobody used it"),
    }
}
