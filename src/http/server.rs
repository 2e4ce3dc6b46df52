//! The accept loops: TLS for the API, plain HTTP for relying parties, a unix socket for emergencies; with limits, and a drain
//! at the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::admission::{Admission, Place};
use super::answer::{Answer, Answering, Progress};
use super::idle::{Begun, Neglect, Use};
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

/// Why a connection ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Early {
    #[error("there was no handshake in time")]
    NoHandshake,
    #[error("its client certificate is of a form that is not read")]
    UnreadCertificate,
    #[error("it broke the protocol or was closed")]
    Broken,
    #[error("nobody used it")]
    Unused,
    #[error("its client took an answer too slowly")]
    TakenTooSlowly,
}

/// Serves a router until `stop` turns true, then lets open requests finish for a while.
///
/// A connection beyond what is admitted is closed before a byte of it is read.
pub async fn serve(door: Door, admission: Arc<Admission>, router: Router, mut stop: watch::Receiver<bool>) {
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let arrival = tokio::select! {
            accepted = door.accept() => match accepted {
                Ok(arrival) => arrival,
                Err(error) => {
                    // Out of descriptors, or the peer was gone already: neither is a reason to stop serving.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let Ok(place) = admission.admit(arrival.peer().source()) else {
            arrival.refuse();
            continue;
        };
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let peer = arrival.peer().clone();
            if let Err(early) = arrival.serve(router, watcher, &place).await {
                place.cut(early);
                tracing::debug!(%peer, %early, "a connection ended early");
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

    /// Closes it by a reset, which leaves nothing behind in the kernel either: a flood would fill that with connections that wait to
    /// be forgotten (RFC 9293, 3.6.1).
    fn refuse(self) {
        match self {
            Self::Tls { stream, .. } | Self::Plain { stream, .. } => {
                let _ = stream.set_zero_linger();
            }
            Self::Local { .. } => {}
        }
    }

    async fn serve(self, router: Router, watcher: Watcher, place: &Place) -> Result<(), Early> {
        match self {
            Self::Plain { stream, peer } => connection(stream, peer, router, watcher, place).await,
            Self::Local { stream, peer } => connection(stream, peer, router, watcher, place).await,
            Self::Tls { stream, peer, tls } => {
                let stream = handshake(&tls, stream, place).await.ok_or(Early::NoHandshake)?;
                let peer = with_certificate(peer, &stream)?;
                connection(stream, peer, router, watcher, place).await
            }
        }
    }
}

impl Place {
    fn cut(&self, early: Early) {
        let reason = match early {
            Early::NoHandshake => "handshake",
            Early::UnreadCertificate => "client_certificate",
            Early::Broken => "protocol",
            Early::Unused => "unused",
            Early::TakenTooSlowly => "taken_too_slowly",
        };
        self.admission().counts().cut(reason);
    }

    /// How long a connection here may go without a request.
    fn patience(&self, begun: Begun) -> Duration {
        match (begun, self.admission().is_pressed()) {
            (Begun::NotYet, false) => limits::FIRST_REQUEST_TIME,
            (Begun::Yes, false) => limits::IDLE_TIME,
            (Begun::NotYet, true) => limits::PRESSED_FIRST_REQUEST_TIME,
            (Begun::Yes, true) => limits::PRESSED_IDLE_TIME,
        }
    }
}

async fn handshake(tls: &Exchange, stream: TcpStream, place: &Place) -> Option<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(tls.current());
    let patience = if place.admission().is_pressed() { limits::PRESSED_HANDSHAKE_TIME } else { limits::HANDSHAKE_TIME };
    tokio::time::timeout(patience, acceptor.accept(stream)).await.ok()?.ok()
}

/// The peer with the certificate it has shown, if any.
fn with_certificate(peer: Peer, stream: &TlsStream<TcpStream>) -> Result<Peer, Early> {
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    match (peer, shown) {
        (Peer::Network { address, .. }, Some(der)) => {
            let certificate = PeerCertificate::read(der).ok_or(Early::UnreadCertificate)?;
            Ok(Peer::Network { address, certificate: Some(Arc::new(certificate)) })
        }
        (peer, _) => Ok(peer),
    }
}

async fn connection<S>(stream: S, peer: Peer, router: Router, watcher: Watcher, place: &Place) -> Result<(), Early>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let usage = Use::begin(limits::TAKING);
    let stream = usage.watch(stream);
    let counted = usage.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let (open, answer) = (counted.request(), router.clone().oneshot(request));
        async move {
            let progress = Progress::current();
            answer.await.map(|response| with_true_length(response).map(|body| Answer::new(body, open, progress)))
        }
    });
    let connection = protocols().serve_connection(TokioIo::new(stream), service).into_owned();
    tokio::select! {
        served = watcher.watch(connection) => served.map_err(|_| Early::Broken),
        neglect = usage.neglected(|begun| place.patience(begun)) => Err(match neglect {
            Neglect::Unused => Early::Unused,
            Neglect::TakenTooSlowly => Early::TakenTooSlowly,
        }),
    }
}

/// The router says of each answer to HEAD how long its body is, which it has taken away when there was one. What is not modified has the length
/// of what was not sent, and no content has none (RFC 9110, 8.6).
fn with_true_length(mut response: Response<Body>) -> Response<Body> {
    if matches!(response.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// HTTP/1.1 and HTTP/2 with every limit said, so that another version of the libraries does not bring others.
fn protocols() -> auto::Builder<Answering> {
    let mut builder = auto::Builder::new(Answering { patience: limits::TAKING.time });
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEADER_TIME).max_buf_size(limits::HEADER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits::HEADER as u32)
        .max_frame_size(limits::FRAME)
        .max_concurrent_streams(limits::STREAMS)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .max_local_error_reset_streams(limits::FAULTY_STREAMS)
        .initial_stream_window_size(limits::STREAM_WINDOW)
        .initial_connection_window_size(limits::CONNECTION_WINDOW)
        .max_send_buf_size(limits::SEND_BUFFER);
    builder
}
