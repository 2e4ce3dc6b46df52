use jiff::SignedDuration;
use jiff::ToSpan as _;

use super::schedule::{after, given_up, is_given_up, wait_after};
use super::*;
use crate::events::{Event, Kind};

fn start() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn event(sequence: u64, time: Timestamp) -> Event {
    let organization = OrgId::from_bytes([1; 16]);
    Event { sequence, time, kind: Kind::CertificateIssued, organization, subject: None, data: Vec::new() }
}

fn failure() -> Outcome {
    Outcome { status: Some(503), error: Some("the receiver answered 503".to_owned()) }
}

#[test]
fn waits_double_from_a_second_to_an_hour() {
    let waits: Vec<i64> = (1..=16).map(|attempts| wait_after(attempts).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600, 3600]);
    assert_eq!(wait_after(u32::MAX).as_secs(), 3_600);
}

#[test]
fn an_event_is_tried_for_three_days_and_then_passed_over() {
    let event = event(7, start());
    let (mut now, mut progress) = (start(), Progress::starting_at(3));
    let mut attempts = 0;
    while !is_given_up(&event, &progress, now) {
        let (next, ended) = after(&event, progress, &failure(), now);
        assert!(ended.is_none());
        attempts += 1;
        let retry = next.retry.clone().unwrap();
        assert_eq!((retry.attempts, retry.sequence, next.position), (attempts, 7, 3));
        now = retry.next_at;
        progress = next;
    }
    let took = now.duration_since(start());
    assert!(took >= SignedDuration::from_hours(72) && took < SignedDuration::from_hours(74), "{took:?}");
    let (progress, delivery) = given_up(&event, progress, now);
    assert_eq!((delivery.state, delivery.attempts, delivery.status), (DeliveryState::Failed, attempts, Some(503)));
    assert_eq!((progress.position, progress.ended, progress.retry), (7, 1, None));
}

#[test]
fn behind_a_dead_receiver_old_events_are_passed_over_and_new_ones_are_tried() {
    let now = start() + 96.hours();
    let progress = Progress { failing_since: Some(start()), ..Progress::starting_at(3) };
    assert!(is_given_up(&event(8, start() + 1.hour()), &progress, now));
    assert!(!is_given_up(&event(9, start() + 95.hours()), &progress, now));
    // A daemon that was off does not give up what it never tried.
    assert!(!is_given_up(&event(8, start()), &Progress::starting_at(3), now));
    let (_, delivery) = given_up(&event(8, start()), progress, now);
    assert_eq!((delivery.attempts, delivery.number), (0, 0));
}

#[test]
fn a_success_ends_the_failing_and_moves_on() {
    let event = event(7, start());
    let (progress, _) = after(&event, Progress::starting_at(3), &failure(), start());
    assert_eq!(progress.failing_since, Some(start()));
    let later = start() + 1.hour();
    let (progress, delivery) = after(&event, progress, &Outcome { status: Some(204), error: None }, later);
    let delivery = delivery.unwrap();
    assert_eq!((delivery.state, delivery.attempts, delivery.first_at, delivery.last_at), (DeliveryState::Delivered, 2, start(), later));
    assert_eq!((progress.position, progress.failing_since, progress.last_success_at), (7, None, Some(later)));
    assert!(progress.last_error.is_some(), "the last error stays visible");
}

#[test]
fn the_signature_is_that_of_the_specification() {
    // The example of the Standard Webhooks specification's own libraries.
    let secret = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let body = br#"{"test": 2432232314}"#;
    let signature = message::signature(&secret.into(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn records_come_back_as_they_were() {
    let (progress, _) = after(&event(7, start()), Progress::starting_at(3), &failure(), start());
    assert_eq!(ProgressRecord::decode(&ProgressRecord::encode(&progress).unwrap()), Some(progress.clone()));
    let (_, delivery) = given_up(&event(7, start()), progress, start());
    assert_eq!(DeliveryRecord::decode(delivery.number, &DeliveryRecord::encode(&delivery).unwrap()), Some(delivery));
}
