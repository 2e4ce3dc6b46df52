//! A CRL on its way out: read from its file piece by piece, in DER, in a part of it, in PEM, or in PEM inside JSON.

use std::io;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;

use crate::ca::CrlBytes;
use crate::http::problem::Problem;

/// What is read at a time: whole lines of PEM, 48 bytes each (RFC 7468, 2). It begins small and doubles with each piece that is taken, so that
/// a client has as much of an answer in our memory as it has taken of it, and no more.
const FIRST_PIECE: usize = LINE * 64;
const PIECE: usize = LINE * 2_048;
const LINE: usize = 48;
const BEGIN: &str = "-----BEGIN X509 CRL-----";
const END: &str = "-----END X509 CRL-----";

/// A part that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    From {
        at: u64,
        length: u64,
    },
    /// Nothing of it is there.
    Beyond,
}

impl Slice {
    /// Reads the header Range. What is no single range of bytes is as if it were not there (RFC 9110, 14.2).
    pub fn asked(range: &str, length: u64) -> Option<Self> {
        let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
        let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse::<u64>().ok() } else { None };
        let (at, end) = match (first, last) {
            ("", last) => (length.saturating_sub(number(last)?), length),
            (first, "") => (number(first)?, length),
            (first, last) => (number(first)?, number(last)?.checked_add(1).filter(|end| *end > number(first).unwrap_or(0))?.min(length)),
        };
        Some(if at < end { Self::From { at, length: end - at } } else { Self::Beyond })
    }
}

/// The CRL, or what of it is asked for.
pub fn der(bytes: CrlBytes, length: u64, asked: Option<Slice>) -> Result<Response<Body>, Problem> {
    let (status, at, count) = match asked {
        None => (StatusCode::OK, 0, length),
        Some(Slice::From { at, length }) => (StatusCode::PARTIAL_CONTENT, at, length),
        Some(Slice::Beyond) => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    let range = match asked {
        None => None,
        Some(Slice::From { at, length: count }) => Some(format!("bytes {at}-{}/{length}", at + count - 1)),
        Some(Slice::Beyond) => Some(format!("bytes */{length}")),
    };
    let mut response = Response::new(if count == 0 { Body::empty() } else { pieces(bytes, at, count, Ok) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-crl"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = range {
        headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&range).map_err(Problem::internal)?);
    }
    Ok(response)
}

/// The CRL in PEM.
pub fn pem(bytes: CrlBytes, length: u64) -> Response<Body> {
    let text = (BEGIN.len() + END.len() + 2) as u64 + length.div_ceil(3) * 4 + length.div_ceil(LINE as u64);
    let mut response =
        Response::new(between(format!("{BEGIN}\n"), pieces(bytes, 0, length, |piece| Ok(lines(&piece, "\n"))), format!("{END}\n")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pem-file"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text));
    response
}

/// The CRL in PEM as a JSON text between these.
pub fn pem_in_json(bytes: CrlBytes, length: u64, before: &str, behind: &str) -> Body {
    let lines = pieces(bytes, 0, length, |piece| Ok(lines(&piece, "\\n")));
    between(format!("{before}\"{BEGIN}\\n"), lines, format!("{END}\\n\"{behind}"))
}

fn lines(piece: &[u8], end: &str) -> Bytes {
    let mut text = String::with_capacity(piece.len() / 3 * 4 + piece.len() / LINE * end.len() + 80);
    for line in piece.chunks(LINE) {
        STANDARD.encode_string(line, &mut text);
        text.push_str(end);
    }
    text.into()
}

fn between(before: String, body: Body, behind: String) -> Body {
    let edge = |text: String| stream::once(async move { Ok::<_, axum::Error>(Bytes::from(text)) });
    let stream = futures_util::StreamExt::chain(edge(before), body.into_data_stream());
    Body::from_stream(futures_util::StreamExt::chain(stream, edge(behind)))
}

/// So many bytes from there, each piece as `form` makes it. Only one piece is in memory.
fn pieces(bytes: CrlBytes, at: u64, count: u64, form: fn(Bytes) -> io::Result<Bytes>) -> Body {
    let state = Some((bytes, at, count, FIRST_PIECE));
    Body::from_stream(stream::unfold(state, move |state| async move {
        let (bytes, at, left, piece) = state?;
        if left == 0 {
            return None;
        }
        let most = usize::try_from(left).unwrap_or(piece).min(piece);
        let next = (2 * piece).min(PIECE);
        let read = tokio::task::spawn_blocking(move || {
            let piece = bytes.read(at, most);
            (bytes, piece)
        });
        let (bytes, piece) = match read.await {
            Ok(read) => read,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        };
        match piece {
            Ok(piece) if piece.is_empty() => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
            Ok(piece) => {
                let read = piece.len() as u64;
                Some((form(piece.into()), Some((bytes, at + read, left.saturating_sub(read), next))))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood() {
        let from = |at, length| Some(Slice::From { at, length });
        for (range, wanted) in [
            ("bytes=0-", from(0, 100)),
            ("bytes=0-0", from(0, 1)),
            ("bytes=10-19", from(10, 10)),
            ("bytes=90-1000", from(90, 10)),
            ("bytes=-5", from(95, 5)),
            ("bytes=-500", from(0, 100)),
            ("bytes=100-", Some(Slice::Beyond)),
            ("bytes=200-300", Some(Slice::Beyond)),
            ("bytes=-0", Some(Slice::Beyond)),
            ("bytes=5-4", None),
            ("bytes=1-2,4-5", None),
            ("bytes=+1-2", None),
            ("bytes=a-", None),
            ("bytes=-", None),
            ("lines=1-2", None),
            ("bytes=18446744073709551615-18446744073709551615", None),
        ] {
            assert_eq!(Slice::asked(range, 100), wanted, "{range}");
        }
    }
}
