//! Answers that the token takes its time over: what is revoked meanwhile, and who has to wait for whom.

use std::io::{Read, Write};
use std::net::TcpStream;

use tempfile::TempDir;

use super::World;
use crate::faults::shim::Shim;
use crate::waiting::wait_for;

fn world(shim: &Shim, scratch: &TempDir) -> World {
    let appliance = shim.start(&scratch.path().join("appliance"));
    let world = World::of(appliance, "ec", 256);
    world.issue("first");
    // There is a responder from here on.
    world.responder("first");
    world
}

#[test]
fn a_revocation_that_is_durable_before_an_answer_leaves_is_not_denied_by_it() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let world = world(&shim, &scratch);
    let path = format!("/ocsp/{}", world.issuing);
    for (name, arguments) in [("plain", &[][..]), ("nonce", &["-nonce"])] {
        let doomed = world.issue(name);
        let request = world.request(name, arguments);
        shim.set("C_Sign always delay 3000\n");
        let before = shim.calls("C_Sign");
        let answer = std::thread::scope(|scope| {
            let asking = scope.spawn(|| raw(&world, &path, &request));
            wait_for("the signature to be under way", || shim.calls("C_Sign") > before);
            world.revoke(&doomed, "key_compromise");
            shim.set("");
            asking.join().unwrap()
        });
        assert!(world.read(&answer, name).contains(&format!("{name}.pem: revoked")), "{name}");
        let after = world.fetch("POST", &path, Some(&world.request(name, &[])), &[]).body;
        assert!(world.read(&after, name).contains(&format!("{name}.pem: revoked")), "{name}: the next one");
    }
}

#[test]
fn one_address_that_asks_with_nonces_keeps_nobody_from_an_answer() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let world = world(&shim, &scratch);
    let path = format!("/ocsp/{}", world.issuing);
    world.issue("other");
    let (other, flood) = (world.request("other", &[]), world.request("first", &["-nonce"]));
    shim.set("C_Sign always delay 700\n");
    let before = shim.calls("C_Sign");
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..48).map(|_| scope.spawn(|| raw(&world, &path, &flood))).collect();
        wait_for("some to be signed", || shim.calls("C_Sign") > before + 1);
        let answer = world.fetch("POST", &path, Some(&other), &[]).body;
        shim.set("");
        assert!(world.read(&answer, "other").contains("other.pem: good"));
        asking.into_iter().for_each(|asking| drop(asking.join().unwrap()));
    });
}

#[test]
fn what_was_never_issued_takes_no_room_in_the_cache() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let world = world(&shim, &scratch);
    let path = format!("/ocsp/{}", world.issuing);
    let fixed = ["ocsp", "-no_nonce", "-issuer", "issuing.pem", "-reqout", "unknown.der", "-serial", "0x0123456789abcdef"];
    world.requester.openssl(&fixed);
    let unknown = std::fs::read(world.requester.path("unknown.der")).unwrap();
    let known = world.request("first", &[]);
    for (request, is_kept) in [(&known, true), (&unknown, false)] {
        let [first, second] = [0, 1].map(|_| world.fetch("POST", &path, Some(request), &[]).body);
        assert_eq!(first == second, is_kept, "ECDSA never signs the same twice");
    }
}

/// The body of an answer, asked for with nothing but a socket.
fn raw(world: &World, path: &str, request: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", request.len());
    let mut stream = TcpStream::connect(world.http()).unwrap();
    stream.write_all(&[head.as_bytes(), request].concat()).unwrap();
    let mut answer = Vec::new();
    // What is refused may be cut off.
    let _ = stream.read_to_end(&mut answer);
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    answer.split_off(body)
}
