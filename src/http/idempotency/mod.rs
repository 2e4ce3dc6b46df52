//! `Idempotency-Key`: a request that makes something, sent again with the key it had, is answered again and not done again.
//!
//! ```text
//!               durable              the deed, with its audit entry           durable
//!   nothing ───────────────▶ begun ────────────────────────────────▶ done ──────────────▶ answered
//!      ▲                       │                                       │                     │
//!      └─ refused, or failed ──┘                                       └── made again, from ─┘
//!                                                                          what was made
//! ```
//!
//! That it is begun is durable before anything is done, with the id of the request, which the audit entry of the deed names in the same change.
//! So after a crash it is known whether it was done and what was made, and the answer is made again from that; nothing is made a second time.
//!
//! It is for every POST that answers 201, by the table of operations. Kept are answers of things that were made, for a day, without private keys
//! and secrets. A refusal and a failure are not kept: the next request with the key is a new one.

mod answer;
mod keys;
mod record;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

pub use self::answer::not_repeated;
pub use self::keys::{IdempotencyKeys, KEPT_FOR, MOST_OF_A_CALLER};
pub use record::reads;

use self::answer::Answer;
use self::keys::{Asked, Known, Place};
use super::call::Call;
use super::limits;
use super::problem::Problem;
use super::routes::{ROUTES, Route};
use super::{acme, admin, openapi, pki, webhooks};
use crate::audit::Actor;
use crate::base::hash::sha256;

/// The header with the key.
pub const HEADER: &str = "Idempotency-Key";
/// The longest key.
pub const LONGEST: usize = 255;

/// Whether requests of this route may have a key.
pub fn is_for(route: &Route) -> bool {
    // Nonces keep ACME clients from doing anything twice (RFC 8555, 6.5).
    route.method == Method::POST && openapi::creates(route) && !route.is_acme()
}

/// Serves a permitted request by its route's handler, or by what that answered before.
pub async fn serve(route: &'static Route, mut call: Call) -> Result<Response<Body>, Problem> {
    if !call.approach.headers.contains_key(HEADER) || !is_for(route) {
        return (route.handler)(call).await;
    }
    let key = read_key(&call.approach.headers)?.to_vec();
    let body = call.bytes().await?;
    let asked = Asked { place: place(route, &call, &key), fingerprint: sha256(&body), request: call.approach.id };
    call.body = Body::from(body);
    let app = call.app.clone();
    let keys = &app.idempotency;
    let _turn = keys.turn(&asked).await?;
    match keys.begin(&asked).await? {
        Known::Answered(answer) => Ok(answer.again()),
        Known::Made(made) => {
            let (answer, _) = kept(again(route, call, &made).await?).await?;
            let answer = answer.ok_or_else(|| lost(&made))?;
            keys.keep(asked.place, &answer).await;
            Ok(answer.again())
        }
        Known::Begun => match (route.handler)(call).await {
            Ok(response) => {
                let (answer, response) = kept(response).await?;
                if let Some(answer) = answer {
                    keys.keep(asked.place, &answer).await;
                }
                Ok(response)
            }
            Err(problem) => {
                // What failed may have been done all the same: the next one looks.
                if problem.status.is_client_error() {
                    keys.forget(asked.place).await;
                }
                Err(problem)
            }
        },
    }
}

/// The key of a request that has one.
fn read_key(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let mut values = headers.get_all(HEADER).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (Some(key), None) if (1..=LONGEST).contains(&key.len()) && key.iter().all(|byte| matches!(byte, b' '..=b'~')) => Ok(key),
        _ => Err(Problem::field(HEADER, format_args!("one header of 1 to {LONGEST} printable ASCII characters is wanted"))),
    }
}

/// Where a key is kept: callers do not share theirs, and neither do routes.
fn place(route: &Route, call: &Call, key: &[u8]) -> Place {
    let caller = match call.caller.origin().actor() {
        Actor::Token { id, .. } => *id.as_bytes(),
        // No id of a token is so low: its first bytes are a time.
        Actor::BreakGlass { user, .. } => u128::from(*user).to_be_bytes(),
        Actor::Anonymous | Actor::System | Actor::AcmeAccount { .. } => [0xFF; 16],
    };
    let mut hash = Context::new(&SHA256);
    let parameters = call.path.iter().map(|(_, value)| value.as_bytes());
    for part in [route.path.as_bytes()].into_iter().chain(parameters).chain([key]) {
        // With their lengths, so that no two lists of parts are hashed alike.
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut place = [0; 48];
    place.iter_mut().zip(caller.iter().chain(hash.finish().as_ref())).for_each(|(to, from)| *to = *from);
    Place(place)
}

/// What may be kept of a response, and the response.
async fn kept(response: Response<Body>) -> Result<(Option<Answer>, Response<Body>), Problem> {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, limits::BODY).await.map_err(Problem::internal)?;
    let answer = Answer::of(parts.status, parts.headers.get(header::CONTENT_TYPE), &body);
    Ok((answer, Response::from_parts(parts, Body::from(body))))
}

/// The answer that was not given any more, made again from what was made: what shows such a thing shows it.
async fn again(route: &Route, mut call: Call, made: &str) -> Result<Response<Body>, Problem> {
    // What is imported is shown where its like are.
    let list = route.path.strip_suffix("/import").unwrap_or(route.path);
    let shows = |known: &'static Route| {
        let parameter = known.path.strip_prefix(list)?.strip_prefix("/{")?.strip_suffix('}')?;
        (known.method == Method::GET && !parameter.contains(['/', '*'])).then_some((known, parameter))
    };
    let shown = match ROUTES.iter().find_map(shows) {
        // Its first answer had more members than what shows it.
        _ if made.starts_with("webhook_") => webhooks::again(&call, made),
        Some((known, parameter)) => {
            call.path = vec![(parameter.to_owned(), made.to_owned())];
            call.query = None;
            call.body = Body::empty();
            (known.handler)(call).await
        }
        None if made.starts_with("cert_") => pki::issue::again(&call, made),
        None if made.starts_with("cred_") => acme::credentials::again(&call, made),
        None if made.starts_with("tok_") => admin::tokens::again(&call, made),
        None => Err(lost(made)),
    };
    let mut response = shown.map_err(|problem| if problem.status.is_client_error() { lost(made) } else { problem })?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// It was made, and is not there any more, or cannot be shown as it was.
fn lost(made: &str) -> Problem {
    let detail = format!("This was done before, and made {made}; its answer cannot be given again.");
    Problem::conflict("idempotency_answer_lost", detail)
}
