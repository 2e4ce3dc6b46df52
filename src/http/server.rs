//! The accept loops: TLS for the API, plain HTTP for relying parties; with limits, and a drain at the end.

use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::idle::Use;
use super::limits;

/// Serves a router until `stop` turns true, then lets open requests finish for a while.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, router: Router, mut stop: watch::Receiver<bool>) {
    let acceptor = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or the peer was gone already: neither is a reason to stop serving.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        let (acceptor, router, watcher) = (acceptor.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            let served = match acceptor {
                None => connection(stream, router, watcher).await,
                Some(acceptor) => match handshake(acceptor, stream).await {
                    Some(stream) => connection(stream, router, watcher).await,
                    None => Ok(()),
                },
            };
            if let Err(error) = served {
                tracing::debug!(%peer, error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if let Some(graceful) = Arc::into_inner(graceful) {
        let _ = tokio::time::timeout(limits::DRAIN_TIME, graceful.shutdown()).await;
    }
}

/// Returns when `stop` is true, or when nobody is left to say so.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn handshake(acceptor: TlsAcceptor, stream: TcpStream) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    tokio::time::timeout(limits::HANDSHAKE_TIME, acceptor.accept(stream)).await.ok()?.ok()
}

async fn connection<S>(stream: S, router: Router, watcher: hyper_util::server::graceful::Watcher) -> Result<(), &'static str>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEADER_TIME).max_buf_size(limits::HEADER);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(limits::HEADER as u32).max_concurrent_streams(256);
    let usage = Use::begin();
    let stream = usage.watch(stream);
    let counted = usage.clone();
    let service = service_fn(move |request: Request<Incoming>| {
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
