//! The decision itself.

use std::net::IpAddr;

use const_oid::ObjectIdentifier;
use jiff::Timestamp;

use super::{ApprovalPolicy, BACKDATE, Fault, MOST_NAMES, Policy, Violation, Warning};
use crate::base::clock::from_seconds;
use crate::base::duration::Span;
use crate::base::text::shortened;
use crate::x509::algorithm::KeyType;
use crate::x509::csr::{CertificateRequest, RequestContent};
use crate::x509::dns_name::DnsName;
use crate::x509::extension::{ExtendedKeyUsage, KeyUsage, RevocationNotice};
use crate::x509::name::{AttributeType, DistinguishedName};
use crate::x509::san::{self, RequestedName, SubjectAltName};

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

impl Request {
    /// What a CSR asks for, from the field `csr_pem`, under these names: its own, or those that replace them.
    pub fn of_csr(
        csr: &CertificateRequest,
        source: Source,
        names: Vec<(String, RequestedName)>,
        ttl: Option<Span>,
        left_out: Vec<Warning>,
    ) -> Self {
        Self { left_out, ..Self::of_content(csr.content(), csr.public_key().key_type(), source, names, ttl) }
    }

    /// The same for a key of this type.
    pub fn of_content(
        content: &RequestContent,
        key_type: KeyType,
        source: Source,
        names: Vec<(String, RequestedName)>,
        ttl: Option<Span>,
    ) -> Self {
        Self {
            source,
            common_names: content.subject().common_names(),
            common_name_field: "csr_pem",
            names,
            key_type,
            key_field: "csr_pem",
            ttl,
            key_usage: content.key_usage(),
            key_purposes: content.extended_key_usage().to_vec(),
            asks_for_ca: content.asks_for_ca(),
            left_out: Vec::new(),
        }
    }
}

/// The content of a certificate that a policy has approved. Made by [`decide`] and [`decide_approved`] alone.
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
    revocation_notice: RevocationNotice,
    warnings: Vec<Warning>,
}

/// Judges a request by a role.
pub fn decide(policy: &Policy, request: Request, now: Timestamp) -> Result<Approved, Vec<Violation>> {
    let mut judge = Judge { rules: Rules::Role(policy), violations: Vec::new() };
    let common_name = judge.one_common_name(&request);
    let mut alt_names = judge.names(&request.names);
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
    let common_name = common_name.as_deref().map(subject_form);
    let subject: Vec<_> = common_name.iter().map(|cn| (AttributeType::CommonName, cn.clone())).collect();
    let subject = DistinguishedName::from_attributes(&subject).map_err(|faults| {
        // A text that is no name at all was told so already.
        for fault in faults.into_iter().filter(|_| common_name.as_deref().is_some_and(is_name)) {
            judge.fault(request.common_name_field, Fault::CommonName(fault));
        }
    });
    judge.finish(request, now, subject.ok(), common_name, alt_names)
}

/// What a role says to names and a lifetime by themselves, where the rest of a request cannot be read. It approves nothing.
pub fn faults_of(policy: &Policy, names: &[(String, RequestedName)], ttl: Option<Span>) -> Vec<Violation> {
    let mut judge = Judge { rules: Rules::Role(policy), violations: Vec::new() };
    judge.names(names);
    judge.ttl(ttl);
    judge.violations
}

/// Judges a request that a person has looked at and approved: the names and the subject are that person's decision, so they need only be
/// well formed. Everything else is judged as ever. `subject` has the attributes that are asked for, most significant first.
pub fn decide_approved(
    policy: &ApprovalPolicy,
    request: Request,
    subject: &[(AttributeType, String)],
    now: Timestamp,
) -> Result<Approved, Vec<Violation>> {
    let mut judge = Judge { rules: Rules::Approval(policy), violations: Vec::new() };
    let common_name = judge.one_common_name(&request);
    let mut alt_names = judge.names(&request.names);
    if let Some(own_name) = common_name.as_deref().and_then(|cn| named_host(cn, request.names.is_empty()))
        && !alt_names.contains(&own_name)
    {
        match request.source {
            Source::Fields => alt_names.insert(0, own_name),
            Source::Csr => judge.fault(request.common_name_field, Fault::CommonNameNotASan(common_name.clone().unwrap_or_default())),
        }
    }
    // RFC 5280, 4.1.2.6: an address in the subject has to be among the alternative names.
    for (_, address) in subject.iter().filter(|(kind, _)| *kind == AttributeType::EmailAddress) {
        match (san::parse_email(address), request.source) {
            (Ok(name), _) if alt_names.contains(&name) => {}
            (Ok(name), Source::Fields) => alt_names.push(name),
            (Ok(_), Source::Csr) => judge.fault(request.common_name_field, Fault::EmailNotASan(shortened(address))),
            (Err(fault), _) => judge.fault(request.common_name_field, Fault::Email(fault)),
        }
    }
    if alt_names.is_empty() && judge.violations.is_empty() {
        judge.fault(request.common_name_field, Fault::NoName);
    }
    let subject = DistinguishedName::from_attributes(subject).map_err(|faults| {
        for fault in faults {
            judge.fault(request.common_name_field, Fault::Subject(fault));
        }
    });
    judge.finish(request, now, subject.ok(), common_name, alt_names)
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

    /// The same from another time on and until another: later begun and sooner ended than was approved, never the other way.
    pub fn within(mut self, not_before: Option<Timestamp>, not_after: Option<Timestamp>) -> Result<Self, Vec<Violation>> {
        let mut violations = Vec::new();
        let mut refuse = |field: &str| violations.push(Violation { field: field.to_owned(), fault: Fault::OutsideApproved });
        if let Some(begin) = not_before {
            if begin < self.not_before || begin >= self.not_after {
                refuse("notBefore");
            }
            self.not_before = begin;
        }
        if let Some(end) = not_after {
            if end > self.not_after || end <= self.not_before {
                refuse("notAfter");
            }
            self.not_after = end;
        }
        if violations.is_empty() { Ok(self) } else { Err(violations) }
    }

    pub fn revocation_notice(&self) -> RevocationNotice {
        self.revocation_notice
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// By whose word something is certified.
#[derive(Clone, Copy)]
enum Rules<'a> {
    Role(&'a Policy),
    Approval(&'a ApprovalPolicy),
}

/// Collects violations while it judges.
struct Judge<'a> {
    rules: Rules<'a>,
    violations: Vec<Violation>,
}

impl Judge<'_> {
    /// What has the same rules whoever decided about the names; and the outcome. Without a subject there is a violation already.
    fn finish(
        mut self,
        request: Request,
        now: Timestamp,
        subject: Option<DistinguishedName>,
        common_name: Option<String>,
        alt_names: Vec<SubjectAltName>,
    ) -> Result<Approved, Vec<Violation>> {
        let key_usage = self.key_usage(&request);
        let extended_key_usage = self.extended_key_usage(&request, &alt_names);
        let ttl = self.ttl(request.ttl);
        if let Rules::Role(policy) = self.rules
            && request.key_type != policy.key_type
        {
            self.fault(request.key_field, Fault::KeyType { wanted: policy.key_type, given: request.key_type });
        }
        if request.asks_for_ca {
            self.fault(request.key_field, Fault::AsksForCa);
        }
        match subject {
            Some(subject) if self.violations.is_empty() => Ok(Approved {
                subject,
                common_name,
                alt_names,
                key_usage,
                extended_key_usage,
                key_type: request.key_type,
                not_before: from_seconds(now.as_second() - BACKDATE.as_seconds() as i64),
                not_after: from_seconds(now.as_second() + ttl.as_seconds() as i64),
                revocation_notice: match self.rules {
                    Rules::Role(Policy { no_rev_avail: true, .. }) => RevocationNotice::NotAvailable,
                    Rules::Role(_) | Rules::Approval(_) => RevocationNotice::Published,
                },
                warnings: request.left_out,
            }),
            Some(_) | None => Err(self.violations),
        }
    }

    fn fault(&mut self, field: &str, fault: Fault) {
        self.violations.push(Violation { field: field.to_owned(), fault });
    }

    fn one_common_name(&mut self, request: &Request) -> Option<String> {
        match request.common_names.as_slice() {
            [] => {
                if let Rules::Role(Policy { require_cn: true, .. }) = self.rules {
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

    fn names(&mut self, names: &[(String, RequestedName)]) -> Vec<SubjectAltName> {
        if names.len() > MOST_NAMES {
            let field = names.first().map_or("", |(field, _)| field);
            self.fault(field, Fault::TooManyNames { given: names.len() });
            return Vec::new();
        }
        let mut approved = Vec::with_capacity(names.len() + 1);
        for (field, name) in names {
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
                RequestedName::Good(name @ SubjectAltName::Email(_)) => self.by_approval(field, "rfc822Name", Ok(name.clone())),
                RequestedName::BadEmail { fault, .. } => self.by_approval(field, "rfc822Name", Err(Fault::Email(fault.clone()))),
                RequestedName::Good(name @ SubjectAltName::Uri(_)) => self.by_approval(field, URI, Ok(name.clone())),
                RequestedName::BadUri { fault, .. } => self.by_approval(field, URI, Err(Fault::Uri(fault.clone()))),
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

    /// A name of a kind that no role certifies.
    fn by_approval(&mut self, field: &str, kind: &'static str, name: Result<SubjectAltName, Fault>) -> Option<SubjectAltName> {
        let name = match self.rules {
            Rules::Role(_) => Err(Fault::KindNotAllowed(kind)),
            Rules::Approval(_) => name,
        };
        name.map_err(|fault| self.fault(field, fault)).ok()
    }

    fn dns(&mut self, field: &str, name: DnsName) -> Option<SubjectAltName> {
        let is_allowed = match self.rules {
            Rules::Role(policy) => policy.allowed_domains.iter().any(|pattern| pattern.admits(&name, policy.allow_subdomains)),
            Rules::Approval(_) => true,
        };
        if is_allowed {
            return Some(SubjectAltName::Dns(name));
        }
        self.fault(field, Fault::DomainNotAllowed(name));
        None
    }

    fn ip(&mut self, field: &str, ip: IpAddr) -> Option<SubjectAltName> {
        let is_allowed = match self.rules {
            Rules::Role(policy) => policy.allow_ip_sans,
            Rules::Approval(_) => true,
        };
        if is_allowed {
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
        // What commits its holder is never given unasked, and only by a person.
        let most = match self.rules {
            Rules::Role(_) => given,
            Rules::Approval(_) => given.union(KeyUsage::CONTENT_COMMITMENT),
        };
        match request.key_usage {
            None => given,
            Some(asked) if most.contains(asked) && !asked.is_empty() => asked,
            Some(asked) => {
                self.fault(request.key_field, Fault::KeyUsage(asked.difference(most).names().collect::<Vec<_>>().join(", ")));
                given
            }
        }
    }

    fn extended_key_usage(&mut self, request: &Request, alt_names: &[SubjectAltName]) -> Vec<ExtendedKeyUsage> {
        let (most, unasked) = match self.rules {
            Rules::Role(policy) => (policy.extended_key_usage.as_slice(), policy.extended_key_usage.as_slice()),
            Rules::Approval(policy) => (policy.purposes, policy.purposes_for(alt_names)),
        };
        if request.key_purposes.is_empty() {
            return unasked.to_vec();
        }
        let mut approved = Vec::new();
        for oid in &request.key_purposes {
            match ExtendedKeyUsage::from_oid(*oid) {
                Some(usage) if most.contains(&usage) => {
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
        let (field, most, unasked) = match self.rules {
            Rules::Role(policy) => ("ttl", policy.max_ttl, policy.max_ttl),
            Rules::Approval(policy) => ("validity_days", policy.max_ttl, policy.default_ttl),
        };
        match asked {
            Some(ttl) if ttl > most => {
                self.fault(field, Fault::TtlTooLong(most));
                most
            }
            Some(ttl) => ttl,
            None => unasked,
        }
    }
}

const URI: &str = "uniformResourceIdentifier";

/// The host that a common name speaks of, where a person may have written anything: an address, a host name with a dot in it, or a single
/// label that stands alone. "server 1" or "Alice" beside other names is a description. (The lint of what is issued asks for no less.)
fn named_host(common_name: &str, stands_alone: bool) -> Option<SubjectAltName> {
    if let Ok(ip) = common_name.parse() {
        return Some(SubjectAltName::Ip(ip));
    }
    // A final dot is how a host name is written absolutely.
    let name = DnsName::parse(common_name.strip_suffix('.').unwrap_or(common_name)).ok()?;
    (stands_alone || name.as_str().contains('.')).then_some(SubjectAltName::Dns(name))
}

fn is_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || DnsName::parse(text).is_ok()
}

/// A common name as it is written into the subject: host names in lower case like their alternative name, addresses in
/// their one canonical form.
fn subject_form(common_name: &str) -> String {
    common_name.parse::<IpAddr>().map_or_else(|_| common_name.to_ascii_lowercase(), |ip| ip.to_string())
}
