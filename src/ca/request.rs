//! Reading the request for a new authority: every fault at once, a typed request otherwise.

use super::crl::{CrlSchedule, CrlSettings};
use super::placement::Place;
use crate::api::pki::CreateAuthority;
use crate::api::problem::Violation;
use crate::base::id::CaId;
use crate::base::object_name;
use crate::profiles::read_key_type;
use crate::x509::algorithm::{KeyType, SignatureAlgorithm};
use crate::x509::name::{AttributeType, DistinguishedName};

/// A request for an authority whose fields make sense by themselves.
#[derive(Clone, Debug)]
pub struct AuthorityRequest {
    pub name: String,
    pub common_name: String,
    pub subject: DistinguishedName,
    pub key_type: KeyType,
    pub algorithm: SignatureAlgorithm,
    pub validity_days: u32,
    /// None to take those of the appliance.
    pub issuer_urls: Option<Vec<String>>,
    pub ocsp_urls: Option<Vec<String>>,
    /// Whether its certificates are asked about by OCSP.
    pub ocsp: bool,
    pub crl: CrlSettings,
    pub place: Place,
}

/// A request with fields that make no sense, and where it would have the authority stand as far as that can be read.
#[derive(Clone, Debug)]
pub struct RefusedAuthority {
    pub violations: Vec<Violation>,
    pub place: Box<Place>,
}

/// Where the appliance's public documents are fetched from; the CA's id is put in.
#[derive(Clone, Debug, Default)]
pub struct PublicUrls {
    /// Such as `http://pki.example.com`; no URLs are written into certificates without it.
    pub base: Option<String>,
}

const MOST_DAYS: u32 = 36_500;

impl PublicUrls {
    pub fn crl(&self, id: CaId) -> Vec<String> {
        self.base.iter().map(|base| format!("{base}/crl/{id}.crl")).collect()
    }

    pub fn ocsp(&self, id: CaId) -> Vec<String> {
        self.base.iter().map(|base| format!("{base}/ocsp/{id}")).collect()
    }

    pub fn issuer(&self, id: CaId) -> Vec<String> {
        self.base.iter().map(|base| format!("{base}/ca/{id}.crt")).collect()
    }
}

impl AuthorityRequest {
    /// Reads the wire form; `schedule` is what CRLs are made by where it asks for nothing else.
    pub fn read(wire: CreateAuthority, schedule: CrlSchedule) -> Result<Self, RefusedAuthority> {
        let mut faults = Faults(Vec::new());
        let name = Some(&wire.name).filter(|name| object_name::is_object_name(name)).cloned();
        if name.is_none() {
            faults.add("name", object_name::WANTED);
        }
        let parent = read_parent(&wire, &mut faults);
        let is_root = wire.ca_type == "root";
        let family = wire.key_type.as_deref().unwrap_or("rsa");
        let rsa_default = if is_root { 4096 } else { 3072 };
        let key_type = faults.take(read_key_type(family, wire.key_size, ("key_type", "key_size"), rsa_default, None));
        let algorithm = key_type.and_then(|key_type| read_algorithm(&wire, key_type, &mut faults));
        let validity_days = wire.validity_days.unwrap_or(if is_root { 3650 } else { 1825 });
        let is_lifetime = (1..=MOST_DAYS).contains(&validity_days);
        if !is_lifetime {
            faults.add("validity_days", "1 to 36500 days");
        }
        let path_length = wire.path_length.and_then(|length| {
            let fits = u8::try_from(length).ok().filter(|length| *length <= 32);
            if fits.is_none() {
                faults.add("path_length", "0 to 32");
            }
            fits
        });
        read_urls("crl_urls", wire.crl_urls.as_deref(), &mut faults);
        read_urls("issuer_urls", wire.issuer_urls.as_deref(), &mut faults);
        read_urls("ocsp_urls", wire.ocsp_urls.as_deref(), &mut faults);
        if wire.ocsp == Some(false) && wire.ocsp_urls.as_ref().is_some_and(|urls| !urls.is_empty()) {
            faults.add("ocsp_urls", "only where OCSP is on");
        }
        let (crl, found) = CrlSettings::default().changed(&wire.crl.clone().unwrap_or_default(), schedule);
        faults.0.extend(found);
        let subject = read_subject(&wire, &mut faults);
        let place = Place {
            parent,
            name,
            subject: subject.clone(),
            path_length,
            validity_days: is_lifetime.then_some(validity_days),
            validity_is_asked: wire.validity_days.is_some(),
            token: wire.token,
            shards: crl.shards,
            crl_urls: wire.crl_urls,
        };
        match (key_type, algorithm, subject) {
            (Some(key_type), Some(algorithm), Some(subject)) if faults.0.is_empty() => Ok(Self {
                name: wire.name,
                common_name: wire.common_name,
                subject,
                key_type,
                algorithm,
                validity_days,
                issuer_urls: wire.issuer_urls,
                ocsp_urls: wire.ocsp_urls,
                ocsp: wire.ocsp.unwrap_or(true),
                crl,
                place,
            }),
            _ => Err(RefusedAuthority { violations: faults.0, place: Box::new(place) }),
        }
    }
}

fn read_parent(wire: &CreateAuthority, faults: &mut Faults) -> Option<CaId> {
    match (wire.ca_type.as_str(), &wire.parent_ca_id) {
        ("root", None) => None,
        ("root", Some(_)) => {
            faults.add("parent_ca_id", "a root has no parent; ask for an intermediate or leave it out");
            None
        }
        ("intermediate", Some(text)) => {
            let id = text.parse().ok();
            if id.is_none() {
                faults.add("parent_ca_id", "not the id of an authority; GET /v1/pki/ca lists them");
            }
            id
        }
        ("intermediate", None) => {
            faults.add("parent_ca_id", "required for an intermediate: the id of the authority that signs it");
            None
        }
        _ => {
            faults.add("ca_type", "root or intermediate");
            None
        }
    }
}

fn read_algorithm(wire: &CreateAuthority, key_type: KeyType, faults: &mut Faults) -> Option<SignatureAlgorithm> {
    let Some(text) = &wire.signature_algorithm else { return Some(key_type.default_algorithm()) };
    let algorithm = text.parse().ok().filter(|algorithm| key_type.signs_with(*algorithm));
    if algorithm.is_none() {
        let offered: Vec<_> =
            SignatureAlgorithm::ALL.iter().filter(|algorithm| key_type.signs_with(**algorithm)).map(|a| a.name()).collect();
        faults.add("signature_algorithm", &format!("for {key_type} keys one of {}", offered.join(", ")));
    }
    algorithm
}

fn read_urls(field: &str, urls: Option<&[String]>, faults: &mut Faults) {
    for (i, url) in urls.unwrap_or_default().iter().enumerate() {
        // RFC 5280, 4.2.1.13 and 4.2.2.1: relying parties fetch over HTTP; HTTPS would need the very certificate in question.
        let rest = url.strip_prefix("http://").unwrap_or_default();
        let printable = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
        if rest.is_empty() || rest.starts_with('/') || !printable || url.len() > 500 {
            faults.add(&format!("{field}[{i}]"), "an http:// URL of at most 500 characters");
        }
    }
    if urls.is_some_and(|urls| urls.len() > 4) {
        faults.add(field, "at most 4 URLs");
    }
}

fn read_subject(wire: &CreateAuthority, faults: &mut Faults) -> Option<DistinguishedName> {
    // The order of the fields in the name: from the country down to the common name.
    let fields = [
        ("country", AttributeType::Country, wire.country.as_ref()),
        ("state", AttributeType::StateOrProvince, wire.state.as_ref()),
        ("locality", AttributeType::Locality, wire.locality.as_ref()),
        ("organization", AttributeType::Organization, wire.organization.as_ref()),
        ("organizational_unit", AttributeType::OrganizationalUnit, wire.organizational_unit.as_ref()),
        ("common_name", AttributeType::CommonName, Some(&wire.common_name)),
    ];
    let mut attributes = Vec::new();
    for (field, kind, value) in fields {
        let Some(value) = value else { continue };
        // One by one, so that each fault is told with its field.
        if let Err(found) = DistinguishedName::from_attributes(&[(kind, value.clone())]) {
            for fault in found {
                faults.add(field, &fault.to_string());
            }
        }
        attributes.push((kind, value.clone()));
    }
    DistinguishedName::from_attributes(&attributes).ok()
}

/// Violations as they are found.
struct Faults(Vec<Violation>);

impl Faults {
    fn add(&mut self, field: &str, message: &str) {
        self.0.push(Violation::new(field, message.to_owned()));
    }

    fn take<T>(&mut self, read: Result<T, Violation>) -> Option<T> {
        read.map_err(|violation| self.0.push(violation)).ok()
    }
}
