use super::*;
use crate::audit::{self, Actor, Entry};
use crate::storage::Options;

const NOON: i64 = 1_800_000_000;

struct Bench {
    keys: IdempotencyKeys,
    clock: Clock,
    storage: Storage,
    _dir: tempfile::TempDir,
}

async fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(dir.path(), Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() }).unwrap().0;
    let clock = Clock::manual(from_seconds(NOON));
    let keys = IdempotencyKeys::load(storage.clone(), Ledger::new(storage.clone()), clock.clone()).await.unwrap();
    Bench { keys, clock, storage, _dir: dir }
}

fn asked(key: u8, body: u8) -> Asked {
    Asked { place: Place([key; 48]), fingerprint: [body; 32], request: RequestId::new() }
}

fn answer() -> Answer {
    Answer { status: 201, content_type: "application/json".to_owned(), body: b"{}".to_vec() }
}

#[tokio::test]
async fn a_key_is_known_for_a_day() {
    let bench = bench().await;
    let asked = asked(1, 1);
    assert!(matches!(bench.keys.begin(&asked).await.unwrap(), Known::Begun));
    bench.keys.keep(asked.place, &answer()).await;
    bench.clock.advance(24 * 3_600 - 1);
    assert_eq!(bench.keys.sweep().await.unwrap(), 0);
    assert!(matches!(bench.keys.begin(&asked).await.unwrap(), Known::Answered(known) if known == answer()));
    bench.clock.advance(1);
    // A request in time is a new one, whether or not the key was swept.
    assert!(matches!(bench.keys.begin(&Asked { fingerprint: [2; 32], ..asked }).await.unwrap(), Known::Begun));
    bench.clock.advance(24 * 3_600);
    assert_eq!(bench.keys.sweep().await.unwrap(), 1);
    assert_eq!(bench.storage.scan_keys(Table::IdempotencyKeys, &[], None).count(), 0);
    assert_eq!(bench.storage.scan_keys(Table::IdempotencyAnswers, &[], None).count(), 0);
    assert!(bench.keys.state().kept.is_empty());
}

#[tokio::test]
async fn another_body_is_refused_while_and_after_it_is_done() {
    let bench = bench().await;
    let turn = bench.keys.turn(&asked(1, 1)).await.unwrap();
    assert_eq!(bench.keys.turn(&asked(1, 2)).await.err().unwrap().code, "idempotency_key_reused");
    assert!(matches!(bench.keys.begin(&asked(1, 1)).await.unwrap(), Known::Begun));
    drop(turn);
    let _turn = bench.keys.turn(&asked(1, 2)).await.unwrap();
    assert_eq!(bench.keys.begin(&asked(1, 2)).await.unwrap_err().code, "idempotency_key_reused");
}

#[tokio::test]
async fn one_that_is_under_way_is_waited_for_and_not_for_ever() {
    let bench = bench().await;
    let turn = bench.keys.turn(&asked(1, 1)).await.unwrap();
    let problem = bench.keys.turn_within(&asked(1, 1), Duration::from_millis(20)).await.err().unwrap();
    assert_eq!((problem.code, problem.retry_after), ("idempotency_key_in_progress", Some(5)));
    drop(turn);
    assert!(bench.keys.turn(&asked(1, 1)).await.is_ok());
}

#[tokio::test]
async fn a_caller_has_so_many_keys_and_others_have_theirs() {
    let bench = bench().await;
    let place = |number: usize| {
        let mut place = [7; 48];
        place[40..].copy_from_slice(&number.to_be_bytes());
        Place(place)
    };
    bench.keys.state().kept.insert(place(0).caller(), MOST_OF_A_CALLER - 1);
    assert!(bench.keys.begin(&Asked { place: place(1), ..asked(7, 1) }).await.is_ok());
    let refused = Asked { place: place(2), ..asked(7, 1) };
    assert_eq!(bench.keys.begin(&refused).await.unwrap_err().code, "too_many_idempotency_keys");
    assert!(bench.keys.begin(&asked(8, 1)).await.is_ok());
    // What was refused by its handler is not kept and takes no place.
    bench.keys.forget(place(1)).await;
    assert!(bench.keys.begin(&refused).await.is_ok());
}

#[tokio::test]
async fn what_was_begun_and_not_done_is_forgotten_at_the_start() {
    let bench = bench().await;
    assert!(matches!(bench.keys.begin(&asked(1, 1)).await.unwrap(), Known::Begun));
    let again = IdempotencyKeys::load(bench.storage.clone(), Ledger::new(bench.storage.clone()), bench.clock.clone()).await.unwrap();
    assert!(again.state().kept.is_empty());
    // Nothing is known of it, not even its body.
    assert!(matches!(again.begin(&asked(1, 2)).await.unwrap(), Known::Begun));
}

#[tokio::test]
async fn what_was_done_and_not_answered_is_found_at_the_start_and_when_it_is_asked_again() {
    let bench = bench().await;
    let asked: Vec<_> = (1..=4).map(|key| asked(key, key)).collect();
    for one in &asked {
        assert!(matches!(bench.keys.begin(one).await.unwrap(), Known::Begun));
    }
    let now = bench.clock.now();
    let ledger = Ledger::new(bench.storage.clone());
    let commit = |entry: Entry| ledger.commit(audit::Change::entry_only(Class::Normal, entry));
    // Two deeds, one intention that came to nothing, and one refusal.
    commit(Entry::done(now, Actor::System, Action::RoleCreate).request(asked[2].request).object("third")).await.unwrap();
    commit(Entry::done(now, Actor::System, Action::CertificateIntend).request(asked[1].request).object("none")).await.unwrap();
    commit(Entry::refused(now, Actor::System, Action::RoleCreate, "x").request(asked[3].request).object("none")).await.unwrap();
    commit(Entry::done(now, Actor::System, Action::RoleCreate).request(asked[0].request).object("first")).await.unwrap();
    assert!(matches!(bench.keys.begin(&asked[0]).await.unwrap(), Known::Made(made) if made == "first"));
    let again = IdempotencyKeys::load(bench.storage.clone(), ledger.clone(), bench.clock.clone()).await.unwrap();
    assert!(matches!(again.begin(&asked[0]).await.unwrap(), Known::Made(made) if made == "first"));
    assert!(matches!(again.begin(&asked[2]).await.unwrap(), Known::Made(made) if made == "third"));
    assert!(matches!(again.begin(&asked[1]).await.unwrap(), Known::Begun));
    assert!(matches!(again.begin(&asked[3]).await.unwrap(), Known::Begun));
}
