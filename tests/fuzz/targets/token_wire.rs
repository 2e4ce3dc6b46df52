//! What daemon and token worker send each other, as either side reads it.
#![no_main]

use chancery::token::wire::frame::{self, Frames};
use chancery::token::wire::message::Hello;
use chancery::token::wire::{FromDaemon, read_from_daemon, read_from_worker, write_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    look_at(data);
    let mut frames = Frames::new(data);
    while let Ok(Some(content)) = frames.read() {
        look_at(content);
    }
});

fn look_at(content: &[u8]) {
    let _ = frame::read::<Hello>(content);
    let _ = read_from_worker(content);
    if let Ok(FromDaemon::Request { id, ask }) = read_from_daemon(content) {
        let mut written = Vec::new();
        write_request(&mut written, id, &ask).expect("what was read can be written");
        let mut frames = Frames::new(written.as_slice());
        let again = frames.read().expect("a frame").expect("the only one");
        assert_eq!(read_from_daemon(again), Ok(FromDaemon::Request { id, ask }));
    }
}
