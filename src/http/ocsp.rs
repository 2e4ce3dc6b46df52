//! OCSP over HTTP (RFC 6960, A; RFC 5019, 5 and 6): `/ocsp/{ca}`, for anybody.
//!
//! Whatever a responder says, also that it does not answer, is 200 with an OCSPResponse.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;

use super::call::Call;
use super::condition::{self, Condition};
use super::peer::Peer;
use super::pki::present;
use super::problem::Problem;
use crate::base::id::CaId;
use crate::ca::Caching;

/// RFC 6960, A.1, asks for padding; some clients leave it out, because it is escaped in a URL.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// GET, the request in the path. It has been unescaped by now; slashes are part of the alphabet, escaped or not.
pub async fn by_path(call: Call) -> Result<Response<Body>, Problem> {
    let ca = call.id("ca", "authority")?;
    // What is no base64 is answered like anything else that is no request.
    let request = BASE64.decode(call.parameter("request")).unwrap_or_default();
    respond(call, ca, &request).await
}

/// POST, the request as it is. Its media type is not looked at: there is nothing else that it could be.
pub async fn by_body(mut call: Call) -> Result<Response<Body>, Problem> {
    let ca = call.id("ca", "authority")?;
    let request = call.bytes().await?;
    respond(call, ca, &request).await
}

async fn respond(call: Call, ca: CaId, request: &[u8]) -> Result<Response<Body>, Problem> {
    // A URL that names nothing is no responder's.
    call.app.authorities.of_any_organization(ca).ok_or_else(|| Problem::not_found("authority"))?;
    let from = call.approach.peer.as_ref().and_then(Peer::source).map(Into::into);
    let answer = call.app.ocsp.answer(ca, request, from).await;
    call.app.metrics.ocsp(answer.said, answer.is_cached);
    let Some(caching) = answer.caching else {
        return present::bytes_of(StatusCode::OK, MEDIA_TYPE, answer.der);
    };
    let etag = format!("\"{}\"", hex::encode(caching.etag));
    // The tag alone decides: in the second of a revocation there may be two answers.
    let mut response = if Condition::of(&call).is_known(&etag, None) {
        condition::not_modified()
    } else {
        present::bytes_of(StatusCode::OK, MEDIA_TYPE, answer.der)?
    };
    let headers = response.headers_mut();
    let now = call.app.clock.now();
    for (name, value) in [
        (header::ETAG, etag),
        (header::LAST_MODIFIED, http_date(caching.produced_at)),
        (header::EXPIRES, http_date(caching.fresh_until.max(now))),
        (header::CACHE_CONTROL, cache_control(&caching, now)),
    ] {
        headers.insert(name, HeaderValue::from_str(&value).map_err(Problem::internal)?);
    }
    Ok(response)
}

const MEDIA_TYPE: &str = "application/ocsp-response";

/// RFC 5019, 6.2: not changed on the way, not given when it is too old, and asked for again in time for what comes next.
fn cache_control(caching: &Caching, now: Timestamp) -> String {
    let left = (caching.fresh_until.as_second() - now.as_second()).max(0);
    format!("max-age={left}, public, no-transform, must-revalidate")
}

/// RFC 9110, 5.6.7.
fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_seconds;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date("1994-11-06T08:49:37Z".parse().unwrap()), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn caches_ask_again_when_the_next_answer_comes() {
        let caching =
            Caching { produced_at: from_seconds(100), fresh_until: from_seconds(200), next_update: from_seconds(400), etag: [0; 16] };
        assert_eq!(cache_control(&caching, from_seconds(150)), "max-age=50, public, no-transform, must-revalidate");
        assert_eq!(cache_control(&caching, from_seconds(300)), "max-age=0, public, no-transform, must-revalidate");
    }
}
