//! The decision itself.

use std::net::IpAddr;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::{BACKDATE, Fault, MOST_NAMES, Policy, Violation, Warning};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::x509::algorithm::KeyType;
use crate::x509::dns_name::DnsName;
use crate::x509::extension::{ExtendedKeyUsage, KeyUsage};
use crate::x509::name::{AttributeType, DistinguishedName};
use crate::x509::san::{RequestedName, SubjectAltName};

/// How the names of a request relate to its common name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The caller named a common name for the appliance to use: it becomes a subject alternative name as well.
    Fields,
    /// The names are a requester's own: a common name beside other names must be one of them, and stands for itself when
    /// there are none.
    Csr,
}

/// What is asked for, in types but not yet judged.
#[derive(Clone, Debug)]
pub struct Request {
    pub source: Source,
    /// Every common name of the subject, and the field they came in.
    pub common_names: Vec<String>,
    pub common_name_field: &'static str,
    /// Every subject alternative name with its field.
    pub names: Vec<(String, RequestedName)>,
    pub key_type: KeyType,
    pub key_field: &'static str,
    pub ttl: Option<Span>,
    pub key_usage: Option<KeyUsage>,
    /// The purposes it asks for; none to take the policy's.
    pub key_purposes: Vec<ObjectIdentifier>,
    pub asks_for_ca: bool,
    /// What the request carries and no role can grant.
    pub left_out: Vec<Warning>,
}

/// The content of a certificate that a policy has approved. Made by [`decide`] alone.
#[derive(Clone, Debug)]
pub struct Approved {
    subject: DistinguishedName,
    common_name: Option<String>,
    alt_names: Vec<SubjectAltName>,
    key_usage: KeyUsage,
    extended_key_usage: Vec<ExtendedKeyUsage>,
    key_type: KeyType,
    not_before: Timestamp,
    not_after: Timestamp,
    warnings: Vec<Warning>,
}

/// Judges a request.
pub fn decide(policy: &Policy, request: Request, now: Timestamp) -> Result<Approved, Vec<Violation>> {
    let mut judge = Judge { policy, violations: Vec::new() };
    let common_name = judge.one_common_name(&request);
    let mut alt_names = judge.names(&request);
    let own_name = common_name.as_deref().and_then(|cn| judge.common_name(&request, cn));
    if let Some(own_name) = own_name {
        let stands_alone = request.names.is_empty();
        if !alt_names.contains(&own_name) {
            if request.source == Source::Fields || stands_alone {
                alt_names.insert(0, own_name);
            } else {
                let text = common_name.clone().unwrap_or_default();
                judge.fault(request.common_name_field, Fault::CommonNameNotASan(text));
            }
        }
    } else if alt_names.is_empty() && judge.violations.is_empty() {
        judge.fault(request.common_name_field, Fault::NoName);
    }
    let key_usage = judge.key_usage(&request);
    let extended_key_usage = judge.extended_key_usage(&request);
    let ttl = judge.ttl(request.ttl);
    if request.key_type != policy.key_type {
        judge.fault(request.key_field, Fault::KeyType { wanted: policy.key_type, given: request.key_type });
    }
    if request.asks_for_ca {
        judge.fault(request.key_field, Fault::AsksForCa);
    }
    let subject = match &common_name {
        None => DistinguishedName::from_attributes(&[]),
        Some(cn) => DistinguishedName::from_attributes(&[(AttributeType::CommonName, subject_form(cn))]),
    };
    match subject {
        Ok(subject) if judge.violations.is_empty() => Ok(Approved {
            subject,
            common_name: common_name.as_deref().map(subject_form),
            alt_names,
            key_usage,
            extended_key_usage,
            key_type: request.key_type,
            not_before: from_seconds(now.as_second() - BACKDATE.as_seconds() as i64),
            not_after: from_seconds(now.as_second() + ttl.as_seconds() as i64),
            warnings: request.left_out,
        }),
        Ok(_) => Err(judge.violations),
        Err(faults) => {
            // A text that is no name at all was told so already.
            for fault in faults.into_iter().filter(|_| common_name.as_deref().is_some_and(is_name)) {
                judge.fault(request.common_name_field, Fault::CommonName(fault));
            }
            Err(judge.violations)
        }
    }
}

impl Approved {
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    pub fn alt_names(&self) -> &[SubjectAltName] {
        &self.alt_names
    }

    pub fn key_usage(&self) -> KeyUsage {
        self.key_usage
    }

    pub fn extended_key_usage(&self) -> &[ExtendedKeyUsage] {
        &self.extended_key_usage
    }

    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// Collects violations while it judges.
struct Judge<'a> {
    policy: &'a Policy,
    violations: Vec<Violation>,
}

impl Judge<'_> {
    fn fault(&mut self, field: &str, fault: Fault) {
        self.violations.push(Violation { field: field.to_owned(), fault });
    }

    fn one_common_name(&mut self, request: &Request) -> Option<String> {
        match request.common_names.as_slice() {
            [] => {
                if self.policy.require_cn {
                    self.fault(request.common_name_field, Fault::CommonNameRequired);
                }
                None
            }
            [one] => Some(one.clone()),
            [_, _, ..] => {
                self.fault(request.common_name_field, Fault::SeveralCommonNames);
                None
            }
        }
    }

    /// The common name as the subject alternative name it has to be.
    fn common_name(&mut self, request: &Request, text: &str) -> Option<SubjectAltName> {
        let field = request.common_name_field;
        match text.parse::<IpAddr>() {
            Ok(ip) => self.ip(field, ip),
            Err(_) => match DnsName::parse(text) {
                Ok(name) => self.dns(field, name),
                Err(fault) => {
                    self.fault(field, Fault::NotAHostName { text: shortened(text), fault });
                    None
                }
            },
        }
    }

    fn names(&mut self, request: &Request) -> Vec<SubjectAltName> {
        if request.names.len() > MOST_NAMES {
            let field = request.names.first().map_or("", |(field, _)| field);
            self.fault(field, Fault::TooManyNames { given: request.names.len() });
            return Vec::new();
        }
        let mut approved = Vec::with_capacity(request.names.len() + 1);
        for (field, name) in &request.names {
            let judged = match name {
                RequestedName::Good(SubjectAltName::Dns(name)) => self.dns(field, name.clone()),
                RequestedName::Good(SubjectAltName::Ip(ip)) => self.ip(field, *ip),
                RequestedName::BadDns { text, fault } => {
                    let fault = match text.parse::<IpAddr>() {
                        Ok(ip) => Fault::IpAsHostName(ip),
                        Err(_) => Fault::NotAHostName { text: shortened(text), fault: fault.clone() },
                    };
                    self.fault(field, fault);
                    None
                }
                RequestedName::BadIp { octets } => {
                    self.fault(field, Fault::NotAnIp { octets: *octets });
                    None
                }
                RequestedName::Good(SubjectAltName::Email(_)) | RequestedName::BadEmail { .. } => {
                    self.fault(field, Fault::KindNotAllowed("rfc822Name"));
                    None
                }
                RequestedName::Good(SubjectAltName::Uri(_)) | RequestedName::BadUri { .. } => {
                    self.fault(field, Fault::KindNotAllowed("uniformResourceIdentifier"));
                    None
                }
                RequestedName::Unsupported(kind) => {
                    self.fault(field, Fault::KindNotAllowed(kind));
                    None
                }
            };
            // The same name twice says nothing new.
            approved.extend(judged.filter(|name| !approved.contains(name)));
        }
        approved
    }

    fn dns(&mut self, field: &str, name: DnsName) -> Option<SubjectAltName> {
        let allow_subdomains = self.policy.allow_subdomains;
        if self.policy.allowed_domains.iter().any(|pattern| pattern.admits(&name, allow_subdomains)) {
            return Some(SubjectAltName::Dns(name));
        }
        self.fault(field, Fault::DomainNotAllowed(name));
        None
    }

    fn ip(&mut self, field: &str, ip: IpAddr) -> Option<SubjectAltName> {
        if self.policy.allow_ip_sans {
            return Some(SubjectAltName::Ip(ip));
        }
        self.fault(field, Fault::IpNotAllowed(ip));
        None
    }

    fn key_usage(&mut self, request: &Request) -> KeyUsage {
        let given = match request.key_type.family() {
            // RFC 4055, 1.2: an RSA key may carry TLS 1.2 key transport.
            "rsa" => KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT),
            _ => KeyUsage::DIGITAL_SIGNATURE,
        };
        match request.key_usage {
            None => given,
            Some(asked) if given.contains(asked) && !asked.is_empty() => asked,
            Some(asked) => {
                self.fault(request.key_field, Fault::KeyUsage(asked.difference(given).names().collect::<Vec<_>>().join(", ")));
                given
            }
        }
    }

    fn extended_key_usage(&mut self, request: &Request) -> Vec<ExtendedKeyUsage> {
        if request.key_purposes.is_empty() {
            return self.policy.extended_key_usage.clone();
        }
        let mut approved = Vec::new();
        for oid in &request.key_purposes {
            match ExtendedKeyUsage::from_oid(*oid) {
                Some(usage) if self.policy.extended_key_usage.contains(&usage) => {
                    // The same purpose twice says nothing new.
                    if !approved.contains(&usage) {
                        approved.push(usage);
                    }
                }
                known => {
                    let name = known.map_or_else(|| oid.to_string(), |usage| usage.name().to_owned());
                    self.fault(request.key_field, Fault::ExtendedKeyUsage(name));
                }
            }
        }
        approved
    }

    fn ttl(&mut self, asked: Option<Span>) -> Span {
        match asked {
            Some(ttl) if ttl > self.policy.max_ttl => {
                self.fault("ttl", Fault::TtlTooLong(self.policy.max_ttl));
                self.policy.max_ttl
            }
            Some(ttl) => ttl,
            None => self.policy.max_ttl,
        }
    }
}

fn is_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || DnsName::parse(text).is_ok()
}

/// A common name as it is written into the subject: host names in lower case like their alternative name, addresses in
/// their one canonical form.
fn subject_form(common_name: &str) -> String {
    common_name.parse::<IpAddr>().map_or_else(|_| common_name.to_ascii_lowercase(), |ip| ip.to_string())
}

/// Enough of an outside text to recognise it by.
fn shortened(text: &str) -> String {
    if text.chars().count() <= 100 { text.to_owned() } else { text.chars().take(100).chain("…".chars()).collect() }
}
