//! Where a secret is: segments with slashes between them, as in `dns/example.com/api-key`.

use std::fmt;

/// The longest path, in bytes.
const LONGEST: usize = 256;
const MOST_SEGMENTS: usize = 8;

/// What to say to somebody whose path is none.
pub const WANTED: &str = "1 to 8 segments of letters, digits, dots, dashes or underscores with slashes between them, 256 bytes in all; \
                          no segment may be . or ..";

/// The path of a secret, unique in its organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretPath(String);

/// The text is no path of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{WANTED}")]
pub struct NotAPath;

impl SecretPath {
    /// Reads a path. It has one spelling only.
    pub fn parse(text: &str) -> Result<Self, NotAPath> {
        // RFC 3986, 5.2.4: segments of dots are directions, which clients and proxies take out.
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && is_of_paths(segment);
        let is_path = text.len() <= LONGEST && text.split('/').count() <= MOST_SEGMENTS && text.split('/').all(is_segment);
        is_path.then(|| Self(text.to_owned())).ok_or(NotAPath)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a path could begin so.
pub fn is_prefix(text: &str) -> bool {
    text.len() <= LONGEST && is_of_paths(text)
}

fn is_of_paths(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
}

impl fmt::Display for SecretPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_few_plain_segments() {
        let longest = format!("{}/{}", "a".repeat(127), "b".repeat(128));
        for good in ["a", "dns/example.com/api-key_1", "1/2/3/4/5/6/7/8", "...", ".a", &longest] {
            assert_eq!(SecretPath::parse(good).as_ref().map(SecretPath::as_str), Ok(good));
        }
        let too_long = format!("{longest}c");
        for bad in ["", "/", "a/", "/a", "a//b", ".", "a/../b", "a b", "a%2fb", "é", "a\0", "1/2/3/4/5/6/7/8/9", &too_long] {
            assert_eq!(SecretPath::parse(bad), Err(NotAPath), "{bad:?}");
        }
    }
}
