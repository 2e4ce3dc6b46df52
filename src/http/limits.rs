//! How much of a request is read, and for how long it is waited for.

use std::time::Duration;

/// Bodies that carry a CSR.
pub const CSR_BODY: usize = 64 * 1024;
/// Every other body.
pub const BODY: usize = 1024 * 1024;
/// What is read and thrown away of a body that is too long, so that its sender gets to read the answer.
pub const DISCARDED: usize = 4 * 1024 * 1024;
/// The head of a request.
pub const HEADER: usize = 16 * 1024;
/// From the first byte of a head to its last.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// From the first byte of a body to its last.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// The TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a connection may be open without a request.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// Connections at once; those beyond wait in the listener's backlog.
pub const CONNECTIONS: usize = 8_192;
/// How long open requests may take to finish when the daemon stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(20);
