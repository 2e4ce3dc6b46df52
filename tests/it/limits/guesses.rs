//! Wrong tokens, which their address pays for and never the token's owner.

use std::time::Duration;

use super::{limited, metric};
use crate::appliance::Answer;

const LIMITS: &str = "\n[limits.wrong_credentials]\nfree = 5\nlongest_wait = \"8s\"\n";
const GUESSER: &str = "127.0.5.5";

fn wait_of(answer: &Answer) -> u64 {
    assert_eq!(answer.refused(429).0, "too_many_wrong_credentials");
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[test]
fn guessing_is_answered_ever_later_and_the_owner_never() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = limited(dir.path(), LIMITS);
    let right = appliance.token(&["pki:read"]);
    // One letter off, so whatever counted by the token would count here.
    let wrong = format!("{}{}", &right[..right.len() - 1], if right.ends_with('A') { 'E' } else { 'A' });
    let show = |source: &str, token: &str| appliance.call_from(source, Some(token), "GET", "/v1/pki/roles", None);
    for n in 0..5 {
        assert_eq!(show(GUESSER, &wrong).status, 401, "{n}");
        assert_eq!(show(GUESSER, &right).status, 200);
    }
    let mut waits = Vec::new();
    for _ in 0..4 {
        let wait = wait_of(&show(GUESSER, &wrong));
        waits.push(wait);
        // While it waits nothing grows, however often it comes back, and the owner is served, there and elsewhere.
        for _ in 0..3 {
            let again = show(GUESSER, &wrong);
            assert!(again.status == 429 && wait_of(&again) <= 8, "{}", again.text());
            assert_eq!(show(GUESSER, &right).status, 200);
            assert_eq!(show("127.0.5.6", &right).status, 200);
        }
        assert_eq!(appliance.call_from(GUESSER, None, "GET", "/v1/pki/roles", None).status, 401, "who shows nothing has guessed nothing");
        assert_eq!(show("127.0.5.7", &wrong).status, 401, "another address, of one wrong token each round");
        std::thread::sleep(Duration::from_secs(wait));
    }
    // A slow machine may let a wait pass within a round, and then the next is longer sooner.
    assert!(waits.is_sorted() && waits[0] == 1 && waits[3] == 8, "{waits:?}");

    let entries = appliance.trail();
    let told: Vec<_> = entries.iter().filter(|entry| entry["action"] == "source.lock_out").collect();
    assert!((4..=16).contains(&told.len()), "one for each wait: {told:?}");
    for entry in &told {
        assert_eq!((&entry["actor"], &entry["details"]["peer"]), (&"system".into(), &GUESSER.into()), "{entry}");
        assert_eq!(entry["outcome"], "refused: too_many_wrong_credentials");
        assert!(!entry.to_string().contains(&wrong[4..]), "{entry}");
    }
    assert!(metric(&appliance, r#"chancery_http_requests_limited_total{limit="wrong_credentials"}"#) >= 16);
    let log = appliance.log();
    assert!(log.contains("wrong credentials from this address") && !log.contains(&wrong[4..]), "{log}");
}
