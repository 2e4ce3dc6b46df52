//! What one client may do to the others: connections, handshakes, requests, wrong tokens, and frames of HTTP/2 that are meant to harm.

mod connections;
mod frames;
mod guesses;
mod handshakes;
mod rates;
mod requests;

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

use crate::appliance::Appliance;
use crate::listener::reconfigure;
use crate::waiting::wait_for;

/// Wide, for the machine may do other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// An appliance that took these limits up while it served.
fn limited(dir: &Path, limits: &str) -> Appliance {
    let appliance = Appliance::start_in(dir);
    reconfigure(dir, |text| text + limits);
    appliance.signal(Signal::SIGHUP);
    wait_for("the limits to be taken up", || appliance.log().contains("the configuration was read again"));
    appliance
}

/// The address in a file that the appliance left, such as `http.addr`.
fn address(appliance: &Appliance, file: &str) -> SocketAddr {
    std::fs::read_to_string(appliance.path(file)).unwrap().trim().parse().unwrap()
}

/// The value of a metric; zero when it was never counted.
fn metric(appliance: &Appliance, name: &str) -> u64 {
    let text = appliance.call_as(None, "GET", "/metrics", None).text();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A connection from this address of the machine, which does not block.
fn connect(runtime: &Runtime, source: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        tokio::time::timeout(PATIENCE, socket.connect(to)).await.map_err(|_| ErrorKind::TimedOut)??.into_std()
    })
}

/// Whether the other end has closed or reset a connection that does not block.
fn is_closed(mut stream: &TcpStream) -> bool {
    !matches!(stream.read(&mut [0; 64]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}
