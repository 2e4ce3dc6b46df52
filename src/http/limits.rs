//! How much of a request is read, for how long it is waited for, and what an HTTP/2 client may do to one connection.
//!
//! What differs from one appliance to another is in the configuration: connections and rates (`crate::config::limits`).

use std::time::Duration;

use super::idle::Taking;

/// Bodies that carry a CSR.
pub const CSR_BODY: usize = 64 * 1024;
/// Every other body.
pub const BODY: usize = 1024 * 1024;
/// What is read and thrown away of a body that is too long, so that its sender gets to read the answer.
pub const DISCARDED: usize = 4 * 1024 * 1024;
/// How long an answer waits for a body that it does not need (`super::unread`).
pub const UNREAD_TIME: Duration = Duration::from_secs(1);
/// The head of a request.
pub const HEADER: usize = 16 * 1024;
/// From the first byte of a head to its last.
pub const HEADER_TIME: Duration = Duration::from_secs(10);
/// From the first byte of a body to its last.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// The TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Between two pieces of a body.
pub const BODY_PAUSE: Duration = Duration::from_secs(10);
/// From a connection's beginning to its first request.
pub const FIRST_REQUEST_TIME: Duration = Duration::from_secs(15);
/// How long a connection may be open without a request after its first.
pub const IDLE_TIME: Duration = Duration::from_secs(60);
/// The same two, and the handshake's, when places are getting few.
pub const PRESSED_HANDSHAKE_TIME: Duration = Duration::from_secs(3);
pub const PRESSED_FIRST_REQUEST_TIME: Duration = Duration::from_secs(3);
pub const PRESSED_IDLE_TIME: Duration = Duration::from_secs(5);
/// How fast an answer has to be taken: a KiB a second, over half a minute.
pub const TAKING: Taking = Taking { least: 30 * 1024, time: Duration::from_secs(30), look: Duration::from_secs(5) };

/// What the kernel takes of answers before they can be sent, in bytes. Left alone it takes megabytes for each connection, however little of
/// it the client takes; this costs no speed, for what is on its way does not count (tcp(7) does not tell of it; the kernel's
/// networking/ip-sysctl.rst does, under tcp_notsent_lowat).
pub const NOT_SENT: u32 = 64 * 1024;

/// HTTP/2 (RFC 9113): requests at once on one connection.
pub const STREAMS: u32 = 128;
/// Requests that were given up by the client before they were looked at; with one more the connection is closed (CVE-2023-44487).
pub const PENDING_RESETS: usize = 20;
/// Requests that were ended for the client's faults; with one more the connection is closed (CVE-2025-8671).
pub const FAULTY_STREAMS: usize = 256;
/// What a client may send of bodies before they are read: of one request, and of all of a connection.
pub const STREAM_WINDOW: u32 = 256 * 1024;
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What is held of one answer that its client does not take.
pub const SEND_BUFFER: usize = 64 * 1024;
/// The longest frame that is read. The number of CONTINUATION frames follows from it and from [`HEADER`] (CVE-2024-27316).
pub const FRAME: u32 = 16 * 1024;

/// How long open requests may take to finish when the daemon stops.
pub const DRAIN_TIME: Duration = Duration::from_secs(20);
