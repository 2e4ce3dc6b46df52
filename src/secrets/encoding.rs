//! How a value is written where only text can be.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::secret::Zeroizing;

/// The form of a value outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// It is text.
    #[default]
    Text,
    /// It is bytes, and base64 stands for them (RFC 4648, 4).
    Base64,
}

impl Encoding {
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Text, Self::Base64].into_iter().find(|encoding| encoding.name() == name)
    }

    /// Its name outside.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Base64 => "base64",
        }
    }

    /// The value that a text stands for.
    pub fn decode(self, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Text => Some(text.as_bytes().to_vec()),
            Self::Base64 => STANDARD.decode(text).ok(),
        }
        .map(Zeroizing::new)
    }

    /// The text that stands for a value.
    pub fn encode(self, value: &[u8]) -> Option<String> {
        match self {
            Self::Text => std::str::from_utf8(value).ok().map(ToOwned::to_owned),
            Self::Base64 => Some(STANDARD.encode(value)),
        }
    }
}
