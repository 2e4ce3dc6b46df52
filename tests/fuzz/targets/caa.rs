//! Values of CAA properties, and of the records of dns-persist-01, which have the same form: whoever may issue by one that was read is named
//! in it, letter by letter.
#![no_main]

use chancery::acme_server::validation::issue_value::IssueValue;
use chancery::acme_server::validation::{CaaQuestion, ChallengeKind, Identifier, caa};
use chancery::outbound::CaaProperty;
use libfuzzer_sys::fuzz_target;

const ACCOUNT: &str = "https://ca.example/a/1";

fuzz_target!(|data: &[u8]| {
    let Some((flags, value)) = data.split_first() else { return };
    let contains = |needle: &str| value.to_ascii_lowercase().windows(needle.len()).any(|window| window == needle.as_bytes());
    if let Ok(read) = IssueValue::parse(value) {
        assert!(read.issuer.as_ref().is_none_or(|issuer| contains(issuer)));
    }
    let tags = ["issue", "issuewild", "ISSUE", "future"];
    let tag = tags[usize::from(flags >> 2 & 3)];
    let property = CaaProperty { is_critical: flags & 1 != 0, tag: tag.to_owned(), value: value.to_vec() };
    let identifier = Identifier::Dns { name: "www.example.com".to_owned(), wildcard: flags & 2 != 0 };
    let question = CaaQuestion {
        identifier: &identifier,
        account_url: ACCOUNT,
        kind: Some(ChallengeKind::Http01),
        issuer_domains: &["ca.example".to_owned()],
    };
    let is_asked = tag.eq_ignore_ascii_case("issue") || (tag == "issuewild" && flags & 2 != 0);
    if caa::decide("example.com", &[property], &question).is_ok() && is_asked {
        assert!(contains("ca.example"));
    }
});
