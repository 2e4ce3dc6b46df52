//! The state machine against its drawing, and records that come back as they were.

use proptest::prelude::*;

use super::record::StateRecord;
use super::*;
use crate::base::clock::from_seconds;
use crate::base::id::{CertId, TokenId, UserId};

const HASH: [u8; 32] = [7; 32];
const OTHER_HASH: [u8; 32] = [8; 32];

#[derive(Clone, Copy, Debug)]
enum Step {
    Approve,
    Reject,
    Sign { as_approved: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![Just(Step::Approve), Just(Step::Reject), any::<bool>().prop_map(|as_approved| Step::Sign { as_approved })]
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![
        (any::<[u8; 16]>(), "[a-zä ]{0,20}", any::<Option<[u8; 16]>>()).prop_map(|(id, name, user)| Party::Token {
            id: TokenId::from_bytes(id),
            name,
            user: user.map(UserId::from_bytes)
        }),
        any::<u32>().prop_map(|user| Party::BreakGlass { user }),
        Just(Party::System),
        Just(Party::Unknown),
    ]
}

fn take(state: State, step: Step, by: &Party, second: i64, certificate: CertId) -> Result<State, TransitionError> {
    let at = from_seconds(second);
    match step {
        Step::Approve => state.approve(Approval { by: by.clone(), at, request_sha256: HASH }),
        Step::Reject => state.reject(Rejection { by: by.clone(), at, reason: "no".to_owned() }),
        Step::Sign { as_approved } => state.sign(if as_approved { HASH } else { OTHER_HASH }, by.clone(), at, certificate),
    }
}

/// The drawing, as a table: where a step leads from a status.
fn drawn(from: Status, step: Step) -> Option<Status> {
    match (from, step) {
        (Status::Pending, Step::Approve) => Some(Status::Approved),
        (Status::Pending, Step::Reject) => Some(Status::Rejected),
        (Status::Approved, Step::Sign { as_approved: true }) => Some(Status::Signed),
        _ => None,
    }
}

proptest! {
    #[test]
    fn a_request_goes_only_where_the_drawing_leads(steps in prop::collection::vec((step(), party()), 0..12)) {
        let (mut state, mut signatures) = (State::Pending, Vec::new());
        for (second, (step, by)) in steps.into_iter().enumerate() {
            let certificate = CertId::new();
            let before = state.clone();
            match (take(state.clone(), step, &by, second as i64, certificate), drawn(before.status(), step)) {
                (Ok(after), Some(wanted)) => {
                    prop_assert_eq!(after.status(), wanted);
                    if let State::Signed(signing) = &after {
                        prop_assert_eq!((&signing.by, signing.certificate), (&by, certificate));
                        prop_assert_eq!(&before, &State::Approved(signing.approval.clone()), "the approval is kept");
                        signatures.push(certificate);
                    }
                    let bytes = StateRecord::encode(&after).unwrap();
                    let read = StateRecord::decode(&bytes);
                    prop_assert_eq!(read.as_ref(), Some(&after), "what is written is read");
                    prop_assert!(bytes.get(..bytes.len() - 1).is_none_or(|cut| StateRecord::decode(cut).as_ref() != Some(&after)));
                    state = after;
                }
                (Err(error), None) => match (&before, step, error) {
                    (State::Signed(signing), Step::Sign { .. }, TransitionError::AlreadySigned(id)) => {
                        prop_assert_eq!(id, signing.certificate, "who comes late learns of the certificate");
                    }
                    (State::Approved(_), Step::Sign { .. }, TransitionError::OtherThanApproved) => {}
                    (_, Step::Sign { .. }, TransitionError::NotApproved(status)) => prop_assert_eq!(status, before.status()),
                    (_, Step::Approve | Step::Reject, TransitionError::NotPending(status)) => prop_assert_eq!(status, before.status()),
                    (_, _, error) => prop_assert!(false, "{:?} from {:?}: {}", step, before, error),
                },
                (outcome, wanted) => prop_assert!(false, "{:?} from {:?} gave {:?}, not {:?}", step, before, outcome, wanted),
            }
        }
        prop_assert!(signatures.len() <= 1, "one request makes one certificate");
    }
}

#[test]
fn one_party_is_itself_whatever_it_is_called() {
    let of = |user: Option<u8>, id: u8, name: &str| Party::Token {
        id: TokenId::from_bytes([id; 16]),
        name: name.to_owned(),
        user: user.map(|user| UserId::from_bytes([user; 16])),
    };
    let token = |id: u8, name: &str| of(None, id, name);
    let break_glass = |user| Party::BreakGlass { user };
    for (one, other, may_be) in [
        (token(1, "a"), token(1, "b"), true),
        (token(1, "a"), token(2, "a"), false),
        (of(Some(1), 1, "a"), of(Some(1), 2, "b"), true),
        (of(Some(1), 1, "a"), of(Some(2), 2, "a"), false),
        (of(Some(1), 1, "a"), token(2, "a"), false),
        (token(1, "a"), break_glass(0), false),
        (break_glass(0), break_glass(0), true),
        (break_glass(0), break_glass(1), false),
        (Party::System, Party::System, true),
        (Party::System, token(1, "system"), false),
        (Party::Unknown, token(1, "a"), true),
    ] {
        assert_eq!((one.may_be(&other), other.may_be(&one)), (may_be, may_be), "{one} {other}");
    }
}

#[test]
fn a_status_has_one_name_and_one_number() {
    for status in Status::ALL {
        assert_eq!(status.name().parse(), Ok(status));
        assert_eq!(Status::ALL.into_iter().filter(|other| other.number() == status.number()).count(), 1);
    }
    assert!("PENDING".parse::<Status>().is_err());
}
