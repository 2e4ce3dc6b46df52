//! So many requests of a caller, and of an address without one.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{limited, metric};
use crate::appliance::{Answer, Appliance};

/// Asks until it is refused for asking too often; how often it was answered, and the refusal.
fn until_refused(most: usize, mut ask: impl FnMut() -> Answer) -> (usize, Answer) {
    for answered in 0..most {
        let answer = ask();
        if answer.status == 429 {
            return (answered, answer);
        }
    }
    panic!("{most} requests were not too many")
}

fn wait_of(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {}", answer.text())).parse().unwrap()
}

fn read_as(appliance: &Appliance, token: &str) -> Answer {
    appliance.call_as(Some(token), "GET", "/v1/pki/roles", None)
}

#[test]
fn a_caller_that_asks_too_much_waits_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_in(dir.path());
    let (busy, other, signer) = (appliance.token(&["pki:read"]), appliance.token(&["pki:read"]), appliance.token(&["pki:admin"]));
    drop(appliance);
    let limits = "\n[limits.callers]\nper_second = 1\nburst = 30\nread_cost = 3\nsign_cost = 15\n";
    let appliance = limited(dir.path(), limits);
    let (answered, refused) = until_refused(500, || read_as(&appliance, &busy));
    assert!(answered >= 10, "{answered}");
    assert_eq!(refused.refused(429).0, "rate_limited");
    let wait = wait_of(&refused);
    assert!((1..=3).contains(&wait), "{wait}");
    // A flood that goes on gets nothing, from wherever it comes, and no other caller of the same address notices.
    let begun = Instant::now();
    let answered = (0..20).filter(|_| appliance.call_from("127.0.0.7", Some(&busy), "GET", "/v1/pki/roles", None).status == 200).count();
    assert!(answered as u64 <= 1 + begun.elapsed().as_secs() / 3, "{answered} in {:?}", begun.elapsed());
    assert_eq!(read_as(&appliance, &other).status, 200);
    assert_eq!(appliance.call_as(None, "GET", "/healthz", None).status, 200);
    // Who waits as long as it was told is answered.
    let (_, refused) = until_refused(500, || read_as(&appliance, &busy));
    std::thread::sleep(Duration::from_secs(wait_of(&refused)));
    assert_eq!(read_as(&appliance, &busy).status, 200);

    // What signs or writes costs more, also when it is refused for another reason.
    let begun = Instant::now();
    let (answered, _) = until_refused(500, || appliance.call_as(Some(&signer), "POST", "/v1/pki/roles", Some(json!({}))));
    assert!((2..=2 + begun.elapsed().as_secs() / 15 + 1).contains(&(answered as u64)), "{answered}");

    let told: Vec<_> = appliance
        .trail()
        .into_iter()
        .filter(|entry| entry["outcome"] == "refused: rate_limited")
        .map(|entry| entry["actor"].clone())
        .collect();
    let of_one = told.iter().filter(|actor| **actor == told[0]).count();
    assert!((1..=2).contains(&of_one), "once a minute is enough: {told:?}");
    assert!(metric(&appliance, r#"chancery_http_requests_limited_total{limit="caller"}"#) >= 20);
}

#[test]
fn an_address_without_a_credential_has_its_part_and_callers_there_have_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = limited(dir.path(), "\n[limits.addresses]\nper_second = 1\nburst = 20\n");
    for path in ["/healthz", "/no/such/endpoint", "/v1/pki/roles"] {
        let source = format!("127.0.3.{}", path.len());
        let (answered, refused) = until_refused(500, || appliance.call_from(&source, None, "GET", path, None));
        assert!(answered >= 20, "{path}: {answered}");
        assert_eq!(refused.refused(429).0, "rate_limited", "{path}");
        assert!(wait_of(&refused) >= 1);
        assert_eq!(appliance.call_from(&source, Some(&appliance.admin_token()), "GET", "/v1/pki/roles", None).status, 200);
        assert_eq!(appliance.call_from("127.0.4.1", None, "GET", "/healthz", None).status, 200, "another address");
    }
    assert!(metric(&appliance, r#"chancery_http_requests_limited_total{limit="address"}"#) >= 3);
    assert!(metric(&appliance, "chancery_http_limits_remembered") >= 4);
}
