//! Who may do what: API tokens, the scopes they hold, and the caller a request turns into.

mod caller;
mod record;
mod scope;
mod tokens;

pub use caller::Caller;
pub use scope::{Permission, Scope, UnknownScope};
pub use tokens::{AccessError, Credential, LONGEST_TOKEN_LIFE, NewToken, Secret, Token, TokenRequest, Tokens, without_secrets};

#[cfg(test)]
mod tests;
