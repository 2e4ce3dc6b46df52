use jiff::Timestamp;

use super::record::{LONGEST, decode, encode};
use super::*;
use crate::base::clock::from_seconds;
use crate::base::id::{RequestId, TokenId};
use crate::storage::{self, Class, Options, Storage, Table};

fn entry(second: i64, action: Action) -> Entry {
    Entry::done(from_seconds(second), Actor::System, action)
}

fn ledger(dir: &std::path::Path) -> Ledger {
    let options = Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() };
    Ledger::new(Storage::open(dir, options).unwrap().0)
}

#[test]
fn an_entry_comes_back_as_it_was() {
    let time: Timestamp = "2026-11-22T06:30:00.123456Z".parse().unwrap();
    let actor = Actor::Token { id: TokenId::new(), name: "build server".to_owned() };
    let entry = Entry::refused(time, actor, Action::RequestRefused, "name_not_allowed")
        .request(RequestId::new())
        .object("cert_1")
        .detail(Field::CommonName, "a.example")
        .detail(Field::Path, "/v1/pki/issue");
    assert_eq!(decode(&encode(entry.clone())), Ok(entry));
    for action in Action::ALL {
        assert_eq!((Action::from_number(action.number()), Action::from_name(action.name())), (Some(*action), Some(*action)));
        assert!(action.name().contains('.'));
    }
    for field in Field::ALL {
        assert_eq!((Field::from_number(field.number()), Field::from_name(field.name())), (Some(*field), Some(*field)));
    }
}

#[test]
fn texts_are_bounded_and_cannot_forge_a_line() {
    let nasty = "a\nb\r\u{1b}[2J\0\u{202e}é";
    let entry =
        entry(0, Action::CaCreate).object(nasty).detail(Field::CommonName, "x".repeat(10_000)).detail(Field::Path, "\n".repeat(10_000));
    let entry = decode(&encode(entry)).unwrap();
    assert_eq!(entry.object.unwrap(), "a\\u{a}b\\u{d}\\u{1b}[2J\\u{0}\\u{202e}é");
    for (_, value) in &entry.details {
        assert!(value.len() <= LONGEST && value.ends_with('…') && !value.contains('\n'));
    }
}

#[test]
fn junk_is_no_entry() {
    let bytes = encode(entry(0, Action::CaCreate).detail(Field::Role, "web"));
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err());
    }
    assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(EntryFault::Form));
    assert_eq!(decode(&[9; 40]), Err(EntryFault::Form));
}

#[test]
fn a_change_and_its_entry_stand_or_fall_together() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let change = || storage::Change::new(Class::Normal).expect_absent(Table::Roles, b"r").put(Table::Roles, b"r", b"1");
    ledger.commit_blocking(Change::new(change(), entry(1, Action::RoleCreate).object("r"))).unwrap();
    assert!(ledger.commit_blocking(Change::new(change(), entry(2, Action::RoleCreate).object("again"))).is_err());
    let listing = ledger.page(&Filter::default(), Start::After(0), 10).unwrap();
    assert_eq!(listing.entries.len(), 1);
    assert_eq!((listing.entries[0].entry.object.as_deref(), listing.next), (Some("r"), None));
    assert_eq!(ledger.storage().get(Table::Roles, b"r").unwrap().unwrap(), b"1");
}

#[test]
fn pages_follow_each_other_both_ways_and_keep_to_the_filter() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    let token = TokenId::new();
    for second in 0..60 {
        let mut line =
            entry(second, if second % 3 == 0 { Action::CaCreate } else { Action::CertificateIssue }).object(format!("o{second}"));
        if second % 5 == 0 {
            line.outcome = Outcome::Refused { code: "no".to_owned() };
            line.actor = Actor::Token { id: token, name: "t".to_owned() };
        }
        ledger.commit_blocking(Change::entry_only(Class::Normal, line)).unwrap();
    }
    let read = |filter: &Filter, mut start: Start| {
        let mut seconds = Vec::new();
        loop {
            let listing = ledger.page(filter, start, 7).unwrap();
            assert!(listing.entries.len() <= 7);
            seconds.extend(listing.entries.iter().map(|listed| listed.entry.time.as_second()));
            match listing.next {
                Some(next) => start = next,
                None => return seconds,
            }
        }
    };
    let all = Filter::default();
    assert_eq!(read(&all, Start::After(0)), (0..60).collect::<Vec<_>>());
    assert_eq!(read(&all, Start::Before(u64::MAX)), (0..60).rev().collect::<Vec<_>>());
    let of = |wanted: fn(&i64) -> bool| (0..60).filter(wanted).collect::<Vec<_>>();
    assert_eq!(read(&Filter { action: Some(Action::CaCreate), ..all.clone() }, Start::After(0)), of(|second| second % 3 == 0));
    assert_eq!(read(&Filter { refused: Some(true), ..all.clone() }, Start::After(0)), of(|second| second % 5 == 0));
    assert!(read(&Filter { token: Some(token), refused: Some(false), ..all.clone() }, Start::After(0)).is_empty());
    assert_eq!(read(&Filter { object: Some("o9".to_owned()), ..all.clone() }, Start::Before(u64::MAX)), [9]);
    let span = Filter { since: Some(from_seconds(10)), until: Some(from_seconds(12)), ..all };
    assert_eq!(read(&span, Start::After(0)), [10, 11]);
}

#[test]
fn a_flood_of_refusals_is_counted_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    for _ in 0..500 {
        ledger.note_soon(Entry::refused(from_seconds(100), Actor::Anonymous, Action::RequestRefused, "unauthorized"));
    }
    ledger.note_soon(Entry::refused(from_seconds(101), Actor::Anonymous, Action::RequestRefused, "unauthorized"));
    ledger.commit_blocking(Change::entry_only(Class::Normal, entry(102, Action::DaemonStop))).unwrap();
    let listing = ledger.page(&Filter { action: Some(Action::RequestRefused), ..Filter::default() }, Start::After(0), 1_000).unwrap();
    assert_eq!(listing.entries.len(), 11);
    assert_eq!(listing.entries[10].entry.details, [(Field::Suppressed, "490".to_owned())]);
}

#[test]
fn verification_counts_every_entry_and_finds_what_was_altered() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    for second in 0..30 {
        ledger.commit_blocking(Change::entry_only(Class::Normal, entry(second, Action::CaCreate).object("altered-object"))).unwrap();
    }
    // Beside the running store and after it.
    let running = verify(dir.path()).unwrap();
    drop(ledger);
    let report = verify(dir.path()).unwrap();
    assert_eq!(running, report);
    assert_eq!((report.first, report.last, report.entries, report.torn_bytes), (1, 31, 30, 0));
    assert_eq!((report.first_time, report.last_time), (Some(from_seconds(0)), Some(from_seconds(29))));
    let path = dir.path().join("journal/0000000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(7).position(|window| window == b"altered").unwrap();
    bytes[at] = b'A';
    std::fs::write(&path, bytes).unwrap();
    let error = verify(dir.path()).unwrap_err();
    assert!(matches!(error, VerifyError::Journal(crate::journal::JournalError::Corrupt { segment: 1, .. })), "{error}");
}

#[test]
fn a_note_that_is_no_entry_is_reported_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(dir.path());
    ledger.storage().commit_blocking(storage::Change::new(Class::Normal).note(b"no entry".to_vec())).unwrap();
    drop(ledger);
    assert!(matches!(verify(dir.path()), Err(VerifyError::Entry { sequence: 2, segment: 1, .. })));
}
