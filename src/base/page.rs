//! Pages of a list: a capped size and an opaque cursor that belongs to one filter.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many items a page has unless the caller asks.
pub const DEFAULT_LIMIT: usize = 100;
/// The most a caller may ask for on /v1/pki.
pub const MAX_LIMIT: usize = 1_000;
/// The longest key of an item: the path of a secret.
const LONGEST_KEY: usize = 256;

/// One page, and where the next one begins.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last.
    pub next: Option<Cursor>,
}

/// A place in a list: the key of the last item shown. It carries a mark of the filter it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    filter: [u8; 8],
    after: Vec<u8>,
}

/// A cursor that was not made for this list with this filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cursor is not from this list with these filters; ask for the first page again")]
pub struct NotACursor;

impl Cursor {
    /// The cursor behind the item with this key, in a list filtered so.
    pub fn after(filter: &str, key: &[u8]) -> Self {
        Self { filter: mark(filter), after: key.to_vec() }
    }

    /// Reads a cursor that a caller brought back.
    pub fn parse(text: &str, filter: &str) -> Result<Self, NotACursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let (head, after) = bytes.split_first_chunk::<8>().ok_or(NotACursor)?;
        if *head != mark(filter) || after.is_empty() || after.len() > LONGEST_KEY {
            return Err(NotACursor);
        }
        Ok(Self { filter: *head, after: after.to_vec() })
    }

    /// The key of the last item that was shown.
    pub fn key(&self) -> &[u8] {
        &self.after
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.filter.as_slice(), &self.after].concat();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

fn mark(filter: &str) -> [u8; 8] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, filter.as_bytes());
    let mut mark = [0; 8];
    mark.copy_from_slice(&digest.as_ref()[..8]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_only_its_own_list() {
        let cursor = Cursor::after("ca=1", b"key");
        assert_eq!(Cursor::parse(&cursor.to_string(), "ca=1"), Ok(cursor.clone()));
        assert_eq!(Cursor::parse(&cursor.to_string(), "ca=2"), Err(NotACursor));
        for text in ["", "!", "AAAA", "AAAAAAAAAAA"] {
            assert_eq!(Cursor::parse(text, "ca=1"), Err(NotACursor), "{text}");
        }
    }
}
