//! `[tls]`: what the listeners show, and which client certificates they ask for.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfigError, absolute, span};
use crate::base::duration::Span;
use crate::x509::algorithm::KeyType;
use crate::x509::dns_name::DnsName;
use crate::x509::san::SubjectAltName;

/// The section as it is written: either `certificate` and `key`, or `ca` and `names`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file: the certificate of the listeners first, then its chain.
    pub certificate: Option<PathBuf>,
    /// A PEM file: the key of that certificate. Others must not be able to read it.
    pub key: Option<PathBuf>,
    /// The authority of this appliance, by its name or id, that issues the certificate.
    pub ca: Option<String>,
    /// The host names and addresses in that certificate, under which the listeners are reached.
    #[serde(default)]
    pub names: Vec<String>,
    /// How long that certificate is good for, from 1m to 398d; it is renewed at two thirds of that. 30d unless given.
    pub validity: Option<String>,
    /// The key of that certificate: `ec-256`, `ec-384`, `ec-521`, `ed25519`, `rsa-2048`, `rsa-3072` or `rsa-4096`. `ec-256` unless given.
    pub key_type: Option<String>,
    /// Whether that key is made and kept in the token instead of a file.
    #[serde(default)]
    pub key_in_token: bool,
    /// Whose client certificates are asked for; none are without this table.
    pub clients: Option<Clients>,
}

/// `[tls.clients]`: whose client certificates count.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    /// Authorities of this appliance, by name or id.
    #[serde(default)]
    pub ca: Vec<String>,
    /// A PEM file of roots of other authorities.
    pub roots: Option<PathBuf>,
}

/// Where the listeners' certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Files { certificate: PathBuf, key: PathBuf },
    OwnCa(OwnCa),
}

/// What is asked of an authority of this appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCa {
    pub ca: String,
    pub names: Vec<SubjectAltName>,
    pub validity: Span,
    pub key_type: KeyType,
    pub key_in_token: bool,
}

const DEFAULT_VALIDITY: Span = Span::days(30);
const SHORTEST: Span = Span::seconds(60);
/// What browsers take at most of anybody (CA/Browser Forum baseline requirements, 6.3.2, before 2026).
const LONGEST: Span = Span::days(398);
const MOST_NAMES: usize = 50;

impl Tls {
    /// Reads which of the two ways is meant; all settings have to belong to it.
    pub fn source(&self) -> Result<Source, ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        match (&self.certificate, &self.key, &self.ca) {
            (Some(certificate), Some(key), None) => {
                let of_ca = [!self.names.is_empty(), self.validity.is_some(), self.key_type.is_some(), self.key_in_token];
                if of_ca.contains(&true) {
                    return wrong("tls.ca", "names, validity, key_type and key_in_token belong to a certificate of an own authority");
                }
                absolute("tls.certificate", certificate)?;
                absolute("tls.key", key)?;
                Ok(Source::Files { certificate: certificate.clone(), key: key.clone() })
            }
            (None, None, Some(ca)) if !ca.is_empty() => Ok(Source::OwnCa(OwnCa {
                ca: ca.clone(),
                names: self.read_names()?,
                validity: self.read_validity()?,
                key_type: self.read_key_type()?,
                key_in_token: self.key_in_token,
            })),
            _ => wrong("tls.certificate", "give either certificate and key, or ca and names"),
        }
    }

    /// The files it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let roots = self.clients.as_ref().and_then(|clients| clients.roots.as_ref());
        [self.certificate.as_ref(), self.key.as_ref(), roots].into_iter().flatten().map(PathBuf::as_path)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.source()?;
        let Some(clients) = &self.clients else { return Ok(()) };
        if let Some(roots) = &clients.roots {
            absolute("tls.clients.roots", roots)?;
        }
        if clients.roots.is_none() && clients.ca.is_empty() {
            let message = "name an authority in ca, or a file of roots".to_owned();
            return Err(ConfigError::Value { field: "tls.clients", message });
        }
        Ok(())
    }

    fn read_names(&self) -> Result<Vec<SubjectAltName>, ConfigError> {
        let wrong = |message: String| ConfigError::Value { field: "tls.names", message };
        if !(1..=MOST_NAMES).contains(&self.names.len()) {
            return Err(wrong(format!("1 to {MOST_NAMES} host names or addresses under which the listeners are reached")));
        }
        let mut names = Vec::with_capacity(self.names.len());
        for text in &self.names {
            let name = match text.parse::<IpAddr>() {
                Ok(address) => SubjectAltName::Ip(address),
                Err(_) => SubjectAltName::Dns(DnsName::parse(text).map_err(|fault| wrong(format!("{text:?}: {fault}")))?),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read_validity(&self) -> Result<Span, ConfigError> {
        let validity = self.validity.as_deref().map_or(Ok(DEFAULT_VALIDITY), |text| span("tls.validity", text))?;
        if (SHORTEST..=LONGEST).contains(&validity) {
            return Ok(validity);
        }
        Err(ConfigError::Value { field: "tls.validity", message: "1m to 398d".to_owned() })
    }

    fn read_key_type(&self) -> Result<KeyType, ConfigError> {
        let Some(text) = &self.key_type else { return Ok(KeyType::P256) };
        KeyType::ALL.into_iter().find(|known| known.to_string() == *text).ok_or_else(|| {
            let known = KeyType::ALL.map(|known| known.to_string()).join(", ");
            ConfigError::Value { field: "tls.key_type", message: format!("one of {known}") }
        })
    }
}
