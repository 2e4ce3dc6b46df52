//! What an answer of DNS holds for the name that was asked for. Pure: bytes and a question in, records out.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{Name, RData, RecordType};

/// How many names an answer may lead through (CNAME).
pub const LONGEST_CHAIN: usize = 16;
/// More addresses of one name are not tried.
pub const MOST_ADDRESSES: usize = 16;

/// A property of a CAA record (RFC 8659, 4.1), as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaProperty {
    pub is_critical: bool,
    /// ASCII letters and digits.
    pub tag: String,
    pub value: Vec<u8>,
}

/// Where the aliases of an answer end, and what stands there.
#[derive(Debug)]
pub struct Followed<'a> {
    pub name: Name,
    /// How many aliases led there.
    pub aliases: usize,
    pub records: Vec<&'a RData>,
}

/// The message in these bytes, when it answers the question.
pub fn answer_to(question: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let is_it = answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries;
    is_it.then_some(answer)
}

/// Follows the aliases of an answer, at most that many. Records of other names are not looked at.
pub fn follow<'a>(answer: &'a Message, name: &Name, kind: RecordType, most_aliases: usize) -> Followed<'a> {
    let mut name = name.clone();
    for aliases in 0..=most_aliases {
        let of_name = || answer.answers.iter().filter(|record| record.name == name).map(|record| &record.data);
        let records: Vec<&RData> = of_name().filter(|data| data.record_type() == kind).collect();
        let alias = of_name().find_map(|data| match data {
            RData::CNAME(alias) => Some(alias.0.clone()),
            _ => None,
        });
        match alias {
            Some(alias) if records.is_empty() && aliases < most_aliases => name = alias,
            _ => return Followed { name, aliases, records },
        }
    }
    Followed { name, aliases: most_aliases, records: Vec::new() }
}

/// The addresses among these records.
pub fn addresses<'a>(records: impl IntoIterator<Item = &'a RData>) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    records.into_iter().filter_map(address).take(MOST_ADDRESSES).collect()
}

/// The texts among these records. RFC 7208, 3.3 says it best: the strings of one record belong together without a space.
pub fn texts<'a>(records: impl IntoIterator<Item = &'a RData>) -> Vec<Vec<u8>> {
    let text = |data: &RData| match data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    };
    records.into_iter().filter_map(text).collect()
}

/// The CAA properties among these records.
pub fn properties<'a>(records: impl IntoIterator<Item = &'a RData>) -> Vec<CaaProperty> {
    let property = |data: &RData| match data {
        RData::CAA(caa) => Some(CaaProperty { is_critical: caa.issuer_critical, tag: caa.tag.clone(), value: caa.value.clone() }),
        _ => None,
    };
    records.into_iter().filter_map(property).collect()
}
