//! So many TLS handshakes in a second. A connection is counted before it has said anything, so these say nothing.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{address, connect, is_closed, limited, metric, runtime};
use crate::appliance::Appliance;
use crate::listener::reconfigure;
use crate::load;
use crate::waiting::wait_for;

const OF_ONE: &str = "\n[limits.handshakes]\nper_second_per_address = 5\nburst_per_address = 20\n";

fn refused(appliance: &Appliance, reason: &str) -> u64 {
    metric(appliance, &format!("chancery_http_connections_refused_total{{listener=\"api\",reason=\"{reason}\"}}"))
}

#[test]
fn handshakes_beyond_the_pace_of_an_address_are_refused_and_another_address_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = limited(dir.path(), OF_ONE);
    let (runtime, to) = (runtime(), address(&appliance, "listen.addr"));
    // Some are refused while they connect.
    let mut tried = 0;
    let mut begin = |held: &mut Vec<TcpStream>| {
        tried += 40;
        held.extend((0..40).filter_map(|_| connect(&runtime, Ipv4Addr::new(127, 0, 0, 3), to).ok()));
    };
    let mut held = Vec::new();
    // A machine that stands still for a while gives units back, so it goes on until enough were too many.
    wait_for("handshakes to be refused", || {
        begin(&mut held);
        held.iter().filter(|stream| is_closed(stream)).count() >= 60
    });
    for _ in 0..5 {
        begin(&mut held);
        assert_eq!(appliance.call_from("127.0.0.2", None, "GET", "/healthz", None).status, 200);
        assert_eq!(appliance.call_from("127.0.0.2", Some(&appliance.admin_token()), "GET", "/v1/pki/ca", None).status, 200);
    }
    // Counted are all of them, also those whose end is not here yet.
    let counted = refused(&appliance, "address_handshakes");
    assert!(counted >= 60 && counted < tried, "{counted} of {tried}");
    assert_eq!(refused(&appliance, "handshakes"), 0, "the flood of one is not everybody's");
    assert_eq!(refused(&appliance, "address"), 0, "there were places enough");
    // Who was refused is taken again when it is slower.
    drop(held);
    wait_for("the address to be served again", || {
        std::thread::sleep(Duration::from_secs(1));
        connect(&runtime, Ipv4Addr::new(127, 0, 0, 3), to).is_ok_and(|stream| {
            std::thread::sleep(Duration::from_millis(500));
            !is_closed(&stream)
        })
    });
}

#[test]
fn handshakes_of_many_addresses_cost_nothing_to_a_connection_that_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_in(dir.path());
    let (runtime, to) = (runtime(), address(&appliance, "listen.addr"));
    let kept = load::client(&appliance);
    runtime.block_on(kept.health()).unwrap();
    reconfigure(dir.path(), |text| text + "\n[limits.handshakes]\nper_second = 1\nburst = 5\n");
    appliance.signal(Signal::SIGHUP);
    wait_for("the limits to be taken up", || appliance.log().contains("the configuration was read again"));
    let mut held = Vec::new();
    wait_for("handshakes to be refused", || {
        held.extend((1..=40).filter_map(|last| connect(&runtime, Ipv4Addr::new(127, 0, 9, last), to).ok()));
        held.iter().filter(|stream| is_closed(stream)).count() >= 60
    });
    for _ in 0..20 {
        runtime.block_on(kept.health()).expect("an open connection is served");
    }
    reconfigure(dir.path(), |text| text.replace("\n[limits.handshakes]\nper_second = 1\nburst = 5\n", ""));
    appliance.signal(Signal::SIGHUP);
    wait_for("the limits to be taken back", || appliance.log().matches("the configuration was read again").count() == 2);
    wait_for("the new limits to be felt", || appliance.curl("GET", "/healthz", None, None, &[]).is_some());
    assert!(refused(&appliance, "handshakes") >= 60);
    assert_eq!(refused(&appliance, "address_handshakes"), 0);
}
