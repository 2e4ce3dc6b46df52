use std::io::Cursor;

use bytes::Bytes;
use proptest::prelude::*;

use super::fault::Fault;
use super::frame::{self, BadFrame, Frames, LONGEST, ReadError};
use super::message::{Hello, MAGIC, VERSION};
use super::outbox::Outbox;
use super::*;
use crate::token::error::{FailedCall, TokenError, Told};
use crate::token::error_class::ErrorClass;
use crate::token::key::KeyId;
use crate::token::request::{Answer, Ask, DecryptionScheme, KeyName, KeyProfile, OaepHash};
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};

const ID: KeyId = KeyId::from_bytes([7; 16]);
const KEY: KeyName = KeyName { id: ID, spki_sha256: [8; 32] };
const P256: SignatureAlgorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);

fn asks() -> Vec<Ask> {
    let profile = KeyProfile::AuthoritySigning(KeyType::Rsa3072);
    vec![
        Ask::Sign { key: KEY, algorithm: P256, input: Bytes::from_static(&[1; 32]) },
        Ask::Sign { key: KEY, algorithm: SignatureAlgorithm::Ed25519, input: Bytes::from(vec![2; 3 << 20]) },
        Ask::Random { length: 32 },
        Ask::Find { id: ID },
        Ask::Check { key: KEY },
        Ask::Generate { id: ID, label: "ca_1".to_owned(), profile },
        Ask::Destroy { id: ID },
        Ask::Inventory,
        Ask::Forget { id: ID },
        Ask::Generate { id: ID, label: "cert_1".to_owned(), profile: KeyProfile::Subject(KeyType::P256) },
        Ask::Generate { id: ID, label: "scep".to_owned(), profile: KeyProfile::RegistrationAuthority(KeyType::Rsa2048) },
        Ask::Export { key: KEY },
        Ask::Import { id: ID, label: "cert_1".to_owned(), pkcs8: vec![3; 100].into() },
        Ask::Seal { value: b"value".to_vec().into(), context: Bytes::from_static(b"context") },
        Ask::Open { sealed: Bytes::from_static(b"sealed"), context: Bytes::new() },
        Ask::Decrypt { key: KEY, scheme: DecryptionScheme::Pkcs1 { length: 32 }, input: Bytes::from_static(&[4; 256]) },
        Ask::Decrypt { key: KEY, scheme: DecryptionScheme::Oaep(OaepHash::Sha1), input: Bytes::from_static(&[4; 256]) },
    ]
}

fn only_frame(bytes: &[u8]) -> Vec<u8> {
    let mut frames = Frames::new(Cursor::new(bytes));
    let content = frames.read().unwrap().unwrap().to_vec();
    assert!(frames.read().unwrap().is_none());
    content
}

#[test]
fn every_request_is_read_as_it_was_written() {
    let mut out = Vec::new();
    for (id, ask) in (0..).zip(asks()) {
        write_request(&mut out, id, &ask).unwrap();
    }
    write_cancel(&mut out, 3).unwrap();
    let mut frames = Frames::new(Cursor::new(&out));
    for (id, ask) in (0..).zip(asks()) {
        assert_eq!(read_from_daemon(frames.read().unwrap().unwrap()), Ok(FromDaemon::Request { id, ask }));
    }
    assert_eq!(read_from_daemon(frames.read().unwrap().unwrap()), Ok(FromDaemon::Cancel { id: 3 }));
    assert!(frames.read().unwrap().is_none());
}

#[test]
fn errors_keep_what_a_caller_can_do_about_them() {
    let call = FailedCall::Returned { function: Told::new("Sign"), value: Told::new("DeviceError"), class: ErrorClass::LogInAgain };
    for error in [
        TokenError::Busy { retry_after_seconds: 1 },
        TokenError::Unavailable(Some(call.clone())),
        TokenError::Unavailable(None),
        TokenError::PinRefused,
        TokenError::KeyMissing(ID),
        TokenError::Refused(call),
        TokenError::AttributeIgnored { attribute: "CKA_SENSITIVE" },
        TokenError::NotForThis(ID),
        TokenError::Undecryptable,
        TokenError::BadSeal,
        TokenError::BadKey,
    ] {
        let told = format!("{error:?}");
        let mut out = Vec::new();
        write_answer(&mut out, 9, Err(error)).unwrap();
        let FromWorker::Answer { id: 9, outcome: Err(read) } = read_from_worker(&only_frame(&out)).unwrap() else { panic!("{told}") };
        assert_eq!(format!("{read:?}"), told);
    }
}

#[test]
fn what_a_hostile_worker_says_is_held_to_a_line() {
    let fault = Fault::Unavailable(Some(super::fault::WireCall::Module(format!("a\nb\x1b[31m{}", "x".repeat(1_000)))));
    let TokenError::Unavailable(Some(FailedCall::Module(told))) = fault.into() else { panic!() };
    assert!(told.as_str().chars().count() <= 200 && !told.as_str().contains(char::is_control), "{told}");
    let TokenError::Busy { retry_after_seconds } = Fault::Busy { retry_after_seconds: u32::MAX }.into() else { panic!() };
    assert_eq!(retry_after_seconds, 60);
}

#[test]
fn a_request_that_cannot_be_meant_is_no_message() {
    let written = |ask: &Ask| {
        let mut out = Vec::new();
        write_request(&mut out, 1, ask).unwrap();
        only_frame(&out)
    };
    let short = Ask::Sign { key: KEY, algorithm: P256, input: Bytes::from_static(&[1; 31]) };
    let long = Ask::Generate { id: ID, label: "x".repeat(201), profile: KeyProfile::AuthoritySigning(KeyType::P256) };
    // An authority's key that looks like a subject's is not made.
    let marked = |label: &str| Ask::Generate { id: ID, label: label.to_owned(), profile: KeyProfile::AuthoritySigning(KeyType::P256) };
    let context = Bytes::from(vec![0; 1_025]);
    let asks = [
        short,
        long,
        marked("subject:1"),
        marked("ra:1"),
        Ask::Random { length: 4_097 },
        Ask::Import { id: ID, label: "x".repeat(201), pkcs8: vec![1].into() },
        Ask::Import { id: ID, label: String::new(), pkcs8: vec![1; 8_193].into() },
        Ask::Seal { value: vec![1; 65_537].into(), context: Bytes::new() },
        Ask::Seal { value: vec![1].into(), context: context.clone() },
        Ask::Open { sealed: Bytes::new(), context },
        Ask::Decrypt { key: KEY, scheme: DecryptionScheme::Pkcs1 { length: 513 }, input: Bytes::new() },
        Ask::Decrypt { key: KEY, scheme: DecryptionScheme::Oaep(OaepHash::Sha256), input: Bytes::from(vec![0; 513]) },
    ];
    for ask in asks {
        assert_eq!(read_from_daemon(&written(&ask)), Err(BadFrame::Content), "{ask:?}");
    }
    let mut longer = written(&Ask::Inventory);
    longer.push(0);
    assert_eq!(read_from_daemon(&longer), Err(BadFrame::Content));
}

#[test]
fn a_frame_that_promises_too_much_is_refused_before_it_comes() {
    let promise = u32::try_from(LONGEST + 1).unwrap().to_le_bytes();
    let mut frames = Frames::new(Cursor::new(promise));
    assert!(matches!(frames.read(), Err(ReadError::Bad(BadFrame::TooLong))));
    // And one that promises much and sends little costs little: it is the end of the stream.
    let mut frames = Frames::new(Cursor::new(u32::try_from(LONGEST).unwrap().to_le_bytes()));
    assert!(frames.read().unwrap().is_none());
}

#[test]
fn answers_come_back_whole() {
    let mut out = Vec::new();
    write_answer(&mut out, 5, Ok(Answer::Bytes(vec![4; 70]))).unwrap();
    let FromWorker::Answer { id: 5, outcome: Ok(Answer::Bytes(bytes)) } = read_from_worker(&only_frame(&out)).unwrap() else { panic!() };
    assert_eq!(bytes, [4; 70]);
    out.clear();
    write_answer(&mut out, 6, Ok(Answer::Secret(vec![9; 30].into()))).unwrap();
    let FromWorker::Answer { id: 6, outcome: Ok(Answer::Secret(bytes)) } = read_from_worker(&only_frame(&out)).unwrap() else { panic!() };
    assert_eq!((bytes.expose(), format!("{bytes:?}").as_str()), (&[9; 30][..], "[REDACTED]"));
    let state = State::Open { reachable: true, sessions: 3, last_error: Some(2) };
    out.clear();
    write_state(&mut out, &state).unwrap();
    let FromWorker::State(read) = read_from_worker(&only_frame(&out)).unwrap() else { panic!() };
    assert_eq!(read, state);
}

/// A private key passes here on its way, and the next message may come an hour later.
#[test]
fn what_was_read_is_wiped_before_the_next() {
    let secret = [0xA5; 40];
    let mut out = Vec::new();
    for _ in 0..3 {
        write_answer(&mut out, 1, Ok(Answer::Secret(secret.to_vec().into()))).unwrap();
    }
    let mut frames = Frames::new(InPieces { bytes: &out, pieces: [70].iter().cycle() });
    while let Some(content) = frames.read().unwrap() {
        assert!(content.ends_with(&secret));
    }
    assert!(!frames.holds(&secret));
}

#[test]
fn whoever_finds_the_outbox_unattended_writes_for_all() {
    let outbox = Outbox::default();
    let mut buffer = Vec::new();
    assert!(outbox.push(b"a"));
    assert!(!outbox.push(b"b"));
    assert!(outbox.take(&mut buffer));
    assert_eq!(buffer, b"ab");
    assert!(!outbox.push(b"c"));
    assert!(outbox.take(&mut buffer));
    assert!(!outbox.take(&mut buffer));
    assert!(outbox.push(b"d"));
}

proptest! {
    #[test]
    fn junk_is_refused_and_never_panics(junk in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_from_daemon(&junk);
        let _ = read_from_worker(&junk);
        let _ = frame::read::<Hello>(&junk);
        let mut frames = Frames::new(Cursor::new(&junk));
        while let Ok(Some(content)) = frames.read() {
            let _ = read_from_daemon(content);
        }
    }

    #[test]
    fn a_stream_may_come_in_any_pieces(pieces in prop::collection::vec(1..40_usize, 1..50)) {
        let mut out = Vec::new();
        frame::write(&mut out, &Hello { magic: MAGIC, version: VERSION }).unwrap();
        for (id, ask) in (0..).zip(asks().into_iter().filter(|ask| !matches!(ask, Ask::Sign { algorithm: SignatureAlgorithm::Ed25519, .. }))) {
            write_request(&mut out, id, &ask).unwrap();
        }
        let mut frames = Frames::new(InPieces { bytes: &out, pieces: pieces.iter().cycle() });
        let mut count = 0;
        while frames.read().unwrap().is_some() {
            count += 1;
        }
        prop_assert_eq!(count, asks().len());
    }
}

struct InPieces<'a, I> {
    bytes: &'a [u8],
    pieces: I,
}

impl<'a, I: Iterator<Item = &'a usize>> std::io::Read for InPieces<'_, I> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.pieces.next().copied().unwrap_or(1).min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.bytes = later;
        Ok(length)
    }
}

/// The seeds of the fuzz target are messages, so that it begins behind the first byte.
#[test]
fn the_seeds_are_messages() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds/token_wire");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let seed = std::fs::read(&path).unwrap();
        let is_message = |content: &[u8]| {
            read_from_daemon(content).is_ok() || read_from_worker(content).is_ok() || frame::read::<Hello>(content).is_ok()
        };
        if path.ends_with("stream") {
            let mut frames = Frames::new(seed.as_slice());
            while let Some(content) = frames.read().unwrap() {
                assert!(is_message(content), "{content:?}");
                count += 1;
            }
        } else {
            assert!(is_message(&seed), "{}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 40);
}
