//! `/v1/events`: what has happened, in pages and as a stream of server-sent events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures_util::stream;

use super::app::App;
use super::authenticate::Approach;
use super::call::Call;
use super::pki::present;
use super::problem::Problem;
use super::query::Query;
use crate::access::Caller;
use crate::audit::Actor;
use crate::base::id::{OrgId, TokenId};
use crate::base::page::{Cursor, NotACursor, Page};
use crate::events::{Event, Pattern};

/// How many clients may follow at once; each holds a connection.
const MOST_STREAMS: usize = 256;
/// How many of these may be one organisation's, and one token's: nobody takes the places of all others.
const OF_ORGANIZATION: usize = 32;
const OF_TOKEN: usize = 8;
/// How soon after a deed those who follow are told.
const LOOK: Duration = Duration::from_millis(250);
/// So often a word is sent when nothing happens, for those in between that close idle connections.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many events are sent at once.
const AT_ONCE: usize = 100;
/// What a client waits before it comes again, in milliseconds, as the stream tells it.
const COME_AGAIN: u32 = 2_000;

/// Who follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Follows {
    organization: OrgId,
    /// None of those who came through the break-glass socket.
    token: Option<TokenId>,
}

/// The streams that are open.
#[derive(Debug, Default)]
pub struct Streams {
    open: Mutex<Vec<Follows>>,
    are_over: AtomicBool,
}

impl Streams {
    /// Ends them, so that the daemon can stop.
    pub fn end(&self) {
        self.are_over.store(true, Ordering::Relaxed);
    }

    fn open(&self) -> MutexGuard<'_, Vec<Follows>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more, unless there are enough.
    fn admit(&self, follows: Follows) -> bool {
        let mut open = self.open();
        let of_organization = open.iter().filter(|known| known.organization == follows.organization).count();
        let of_token = open.iter().filter(|known| follows.token.is_some() && known.token == follows.token).count();
        let has_room = open.len() < MOST_STREAMS && of_organization < OF_ORGANIZATION && of_token < OF_TOKEN;
        if has_room {
            open.push(follows);
        }
        has_room
    }

    fn release(&self, follows: Follows) {
        let mut open = self.open();
        if let Some(place) = open.iter().position(|known| *known == follows) {
            open.swap_remove(place);
        }
    }
}

/// `GET /v1/events`, oldest first. A page may be short, for a page reads a bounded part of the journal.
pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let pattern = query.parse::<Pattern>("type", "an event such as certificate.issued or certificate.*");
    let after = after(&mut query);
    let limit = query.limit();
    let mark = call.mark(&format!("events {}", pattern.map(|pattern| pattern.to_string()).unwrap_or_default()));
    let cursor = query.cursor(&mark);
    query.finish()?;
    let after = match &cursor {
        None => after.unwrap_or(0),
        Some(cursor) => u64::from_be_bytes(cursor.key().try_into().map_err(|_| NotACursor)?),
    };
    let (events, organization) = (call.app.events.clone(), call.caller.organization());
    // Reading back a part of the journal is long work for a connection's thread.
    let read = move || events.page(organization, pattern, after, limit);
    let found = call.app.long_work.run(organization, read).await??;
    let next = found.next.map(|sequence| Cursor::after(&mark, &sequence.to_be_bytes()));
    present::json(StatusCode::OK, &present::page(Page { items: found.events, next }, |event| event.to_cloud()))
}

/// `GET /v1/events/stream`: what happens from now on, or behind `after` or the header `Last-Event-ID`, as it becomes durable.
pub async fn follow(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let pattern = query.parse::<Pattern>("type", "an event such as certificate.issued or certificate.*");
    let after = after(&mut query);
    query.finish()?;
    let seen = call.approach.headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let place = Place::take(&call.app, &call.caller).ok_or_else(too_many)?;
    let after = seen.or(after).unwrap_or_else(|| call.app.events.latest());
    let organization = call.caller.organization();
    let follower = Follower { approach: call.approach, place, organization, pattern, after, last_word: Instant::now(), has_begun: false };
    let frames = stream::unfold(follower, |mut follower| async {
        let frame = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), follower))
    });
    let mut response = Response::new(Body::from_stream(frames));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// One of [`MOST_STREAMS`], given back when the stream ends.
struct Place {
    app: Arc<App>,
    follows: Follows,
}

impl Place {
    fn take(app: &Arc<App>, caller: &Caller) -> Option<Self> {
        let token = match caller.origin().actor() {
            Actor::Token { id, .. } => Some(*id),
            Actor::AcmeAccount { .. } | Actor::BreakGlass { .. } | Actor::System | Actor::Anonymous => None,
        };
        let follows = Follows { organization: caller.organization(), token };
        app.streams.admit(follows).then(|| Self { app: app.clone(), follows })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.streams.release(self.follows);
    }
}

/// A client that follows.
struct Follower {
    approach: Approach,
    place: Place,
    organization: OrgId,
    pattern: Option<Pattern>,
    after: u64,
    last_word: Instant,
    has_begun: bool,
}

impl Follower {
    /// The next bytes of the stream; none when it is over.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(Bytes::from(format!("retry: {COME_AGAIN}\n\n")));
        }
        loop {
            let app = &self.place.app;
            // A token that was revoked reads nothing more.
            if app.streams.are_over.load(Ordering::Relaxed) || self.approach.permitted(app).is_err() {
                return None;
            }
            if app.events.latest() > self.after {
                let (events, organization, pattern, after) = (app.events.clone(), self.organization, self.pattern, self.after);
                let found = app.long_work.in_turn(move || {
                    // What was there before it was looked has been looked at afterwards.
                    let latest = events.latest();
                    events.page(organization, pattern, after, AT_ONCE).map(|page| (page, latest))
                });
                let Ok(Ok((page, latest))) = found.await else { return None };
                self.after = page.next.unwrap_or(latest.max(self.after));
                let text: String = page.events.iter().map(sent).collect();
                if !text.is_empty() {
                    self.last_word = Instant::now();
                    return Some(Bytes::from(text));
                }
            }
            if self.last_word.elapsed() >= HEARTBEAT {
                self.last_word = Instant::now();
                return Some(Bytes::from_static(b":\n\n"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// One event of the stream. JSON has no line ends of its own.
fn sent(event: &Event) -> String {
    let text = serde_json::to_string(&event.to_cloud()).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {text}\n\n", event.sequence, event.kind)
}

fn after(query: &mut Query) -> Option<u64> {
    query.parse("after", "the id of an event")
}

fn too_many() -> Problem {
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_streams",
        "As many clients follow the events as may: of the token, its organization or all together.",
    );
    Problem { retry_after: Some(5), ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_or_organization_does_not_take_every_stream() {
        let streams = Streams::default();
        let (one, other) = (OrgId::new(), OrgId::new());
        let of = |organization, token| Follows { organization, token: Some(token) };
        let token = TokenId::new();
        assert!((0..OF_TOKEN).all(|_| streams.admit(of(one, token))));
        assert!(!streams.admit(of(one, token)));
        assert!((OF_TOKEN..OF_ORGANIZATION).all(|_| streams.admit(of(one, TokenId::new()))));
        assert!(!streams.admit(of(one, TokenId::new())));
        assert!(!streams.admit(Follows { organization: one, token: None }));
        assert!(streams.admit(of(other, TokenId::new())));
        streams.release(of(one, token));
        assert!(streams.admit(of(one, token)));
    }
}
