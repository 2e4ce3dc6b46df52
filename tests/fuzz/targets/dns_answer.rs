//! Answers of DNS: addresses are taken only from an answer to the very question, and no more than are tried.
#![no_main]

use chancery::outbound::{addresses, answer_to};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let name = Name::from_ascii("hook.example.com.").expect("a name");
    for kind in [RecordType::A, RecordType::AAAA] {
        let mut question = Message::query();
        // The id is a matter of luck; what comes behind it is what is looked at.
        if let [first, second, ..] = data {
            question.metadata.id = u16::from_be_bytes([*first, *second]);
        }
        question.add_query(Query::query(name.clone(), kind));
        let Some(answer) = answer_to(&question, data) else { continue };
        assert_eq!(answer.queries, question.queries);
        let found = addresses(&answer, &name, kind);
        assert!(found.len() <= 16 && found.len() <= answer.answers.len());
        assert!(found.iter().all(|address| address.is_ipv4() == (kind == RecordType::A)));
    }
});
