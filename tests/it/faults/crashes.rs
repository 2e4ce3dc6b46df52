//! The module ends its process or never returns: a worker is lost, and the appliance is not.

use std::time::{Duration, Instant};

use super::books;
use super::siege::Siege;
use super::table;

/// What is promised after a crash of the module.
const BACK_AFTER_CRASH: Duration = Duration::from_secs(1);
/// What is promised after the end of a fault.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// The machines this runs on stall for seconds; a start of a process is what they stall most at.
const SLACK: u32 = 3;

#[test]
fn after_one_crash_the_service_is_back_at_once() {
    let siege = Siege::lay();
    for action in ["abort", "segfault"] {
        let mut all = Vec::new();
        for _ in 0..5 {
            let hits = siege.shim.hits("C_Sign");
            siege.shim.set(&format!("C_Sign 1/20 {action}\n"));
            await_hit(&siege, "C_Sign", hits);
            let crashed = Instant::now();
            siege.shim.set("");
            all.push(siege.await_service(crashed));
            siege.assert_sound();
        }
        all.sort();
        println!("{action}: back after {all:.2?}");
        assert!(all[all.len() / 2] <= BACK_AFTER_CRASH, "{action}: back after {all:?}");
        assert!(all[all.len() - 1] <= BACK_AFTER_CRASH * SLACK, "{action}: back after {all:?}");
    }
    siege.lift();
}

#[test]
fn a_module_that_crashes_wherever_it_is_called() {
    let siege = Siege::lay();
    endure(&siege, &["C_Sign always abort", "C_SignInit always segfault", "C_Sign 50% abort"]);
    // The first call of a new worker: it never comes as far as to serve.
    endure(&siege, &["C_Sign always abort\nC_Initialize always abort", "C_Sign always abort\nC_Login always segfault"]);
    siege.lift();
}

#[test]
fn a_module_that_never_returns() {
    let siege = Siege::lay();
    endure(&siege, &["C_Sign always hang", "C_SignInit 1/10 hang", "C_Sign 1/2 before 0xB3\nC_OpenSession always hang"]);
    endure(&siege, &["C_Sign always abort\nC_Initialize always hang", "C_Sign always abort\nC_Login always hang"]);
    endure(&siege, &["C_Sign always before 0x190\nC_Finalize always hang"]);
    siege.lift();
}

#[test]
fn issuing_goes_on_over_a_module_that_crashes_and_hangs() {
    let count: usize = std::env::var("CHANCERY_FAULT_ISSUES").ok().map_or(300, |text| text.parse().expect("a number of issues"));
    let siege = Siege::lay();
    let (begun, before) = (Instant::now(), siege.issued());
    siege.shim.set("C_Sign 1% abort\nC_Sign 1/200 hang\n");
    let mut seen = (begun, before);
    while siege.issued() < before + count {
        siege.assert_sound();
        if siege.issued() > seen.1 {
            seen = (Instant::now(), siege.issued());
        }
        assert!(seen.0.elapsed() < Duration::from_secs(60), "nothing is issued any more after {}\n{}", seen.1, siege.appliance.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let (until, hits) = (Instant::now(), siege.shim.hits("C_Sign"));
    siege.shim.set("");
    let attempts = siege.attempts(begun, until);
    let took = siege.await_service(until);
    println!(
        "{count} issued in {:.1?} over a module that crashed or hung {hits} times: {}; back after {took:.2?}",
        until - begun,
        books::tally(&attempts)
    );
    assert!(hits as usize >= count / 100, "the module crashed or hung {hits} times only");
    assert!(took <= BACK_WITHIN, "back after {took:?}");
    siege.lift();
}

/// Each of these for a while, one after the other.
fn endure(siege: &Siege, faults: &[&str]) {
    let mut slowest = Duration::ZERO;
    for rules in faults {
        let hits = siege.shim.all_hits();
        let from = Instant::now();
        siege.shim.set(&format!("{rules}\n"));
        std::thread::sleep(table::duration());
        let until = Instant::now();
        siege.shim.set("");
        let attempts = siege.attempts(from, until);
        let took = siege.await_service(until);
        println!("{}: back after {took:.2?}; {}", rules.replace('\n', ", "), books::tally(&attempts));
        assert!(siege.shim.all_hits() > hits, "{rules}: it never happened");
        slowest = slowest.max(took);
        siege.assert_sound();
    }
    assert!(slowest <= BACK_WITHIN, "back after {slowest:?}");
}

fn await_hit(siege: &Siege, function: &str, seen: u64) {
    let begun = Instant::now();
    while siege.shim.hits(function) == seen {
        assert!(begun.elapsed() < Duration::from_secs(30), "{function} was not called");
        std::thread::sleep(Duration::from_millis(1));
    }
}
