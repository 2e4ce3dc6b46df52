pub mod change; pub mod error; pub mod record; pub mod table;
pub use change::{Change, Class, CommitError, Committed, counter};
pub use error::*; pub use table::*;
