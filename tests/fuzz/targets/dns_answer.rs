//! Answers of DNS: records are taken only from an answer to the very question, by way of no more aliases than are followed.
#![no_main]

use chancery::outbound::{addresses, answer_to, follow, properties, texts};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let name = Name::from_ascii("hook.example.com.").expect("a name");
    for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::CAA] {
        let mut question = Message::query();
        // The id is a matter of luck; what comes behind it is what is looked at.
        if let [first, second, ..] = data {
            question.metadata.id = u16::from_be_bytes([*first, *second]);
        }
        question.add_query(Query::query(name.clone(), kind));
        let Some(answer) = answer_to(&question, data) else { continue };
        assert_eq!(answer.queries, question.queries);
        for most_aliases in [0, 1, 16] {
            let followed = follow(&answer, &name, kind, most_aliases);
            assert!(followed.aliases <= most_aliases && (followed.aliases > 0 || followed.name == name));
            assert!(followed.records.iter().all(|data| data.record_type() == kind));
            let records = || followed.records.iter().copied();
            let found = addresses(records());
            assert!(found.len() <= 16 && found.len() <= answer.answers.len());
            assert!(found.iter().all(|address| address.is_ipv4() == (kind == RecordType::A)));
            assert!(kind == RecordType::TXT || texts(records()).is_empty());
            assert!(kind == RecordType::CAA || properties(records()).is_empty());
        }
    }
});
