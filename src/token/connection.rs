//! The daemon's end of a connection to a worker, as far as writing goes.
//!
//! Whoever asks writes, without waiting: a worker that reads nothing must not hold up a task. What the socket does not take at once is
//! left to a thread that may wait.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use super::lock;
use super::wire::frame::{self, Frames, ReadError};
use super::wire::message::{Hello, MAGIC, VERSION};
use super::wire::outbox::Outbox;

/// Both sides greet at once.
const GREETED_WITHIN: Duration = Duration::from_secs(5);

/// How often the one who reads looks around until it is known how the token is.
const LOOKS_AROUND: Duration = Duration::from_millis(500);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    #[error("the token worker's socket cannot be reached")]
    Socket(#[from] io::Error),
    #[error("what listens on the token worker's socket is no worker of this version")]
    NotAWorker,
}

/// A connection that requests are written to.
pub struct Connection {
    socket: UnixStream,
    outbox: Outbox,
    /// What the socket did not take.
    rest: Mutex<Rest>,
    changed: Condvar,
}

/// A new connection, what comes in by it, and the thread that writes what the socket does not take at once.
pub struct Open {
    pub connection: Arc<Connection>,
    pub frames: Frames<UnixStream>,
    pub writer: JoinHandle<()>,
}

#[derive(Default)]
struct Rest {
    bytes: Option<Vec<u8>>,
    is_over: bool,
}

/// What comes in, for a task. Reading does not wait any more then, and neither does the other direction, which shares that with it.
pub fn for_a_task(frames: Frames<UnixStream>) -> io::Result<Frames<tokio::net::UnixStream>> {
    frames.of(|socket| {
        socket.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(socket)
    })
}

impl Connection {
    /// Connects and exchanges greetings.
    pub fn open(path: &Path) -> Result<Open, NotConnected> {
        let mut socket = UnixStream::connect(path)?;
        let mut hello = Vec::new();
        frame::write(&mut hello, &Hello { magic: MAGIC, version: VERSION }).map_err(|_| NotConnected::NotAWorker)?;
        socket.set_write_timeout(Some(GREETED_WITHIN))?;
        socket.set_read_timeout(Some(GREETED_WITHIN))?;
        socket.write_all(&hello)?;
        let mut frames = Frames::new(socket.try_clone()?);
        match frames.read() {
            Ok(Some(content)) => match frame::read::<Hello>(content) {
                Ok(Hello { magic: MAGIC, version: VERSION }) => {}
                Ok(_) | Err(_) => return Err(NotConnected::NotAWorker),
            },
            Ok(None) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Err(ReadError::Bad(_)) => return Err(NotConnected::NotAWorker),
            Err(ReadError::Connection(error)) => return Err(error.into()),
        }
        socket.set_write_timeout(None)?;
        socket.set_read_timeout(Some(LOOKS_AROUND))?;
        let connection = Arc::new(Self { socket, outbox: Outbox::default(), rest: Mutex::default(), changed: Condvar::new() });
        let writer = connection.clone();
        let writer = std::thread::Builder::new().name("token-rest".to_owned()).spawn(move || writer.write_rests())?;
        Ok(Open { connection, frames, writer })
    }

    /// Sends frames, or leaves them to whoever is sending. A failure is seen by the one who reads.
    pub fn send(&self, frames: &[u8]) {
        if !self.outbox.push(frames) {
            return;
        }
        let mut buffer = Vec::new();
        while self.outbox.take(&mut buffer) {
            match self.send_now(&buffer) {
                Ok(sent) if sent == buffer.len() => {}
                Ok(sent) => {
                    // The writing goes on in the other thread: the outbox stays taken until that has emptied it.
                    buffer.drain(..sent);
                    lock(&self.rest).bytes = Some(buffer);
                    self.changed.notify_all();
                    return;
                }
                Err(_) => self.end(),
            }
        }
    }

    /// Reading does not time out any more.
    pub fn wait_for_ever(&self) {
        if let Err(error) = self.socket.set_read_timeout(None) {
            tracing::debug!(%error, "the read timeout of a connection stays");
        }
    }

    /// Ends it for both sides; whoever reads finds out.
    pub fn end(&self) {
        // It may be gone already, and that is what is wanted.
        drop(self.socket.shutdown(Shutdown::Both));
        lock(&self.rest).is_over = true;
        self.changed.notify_all();
    }

    /// Writes what the socket takes without waiting, and says how much that was.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(left) = bytes.get(sent..).filter(|left| !left.is_empty()) {
            match send(self.socket.as_raw_fd(), left, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(sent)
    }

    fn write_rests(&self) {
        while let Some(rest) = self.next_rest() {
            let mut buffer = rest;
            loop {
                if self.send_all(&buffer).is_err() {
                    self.end();
                    return;
                }
                if !self.outbox.take(&mut buffer) {
                    break;
                }
            }
        }
    }

    /// Waits for room as long as it takes.
    fn send_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        while let Some(left) = bytes.get(sent..).filter(|left| !left.is_empty()) {
            match self.send_now(left)? {
                0 => match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                },
                more => sent += more,
            }
        }
        Ok(())
    }

    fn next_rest(&self) -> Option<Vec<u8>> {
        let mut rest = lock(&self.rest);
        loop {
            if rest.is_over {
                return None;
            }
            if let Some(bytes) = rest.bytes.take() {
                return Some(bytes);
            }
            rest = self.changed.wait(rest).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
