use std::net::{IpAddr, Ipv6Addr};

use super::*;

const LIMITS: Limits = Limits {
    callers: Rate { per_second: 10, burst: 20 },
    read_cost: 1,
    sign_cost: 5,
    sources: Rate { per_second: 2, burst: 4 },
    guesses: Patience { free: 3, longest: Duration::from_secs(8) },
};

fn source(n: u64) -> Source {
    Source::from(IpAddr::V6(Ipv6Addr::from_bits(u128::from(n) << 64)))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_caller_has_a_burst_and_then_its_rate_and_signing_costs_more() {
    let begun = Instant::now();
    let (rates, token, other) = (Rates::new(LIMITS, begun), TokenId::new(), TokenId::new());
    for _ in 0..4 {
        rates.caller(token, Work::Sign, begun).unwrap();
    }
    let refused = rates.caller(token, Work::Sign, begun).unwrap_err();
    assert_eq!(refused, TooMany { wait: Duration::from_millis(500), is_to_tell: true });
    assert!(!rates.caller(token, Work::Read, begun).unwrap_err().is_to_tell, "once is enough for a while");
    rates.caller(other, Work::Sign, begun).unwrap();
    // What was refused cost nothing, so the wait it was told is right.
    let later = begun + refused.wait;
    rates.caller(token, Work::Sign, later).unwrap();
    let taken = (0..100).filter(|_| rates.caller(token, Work::Read, later + seconds(1)).is_ok()).count();
    assert_eq!(taken, 10, "a second brings ten");
    let rested: Vec<_> = (0..100).map(|_| rates.caller(token, Work::Read, later + seconds(1_000))).collect();
    assert_eq!(rested.iter().filter(|taken| taken.is_ok()).count(), 20, "however long it rests, no more than the burst");
    assert_eq!(rested.iter().filter(|taken| taken.is_err_and(|refused| refused.is_to_tell)).count(), 1);
}

#[test]
fn limits_can_be_exchanged() {
    let begun = Instant::now();
    let rates = Rates::new(LIMITS, begun);
    let taken = |now| (0..100).filter(|_| rates.stranger(source(1), now).is_ok()).count();
    assert_eq!(taken(begun), 4);
    rates.set_limits(Limits { sources: Rate { per_second: 50, burst: 60 }, ..LIMITS });
    assert_eq!(taken(begun + seconds(10)), 60);
}

#[test]
fn wrong_secrets_are_answered_ever_later_and_forgotten_in_the_end() {
    let begun = Instant::now();
    let rates = Rates::new(LIMITS, begun);
    let mut now = begun;
    for _ in 0..3 {
        assert_eq!(rates.wrong_secret(source(1), now), Verdict::Wrong);
    }
    for (wrong, wait) in [(4, 1), (5, 2), (6, 4), (7, 8), (8, 8)] {
        let left = seconds(wait);
        assert_eq!(rates.wrong_secret(source(1), now), Verdict::Wait { left, begins_after: Some(wrong) });
        let half = left / 2;
        assert_eq!(rates.wrong_secret(source(1), now + half), Verdict::Wait { left: left - half, begins_after: None });
        now += left;
    }
    assert_eq!(rates.wrong_secret(source(2), now), Verdict::Wrong, "another source has done nothing");
    now += seconds(16);
    assert_eq!(rates.wrong_secret(source(1), now), Verdict::Wrong);
}

#[test]
fn no_number_of_wrong_secrets_overflows() {
    let mut now = Instant::now();
    let mut guesses = Guesses::none(now);
    for _ in 0..100 {
        if let Verdict::Wait { left, .. } = guesses.wrong(LIMITS.guesses, now) {
            assert!(left <= LIMITS.guesses.longest);
            now += left;
        }
    }
}

#[test]
fn memory_is_bounded_and_a_flood_costs_others_nothing() {
    let begun = Instant::now();
    let rates = Rates::new(LIMITS, begun);
    for _ in 0..4 {
        rates.stranger(source(0), begun).unwrap();
    }
    assert!(rates.stranger(source(0), begun).is_err());
    for n in 1..200_000 {
        rates.stranger(source(n), begun).unwrap();
        rates.wrong_secret(source(n), begun);
    }
    assert!(rates.remembered() <= 4 * SOURCES, "{}", rates.remembered());
    rates.stranger(source(0), begun).unwrap();
}

#[test]
fn what_is_touched_is_remembered_and_what_is_not_goes_after_two_periods() {
    let begun = Instant::now();
    let mut recent = Recent::new(100, seconds(10), begun);
    *recent.of(1, begun, || 0) = 7;
    *recent.of(2, begun, || 0) = 8;
    for turn in 1..5 {
        assert_eq!(*recent.of(1, begun + seconds(10 * turn), || 0), 7);
    }
    assert_eq!(recent.len(), 1);
    assert_eq!(*recent.of(2, begun + seconds(50), || 0), 0);
}

#[test]
fn handshakes_of_one_source_leave_the_others_theirs_and_what_is_refused_costs_nothing() {
    let begun = Instant::now();
    let pace = Pace { all: Rate { per_second: 10, burst: 6 }, source: Rate { per_second: 1, burst: 3 } };
    let mut handshakes = Handshakes::new(begun);
    let mut outcomes = |source, now| (0..20).map(|_| handshakes.begin(pace, source, now)).collect::<Vec<_>>();
    let count = |outcomes: &[Result<(), TooFast>], wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let of_one = outcomes(Some(source(1)), begun);
    assert_eq!((count(&of_one, Ok(())), count(&of_one, Err(TooFast::Source))), (3, 17));
    // Its seventeen took nothing from the rest.
    let of_other = outcomes(Some(source(2)), begun);
    assert_eq!((count(&of_other, Ok(())), count(&of_other, Err(TooFast::Source))), (3, 17));
    let of_third = outcomes(Some(source(3)), begun);
    assert_eq!(count(&of_third, Err(TooFast::All)), 20);
    // Nor did those of the third take anything from itself.
    let of_third = outcomes(Some(source(3)), begun + seconds(1));
    assert_eq!((count(&of_third, Ok(())), count(&of_third, Err(TooFast::Source))), (3, 17));
    let nobody = outcomes(None, begun + seconds(2));
    assert_eq!((count(&nobody, Ok(())), count(&nobody, Err(TooFast::All))), (6, 14), "what has no source counts for all alone");
}
