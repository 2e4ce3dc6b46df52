//! Reading what a request that is made here shall ask for: every fault at once, typed otherwise.

use jiff::Timestamp;

use crate::api::pki::CreateSigningRequest;
use crate::api::problem::Violation;
use crate::base::text::escaped;
use crate::policy::{self, ApprovalPolicy, Request, Source};
use crate::profiles::read_key_type;
use crate::x509::algorithm::KeyType;
use crate::x509::dns_name::DnsName;
use crate::x509::name::{AttributeType, DistinguishedName};
use crate::x509::san::{self, RequestedName, SubjectAltName};

/// What shall be asked for, and for what kind of key.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    pub subject: DistinguishedName,
    pub names: Vec<SubjectAltName>,
    pub key_type: KeyType,
}

/// The fields of a subject and what they become, in the order of the name: from the country down to the mailbox.
pub const SUBJECT_FIELDS: [(&str, AttributeType); 14] = [
    ("country", AttributeType::Country),
    ("state", AttributeType::StateOrProvince),
    ("locality", AttributeType::Locality),
    ("postal_code", AttributeType::PostalCode),
    ("street_address", AttributeType::StreetAddress),
    ("organization", AttributeType::Organization),
    ("organizational_unit", AttributeType::OrganizationalUnit),
    ("title", AttributeType::Title),
    ("surname", AttributeType::Surname),
    ("given_name", AttributeType::GivenName),
    ("serial_number", AttributeType::SerialNumber),
    ("user_id", AttributeType::UserId),
    ("common_name", AttributeType::CommonName),
    ("email", AttributeType::EmailAddress),
];

impl KeyRequest {
    /// Reads the wire form. The names are those a certificate will have: a host that the common name speaks of and the subject's mailbox
    /// are among them.
    pub fn read(wire: &CreateSigningRequest, now: Timestamp) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        let subject = read_subject(wire, &mut violations);
        let family = wire.key_type.as_deref().unwrap_or("ec");
        let key_type = read_key_type(family, wire.key_size, ("key_type", "key_size"), 2048, None);
        let key_type = key_type.map_err(|violation| violations.push(violation)).ok();
        let request = Request {
            source: Source::Fields,
            common_names: wire.subject.get("common_name").cloned().into_iter().collect(),
            common_name_field: "subject.common_name",
            names: read_names(wire, &mut violations),
            // Of any type: it is the request's own.
            key_type: key_type.unwrap_or(KeyType::P256),
            key_field: "key_type",
            ttl: None,
            key_usage: None,
            key_purposes: Vec::new(),
            asks_for_ca: false,
            left_out: Vec::new(),
        };
        let approved = policy::decide_approved(&ApprovalPolicy::DEFAULT, request, subject.as_deref().unwrap_or_default(), now);
        match (approved, key_type) {
            (Ok(approved), Some(key_type)) if violations.is_empty() => {
                Ok(Self { subject: approved.subject().clone(), names: approved.alt_names().to_vec(), key_type })
            }
            (Ok(_), _) => Err(violations),
            (Err(found), _) => {
                violations.extend(found.into_iter().map(|violation| Violation::new(&violation.field, violation.fault.to_string())));
                Err(violations)
            }
        }
    }
}

/// The attributes in their order; none when one is at fault, which is told with its own field.
fn read_subject(wire: &CreateSigningRequest, violations: &mut Vec<Violation>) -> Option<Vec<(AttributeType, String)>> {
    let before = violations.len();
    for name in wire.subject.keys().filter(|name| !SUBJECT_FIELDS.iter().any(|(known, _)| known == name)) {
        let known = SUBJECT_FIELDS.map(|(known, _)| known).join(", ");
        violations.push(Violation::new(&format!("subject.{}", escaped(name)), format!("unknown field; known are {known}")));
    }
    let mut attributes = Vec::new();
    for (field, kind) in SUBJECT_FIELDS {
        let Some(value) = wire.subject.get(field) else { continue };
        if let Err(faults) = DistinguishedName::from_attributes(&[(kind, value.clone())]) {
            violations.extend(faults.into_iter().map(|fault| Violation::new(&format!("subject.{field}"), fault.to_string())));
        }
        if kind == AttributeType::EmailAddress
            && let Err(fault) = san::parse_email(value)
        {
            violations.push(Violation::new(&format!("subject.{field}"), fault.to_string()));
        }
        attributes.push((kind, value.clone()));
    }
    (violations.len() == before).then_some(attributes)
}

fn read_names(wire: &CreateSigningRequest, violations: &mut Vec<Violation>) -> Vec<(String, RequestedName)> {
    let mut names = Vec::new();
    for (i, text) in wire.san_dns.iter().flatten().enumerate() {
        names.push((
            format!("san_dns[{i}]"),
            match DnsName::parse(text) {
                Ok(name) => RequestedName::Good(SubjectAltName::Dns(name)),
                Err(fault) => RequestedName::BadDns { text: text.clone(), fault },
            },
        ));
    }
    for (i, text) in wire.san_ip.iter().flatten().enumerate() {
        let field = format!("san_ip[{i}]");
        match text.parse() {
            Ok(address) => names.push((field, RequestedName::Good(SubjectAltName::Ip(address)))),
            Err(_) => violations.push(Violation::new(&field, "an IPv4 or IPv6 address is wanted".to_owned())),
        }
    }
    for (i, text) in wire.san_email.iter().flatten().enumerate() {
        names.push((
            format!("san_email[{i}]"),
            match san::parse_email(text) {
                Ok(name) => RequestedName::Good(name),
                Err(fault) => RequestedName::BadEmail { text: text.clone(), fault },
            },
        ));
    }
    names
}
