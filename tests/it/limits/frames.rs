//! Frames of HTTP/2 (RFC 9113) that cost their sender little and a server much: each of them ends its connection, takes no memory that
//! grows, and keeps nobody from being served.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{PATIENCE, address};
use crate::appliance::Appliance;
use crate::waiting::wait_for;

/// The kinds of the frames that came, and their streams.
type Kinds = [(u8, u32)];

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 9113, 7: what a server says to a peer that "is exhibiting a behavior that might be generating excessive load".
const ENHANCE_YOUR_CALM: u32 = 11;

/// How it went for the attacker.
struct Outcome {
    /// Bytes it could send before it was cut off, or everything it meant to send.
    sent: usize,
    /// The error code of the GOAWAY, if there was one.
    goaway: Option<u32>,
    is_closed: bool,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of `GET /healthz`-like requests: indexed fields where there are some (RFC 7541, A), literals without Huffman else.
fn head(path: &str) -> Vec<u8> {
    let mut head = vec![0x82, 0x86, 0x04, path.len() as u8];
    head.extend(path.as_bytes());
    head.extend([0x01, 1, b'x']);
    head
}

/// Sends `pieces` behind the preface until they end, the connection does, or nobody takes more, and reads meanwhile what comes
/// when `reads`.
fn attack(to: SocketAddr, reads: bool, pieces: impl Iterator<Item = Vec<u8>>) -> Outcome {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nonblocking(true).unwrap();
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
    let mut outcome = Outcome { sent: 0, goaway: None, is_closed: false };
    let mut received = Vec::new();
    'sending: for piece in std::iter::once(preface).chain(pieces) {
        let mut rest = piece.as_slice();
        let begun = Instant::now();
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(written) => {
                    outcome.sent += written;
                    rest = &rest[written..];
                }
                // Nobody takes more: whoever waits so long has lost.
                Err(error) if error.kind() == ErrorKind::WouldBlock && begun.elapsed() < 2 * PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5))
                }
                Err(_) => break 'sending,
            }
            if reads && !read(&mut stream, &mut received) {
                break 'sending;
            }
        }
    }
    let begun = Instant::now();
    while begun.elapsed() < 2 * PATIENCE {
        if !read(&mut stream, &mut received) {
            outcome.is_closed = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    outcome.goaway = goaway(&received);
    outcome
}

/// Takes what is there; false when the connection has ended.
fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> bool {
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return false,
            Ok(length) => received.extend(&piece[..length]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn goaway(mut received: &[u8]) -> Option<u32> {
    while let Some((head, rest)) = received.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        if head[3] == GOAWAY {
            let code = u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?);
            // The first one of an orderly end says that nothing is wrong.
            if code != 0 {
                return Some(code);
            }
        }
        received = rest;
    }
    None
}

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// One attack on a daemon that others use meanwhile.
fn harmless(attack: impl FnOnce(SocketAddr) -> Outcome + Send) -> Outcome {
    let appliance = Appliance::start();
    let to = address(&appliance, "http.addr");
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).status, 200);
    let before = resident_kib(appliance.process_id());
    let outcome = std::thread::scope(|scope| {
        let attacker = scope.spawn(|| attack(to));
        while !attacker.is_finished() {
            assert_eq!(appliance.call("GET", "/v1/pki/ca", None).status, 200);
        }
        attacker.join().unwrap()
    });
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).status, 200);
    let grown = resident_kib(appliance.process_id()).saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more");
    outcome
}

#[test]
fn requests_that_are_given_up_at_once() {
    // CVE-2023-44487, "rapid reset".
    let pieces = (0..2_000_u32).map(|piece| {
        let streams = (0..100).map(|n| 2 * (100 * piece + n) + 1);
        let each =
            |stream| [frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("/ca/none.crt")), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])];
        streams.flat_map(each).flatten().collect::<Vec<u8>>()
    });
    let outcome = harmless(|to| attack(to, true, pieces));
    assert_eq!(outcome.goaway, Some(ENHANCE_YOUR_CALM));
    assert!(outcome.is_closed && outcome.sent < 4 << 20, "{} bytes", outcome.sent);
}

#[test]
fn requests_that_the_server_is_made_to_give_up() {
    // CVE-2025-8671, "made you reset": RFC 9113, 6.9.1: a window beyond its greatest size is an error of the stream.
    let pieces = (0..2_000_u32).map(|piece| {
        let streams = (0..10).map(|n| 2 * (10 * piece + n) + 1);
        let each = |stream| {
            [frame(HEADERS, END_HEADERS, stream, &head("/ca/none.crt")), frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])]
        };
        streams.flat_map(each).flatten().collect::<Vec<u8>>()
    });
    let outcome = harmless(|to| attack(to, true, pieces));
    assert_eq!(outcome.goaway, Some(ENHANCE_YOUR_CALM));
    assert!(outcome.is_closed && outcome.sent < 1 << 20, "{} bytes", outcome.sent);
}

#[test]
fn heads_that_do_not_end() {
    // CVE-2024-27316, "CONTINUATION flood", with long and with empty frames.
    for payload in [vec![0; 16 * 1024], Vec::new()] {
        let field = |payload: &[u8]| if payload.is_empty() { Vec::new() } else { literals(payload.len()) };
        let first = frame(HEADERS, END_STREAM, 1, &head("/ca/none.crt"));
        let more = field(&payload);
        let pieces = std::iter::once(first).chain((0..100_000).map(move |_| frame(CONTINUATION, 0, 1, &more)));
        let outcome = harmless(|to| attack(to, true, pieces));
        assert!(outcome.goaway.is_some() && outcome.is_closed, "{:?}", outcome.goaway);
        assert!(outcome.sent < 8 << 20, "{} bytes", outcome.sent);
    }
}

/// Literal fields of a letter each, as many as fit (RFC 7541, 6.2.2).
fn literals(length: usize) -> Vec<u8> {
    [0x00, 1, b'a', 1, b'b'].into_iter().cycle().take(length / 5 * 5).collect()
}

#[test]
fn settings_and_pings_whose_answers_nobody_takes() {
    for (kind, payload) in [(SETTINGS, vec![0, 3, 0, 0, 0, 100]), (PING, vec![7; 8])] {
        let many: Vec<u8> = (0..1_000).flat_map(|_| frame(kind, 0, 0, &payload)).collect();
        let outcome = harmless(|to| attack(to, false, std::iter::repeat_n(many, 2_000)));
        // Each has to be answered, so it is read no further than answers are taken; and nobody uses the connection.
        assert!(outcome.is_closed, "{kind}: {} bytes, {:?}", outcome.sent, outcome.goaway);
    }
}

/// The kinds of the frames that came, with their streams.
fn kinds(mut received: &[u8]) -> Vec<(u8, u32)> {
    let mut kinds = Vec::new();
    while let Some((head, rest)) = received.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        kinds.push((head[3], u32::from_be_bytes(head[5..9].try_into().unwrap())));
        received = rest.get(length..).unwrap_or_default();
    }
    kinds
}

#[test]
fn answers_that_are_never_taken_cost_no_descriptors_and_are_given_up() {
    const STREAMS: usize = 100;
    let appliance = Appliance::start();
    let crl = format!("/crl/{}.crl", appliance.root("Root", "ec", 256));
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", appliance.process_id())).unwrap().count();
    let before = descriptors();
    let mut stream = TcpStream::connect(address(&appliance, "http.addr")).unwrap();
    // RFC 9113, 6.5.2: SETTINGS_INITIAL_WINDOW_SIZE of 0, so no byte of an answer may be sent.
    let window = |size: u32| frame(SETTINGS, 0, 0, &[&[0, 4], size.to_be_bytes().as_slice()].concat());
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &window(0)].concat()).unwrap();
    let asked = |n: usize| frame(HEADERS, END_STREAM | END_HEADERS, u32::try_from(2 * n + 1).unwrap(), &head(&crl));
    stream.write_all(&(0..STREAMS).flat_map(asked).collect::<Vec<u8>>()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut received = Vec::new();
    let mut wait = |stream: &mut TcpStream, what: &str, is_there: &dyn Fn(&Kinds) -> bool| {
        let begun = Instant::now();
        loop {
            assert!(read(stream, &mut received), "{what}: the connection has ended");
            let kinds = kinds(&received);
            if is_there(&kinds) {
                return;
            }
            assert!(begun.elapsed() < 2 * PATIENCE, "{what}: {} frames", kinds.len());
            // Answers to pings are no use of a connection, and the server's own want none here.
            stream.write_all(&frame(PING, 0, 0, &[7; 8])).unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let count = |kinds: &[(u8, u32)], kind| kinds.iter().filter(|(found, _)| *found == kind).count();
    wait(&mut stream, "the heads of the answers", &|kinds| count(kinds, HEADERS) == STREAMS);
    let more = descriptors().saturating_sub(before);
    assert!(more <= STREAMS / 5, "{more} descriptors more");
    wait(&mut stream, "the end of what nobody takes", &|kinds| count(kinds, RST_STREAM) == STREAMS);
    // The connection has done nothing wrong: what is asked for and taken comes.
    stream.write_all(&[window(65_535), asked(STREAMS)].concat()).unwrap();
    let last = u32::try_from(2 * STREAMS + 1).unwrap();
    wait(&mut stream, "an answer that is taken", &|kinds| kinds.contains(&(0, last)));
}

/// The kinds and streams of the frames that have come as a whole, and whether the last of a stream was among them.
fn frames(mut received: &[u8]) -> Vec<(u8, u32, bool)> {
    let mut found = Vec::new();
    while let Some((head, rest)) = received.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((_, rest)) = rest.split_at_checked(length) else { break };
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        found.push((head[3], stream, matches!(head[3], DATA | HEADERS) && head[4] & END_STREAM != 0));
        received = rest;
    }
    found
}

/// What no authority has, what no route has, and what does not know POST.
const UNANSWERED: [&str; 3] =
    ["/ocsp/ca_00000000000000000000000000000000", "/no/such/path", "/crl/ca_00000000000000000000000000000000.crl"];

/// A connection on which a POST has begun that nobody will read, and does not end yet.
fn begun(appliance: &Appliance, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address(appliance, "http.addr")).unwrap();
    let mut head = head(path);
    // POST.
    head[0] = 0x83;
    let request = [frame(SETTINGS, 0, 0, &[]), frame(HEADERS, END_HEADERS, 1, &head)].concat();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&request).unwrap();
    stream
}

/// Reads until there is such a frame, and gives all that have come.
fn await_frame(stream: &mut TcpStream, received: &mut Vec<u8>, is_it: impl Fn(&(u8, u32, bool)) -> bool) -> Vec<(u8, u32, bool)> {
    stream.set_nonblocking(true).unwrap();
    wait_for("a frame", || {
        assert!(read(stream, received), "the connection has ended: {:?}", frames(received));
        frames(received).iter().any(&is_it)
    });
    stream.set_nonblocking(false).unwrap();
    frames(received)
}

/// curl 7.88 loses an answer whose stream is reset behind it (error 92), though it must not (RFC 9113, 8.1).
#[test]
fn an_answer_that_needs_no_body_is_not_followed_by_a_reset() {
    let appliance = Appliance::start();
    for path in UNANSWERED {
        let (mut stream, mut received) = (begun(&appliance, path), Vec::new());
        // The body comes when the answer could have been given long since.
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(&frame(DATA, END_STREAM, 1, b"a body that nobody needs")).unwrap();
        await_frame(&mut stream, &mut received, |(_, stream, is_last)| *stream == 1 && *is_last);
        // Behind a PING comes everything that was sent before it.
        stream.write_all(&frame(PING, 0, 0, &[7; 8])).unwrap();
        let all = await_frame(&mut stream, &mut received, |(kind, ..)| *kind == PING);
        assert!(!all.iter().any(|(kind, ..)| *kind == RST_STREAM), "{path}: {all:?}");
    }
}

#[test]
fn who_keeps_a_body_back_that_nobody_needs_is_answered_all_the_same() {
    let appliance = Appliance::start();
    for path in UNANSWERED {
        let (mut stream, mut received) = (begun(&appliance, path), Vec::new());
        let all = await_frame(&mut stream, &mut received, |(kind, stream, _)| *kind == RST_STREAM && *stream == 1);
        let is_answered = all.iter().any(|(_, stream, is_last)| *stream == 1 && *is_last);
        assert!(is_answered, "the answer of {path} came before the reset: {all:?}");
    }
}
