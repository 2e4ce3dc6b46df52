//! An answer that may be given again: without what is told once.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// Says of an answer that it was given before.
pub const REPLAYED: &str = "idempotency-replayed";
/// Members of answers that are told once: private keys, and secrets that show who somebody is.
const TOLD_ONCE: [&str; 6] = ["private_key", "token", "secret", "value", "password", "eab_hmac_key"];

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The part of an answer that may be kept; none when that cannot be told from the rest.
    pub fn of(status: StatusCode, content_type: Option<&HeaderValue>, body: &[u8]) -> Option<Self> {
        let content_type = content_type?.to_str().ok()?;
        if content_type != "application/json" {
            return None;
        }
        let mut value: Value = serde_json::from_slice(body).ok()?;
        let mut left_out = Vec::new();
        leave_out(&mut value, &mut left_out);
        let body = if left_out.is_empty() {
            body.to_vec()
        } else {
            warn(&mut value, &left_out);
            serde_json::to_vec(&value).ok()?
        };
        Some(Self { status: status.as_u16(), content_type: content_type.to_owned(), body })
    }

    /// It again.
    pub fn again(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::CREATED);
        if let Ok(kind) = HeaderValue::try_from(self.content_type) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// What an answer says instead of what is told once.
pub fn not_repeated(member: &str) -> String {
    format!("{member} was in the first answer and is not repeated")
}

fn leave_out(value: &mut Value, names: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.retain(|name, member| {
                let is_secret = (TOLD_ONCE.contains(&name.as_str()) && member.is_string()) || looks_secret(member);
                if is_secret {
                    names.push(name.clone());
                }
                !is_secret
            });
            members.values_mut().for_each(|member| leave_out(member, names));
        }
        Value::Array(items) => {
            items.retain(|item| !looks_secret(item));
            items.iter_mut().for_each(|item| leave_out(item, names));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whatever its name: a private key in PEM, or the secret of an API token.
fn looks_secret(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("PRIVATE KEY-----") || text.starts_with("chy_"))
}

fn warn(value: &mut Value, names: &[String]) {
    let Value::Object(members) = value else { return };
    let warnings = members.entry("warnings").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(warnings) = warnings {
        warnings.extend(names.iter().map(|name| Value::String(not_repeated(name))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: &str) -> String {
        let json = HeaderValue::from_static("application/json");
        String::from_utf8(Answer::of(StatusCode::CREATED, Some(&json), body.as_bytes()).unwrap().body).unwrap()
    }

    #[test]
    fn what_is_told_once_is_left_out_and_said() {
        let plain = "{\"name\": \"x\",  \"warnings\": []}";
        assert_eq!(kept(plain), plain, "byte for byte");
        let key = r#"{"id":"cert_1","private_key":"-----BEGIN EC PRIVATE KEY-----\nAA","warnings":["w"]}"#;
        let warning = "private_key was in the first answer and is not repeated";
        assert_eq!(kept(key), format!(r#"{{"id":"cert_1","warnings":["w","{warning}"]}}"#));
        let deep = kept(r#"{"a":{"b":[{"token":"x"},"chy_1"],"odd":"-----BEGIN PRIVATE KEY-----"}}"#);
        assert!(!deep.contains('x') && !deep.contains("chy_") && !deep.contains("BEGIN"), "{deep}");
    }

    #[test]
    fn what_is_no_json_is_not_kept() {
        let text = HeaderValue::from_static("text/plain");
        assert_eq!(Answer::of(StatusCode::CREATED, Some(&text), b"{}"), None);
        let json = HeaderValue::from_static("application/json");
        assert_eq!(Answer::of(StatusCode::CREATED, Some(&json), b"{"), None);
    }
}
