//! Types for what must not be seen: they are wiped when dropped, print as `[REDACTED]` and have no `Serialize`.

pub use secrecy::{ExposeSecret, SecretSlice, SecretString};
pub use zeroize::Zeroizing;
