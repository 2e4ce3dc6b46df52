//! Paths and queries, with everything that comes from outside percent-encoded.

use std::fmt::Write;

/// A path below the base URL, and its query.
pub(super) struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    pub(super) fn new(path: &'static str) -> Self {
        Self { text: path.to_owned(), has_query: false }
    }

    /// One more segment, whatever it holds: it cannot become two, or a query.
    pub(super) fn segment(mut self, text: &str) -> Self {
        self.text.push('/');
        if text.bytes().all(|b| b == b'.') {
            // RFC 3986, 5.2.4: a segment of dots would be taken as a direction.
            self.text.extend(text.bytes().map(|_| "%2E"));
        } else {
            encode(&mut self.text, text);
        }
        self
    }

    /// More of the path as we know it.
    pub(super) fn then(mut self, path: &'static str) -> Self {
        self.text.push_str(path);
        self
    }

    /// A query parameter, when it has a value.
    pub(super) fn query(mut self, name: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.text.push(if self.has_query { '&' } else { '?' });
            self.has_query = true;
            self.text.push_str(name);
            self.text.push('=');
            encode(&mut self.text, value);
        }
        self
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        // RFC 3986, 2.3: the unreserved characters stand for themselves.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_one_segment() {
        for (segment, path) in
            [("ca_1", "/x/ca_1"), ("a/b?c#d", "/x/a%2Fb%3Fc%23d"), ("..", "/x/%2E%2E"), ("a b%", "/x/a%20b%25"), ("é", "/x/%C3%A9")]
        {
            assert_eq!(Target::new("/x").segment(segment).as_str(), path);
        }
    }

    #[test]
    fn only_given_parameters_are_sent() {
        let target = Target::new("/x").query("a", None).query("b", Some("1&2")).query("c", Some("=")).query("d", None);
        assert_eq!(target.as_str(), "/x?b=1%262&c=%3D");
    }
}
