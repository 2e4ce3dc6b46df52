//! Return values, delays and wrong signatures: each lasts a while, and then the service is back.

use std::time::{Duration, Instant};

use super::books;
use super::siege::Siege;
use super::table::{self, Fault, Meanwhile};

/// What is promised after the end of a fault.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// No answer at all for so long is no answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn what_c_sign_returns_instead() {
    endure(&table::codes_of("C_Sign", "before", 9));
}

#[test]
fn what_c_sign_returns_after_all() {
    endure(&table::codes_of("C_Sign", "after", 3));
}

#[test]
fn what_c_sign_init_returns() {
    endure(&table::codes_of("C_SignInit", "before", 3));
}

#[test]
fn what_fails_on_the_way_back() {
    endure(&table::on_the_way_back());
}

#[test]
fn the_token_is_gone() {
    endure(&table::gone());
}

#[test]
fn what_is_no_error() {
    endure(&table::quiet());
}

/// One fault after the other on one appliance.
fn endure(faults: &[Fault]) {
    let siege = Siege::lay();
    let mut wrongs = Vec::new();
    for fault in faults {
        if let Err(wrong) = endure_one(&siege, fault) {
            println!("    WRONG: {wrong}");
            wrongs.push(format!("{}: {wrong}", fault.name));
        }
        siege.assert_sound();
    }
    assert!(wrongs.is_empty(), "{wrongs:#?}");
    siege.lift();
}

fn endure_one(siege: &Siege, fault: &Fault) -> Result<(), String> {
    let hits = siege.shim.all_hits();
    let reads = siege.reads().0;
    siege.shim.set(&fault.rules);
    // Calls that were under way when the rules came count for neither side.
    std::thread::sleep(Duration::from_millis(50));
    let from = Instant::now();
    std::thread::sleep(table::duration());
    // Where calls are late, the first answer may be later than that.
    while siege.attempts(from, Instant::now()).is_empty() && from.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    if fault.meanwhile == Meanwhile::Refused {
        siege.assert_problem_document();
    }
    let until = Instant::now();
    siege.shim.set("");
    let attempts = siege.attempts(from, until);
    let took = siege.await_service(until);
    println!("{}: back after {took:.2?}; {}", fault.name, books::tally(&attempts));
    if siege.shim.all_hits() == hits {
        return Err("the fault never happened".to_owned());
    }
    if siege.reads().0 == reads {
        return Err("nothing was read meanwhile".to_owned());
    }
    let refused = attempts.iter().filter(|attempt| attempt.refused.is_some()).count();
    match fault.meanwhile {
        Meanwhile::Refused if refused < attempts.len() => return Err(format!("{} were served", attempts.len() - refused)),
        Meanwhile::Served if refused > 0 => return Err(format!("{refused} were refused")),
        Meanwhile::Refused | Meanwhile::Served | Meanwhile::Either if attempts.is_empty() => return Err("nothing was answered".to_owned()),
        Meanwhile::Refused | Meanwhile::Served | Meanwhile::Either => {}
    }
    if took > BACK_WITHIN { Err(format!("back after {took:?} only")) } else { Ok(()) }
}
