//! One daemon's connection: requests in, answers out as they come.

use std::collections::HashSet;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::listener::Peers;
use super::opening::Opening;
use crate::token::engine::Reply;
use crate::token::error::{FailedCall, TokenError};
use crate::token::lock;
use crate::token::request::{Answer, Ask};
use crate::token::wire::frame::{self, Frames};
use crate::token::wire::message::{Hello, MAGIC, VERSION};
use crate::token::wire::outbox::Outbox;
use crate::token::wire::{self, FromDaemon, State};

/// One daemon needs one; a few more come while it reconnects, or from a tool.
const MOST_CONNECTIONS: usize = 16;
/// Who takes no answer for so long is gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Everybody who is connected.
pub struct Clients {
    opening: Arc<Opening>,
    peers: Peers,
    open: Mutex<Vec<Weak<Connection>>>,
}

struct Connection {
    socket: UnixStream,
    outbox: Outbox,
    /// The requests that somebody waits for.
    wanted: Mutex<HashSet<u64>>,
    told: Mutex<Option<State>>,
}

/// Where one answer goes. When it is lost the one who waits is told so.
struct Slot {
    connection: Arc<Connection>,
    id: u64,
    is_answered: bool,
}

impl Clients {
    pub fn new(opening: Arc<Opening>, peers: Peers) -> Arc<Self> {
        Arc::new(Self { opening, peers, open: Mutex::default() })
    }

    /// Serves a connection on a thread of its own, if who is there may ask.
    pub fn serve(self: &Arc<Self>, socket: UnixStream) {
        let mut open = lock(&self.open);
        open.retain(|connection| connection.strong_count() > 0);
        if !self.peers.may_connect(&socket) || open.len() >= MOST_CONNECTIONS {
            return;
        }
        let connection = Arc::new(Connection { socket, outbox: Outbox::default(), wanted: Mutex::default(), told: Mutex::default() });
        open.push(Arc::downgrade(&connection));
        drop(open);
        let clients = self.clone();
        let serving = move || {
            if let Err(error) = clients.converse(&connection) {
                tracing::warn!(%error, "a connection ended badly");
            }
            connection.end();
        };
        if let Err(error) = std::thread::Builder::new().name("client".to_owned()).spawn(serving) {
            tracing::error!(%error, "a thread for a connection could not be started");
        }
    }

    /// Has a token that is away looked for.
    pub fn look(&self) {
        self.opening.look();
    }

    /// Says how the token is to everybody who was told otherwise.
    pub fn tell_state(&self) {
        let state = self.opening.token();
        let open: Vec<_> = lock(&self.open).iter().filter_map(Weak::upgrade).collect();
        for connection in open {
            connection.tell(&state);
        }
    }

    fn converse(&self, connection: &Arc<Connection>) -> Result<(), frame::ReadError> {
        connection.socket.set_write_timeout(Some(TAKEN_WITHIN))?;
        let mut frames = Frames::new(connection.socket.try_clone()?);
        let Some(content) = frames.read()? else { return Ok(()) };
        let greeted: Hello = frame::read(content)?;
        let mut hello = Vec::new();
        frame::write(&mut hello, &Hello { magic: MAGIC, version: VERSION })?;
        connection.send(&hello);
        if greeted != (Hello { magic: MAGIC, version: VERSION }) {
            return Err(frame::BadFrame::Content.into());
        }
        // Who has greeted is told; before that nobody is.
        *lock(&connection.told) = Some(State::Opening);
        connection.tell(&self.opening.token());
        loop {
            if !frames.is_one_there() {
                self.opening.await_demand();
            }
            let Some(content) = frames.read()? else { return Ok(()) };
            match wire::read_from_daemon(content)? {
                FromDaemon::Request { id, ask } => self.request(connection, id, ask),
                FromDaemon::Cancel { id } => drop(lock(&connection.wanted).remove(&id)),
            }
        }
    }

    fn request(&self, connection: &Arc<Connection>, id: u64, ask: Ask) {
        lock(&connection.wanted).insert(id);
        let mut slot = Slot { connection: connection.clone(), id, is_answered: false };
        let wanted = connection.clone();
        let reply =
            Reply { send: Box::new(move |outcome| slot.answer(outcome)), is_wanted: Box::new(move || lock(&wanted.wanted).contains(&id)) };
        self.opening.submit(ask, reply);
    }
}

impl Connection {
    fn tell(&self, state: &State) {
        let mut told = lock(&self.told);
        if told.is_none() || told.as_ref() == Some(state) {
            return;
        }
        *told = Some(state.clone());
        drop(told);
        let mut frame = Vec::new();
        if wire::write_state(&mut frame, state).is_ok() {
            self.send(&frame);
        }
    }

    /// Sends frames, or leaves them to whoever is sending.
    fn send(&self, frames: &[u8]) {
        if !self.outbox.push(frames) {
            return;
        }
        let mut buffer = Vec::new();
        while self.outbox.take(&mut buffer) {
            if let Err(error) = (&self.socket).write_all(&buffer) {
                tracing::debug!(%error, "an answer was not taken");
                self.end();
            }
        }
    }

    /// Ends it; nobody waits for what is still being done.
    fn end(&self) {
        // It may be gone already, and that is what is wanted.
        drop(self.socket.shutdown(Shutdown::Both));
        lock(&self.wanted).clear();
    }
}

impl Slot {
    fn answer(&mut self, outcome: Result<Answer, TokenError>) {
        self.is_answered = true;
        if !lock(&self.connection.wanted).remove(&self.id) {
            return;
        }
        let mut frame = Vec::new();
        if wire::write_answer(&mut frame, self.id, outcome).is_err() {
            frame.clear();
            if wire::write_answer(&mut frame, self.id, Err(TokenError::TooLong)).is_err() {
                return;
            }
        }
        self.connection.send(&frame);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_answered {
            self.answer(Err(TokenError::Unavailable(Some(FailedCall::NoWorker))));
        }
    }
}
