//! `[acme]`: whether there is an ACME server, and what it tells and takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, span};
use crate::acme_server::{Allowance, Allowances, Settings};
use crate::x509::dns_name::DnsName;

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// Whether there is one.
    pub enabled: bool,
    /// The scheme and host under which clients reach it, such as `https://ca.example.com`, where it is not what their requests say.
    pub url: Option<String>,
    /// Whether an account has to be bound to a credential of `chancery acme credential create`.
    pub external_account_required: bool,
    /// The URL of terms that clients must agree to; none unless given.
    pub terms_of_service: Option<String>,
    /// A URL about the authority; none unless given.
    pub website: Option<String>,
    /// The names by which CAA records know the authority, such as `["ca.example.com"]`, at most 16; needed where roles have CAA looked at.
    /// None unless given.
    pub caa_identities: Vec<String>,
    /// How long an order may take.
    pub order_life: String,
    /// How long a name that an account has validated counts as its own.
    pub authorization_life: String,
    /// How long an order is shown after it was made; its certificate stays.
    pub orders_kept: String,
    /// How much is taken of whom.
    pub limits: Limits,
}

/// How much is taken of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// New accounts of one credential.
    pub accounts_per_credential: PerHour,
    /// Orders of one account; each counts once for each of its names.
    pub orders_per_account: PerHour,
    /// Orders of all accounts of one credential; each counts once for each of its names.
    pub orders_per_credential: PerHour,
    /// Orders of one account for the very same names; one that is still open is found again and does not count.
    pub orders_per_names: PerHour,
    /// Failed validations of one name by one account.
    pub failures_per_name: PerHour,
}

/// So many at once, and so many more in each hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerHour {
    /// How many at once, 1 to 100000000.
    pub burst: u32,
    /// How many more in each hour, 1 to 100000000.
    pub per_hour: u32,
}

const MOST: u32 = 100_000_000;
const LONGEST_URL: usize = 500;
const MOST_IDENTITIES: usize = 16;

impl Default for Acme {
    fn default() -> Self {
        Self {
            enabled: false,
            url: None,
            external_account_required: true,
            terms_of_service: None,
            website: None,
            caa_identities: Vec::new(),
            order_life: "7d".to_owned(),
            authorization_life: "30d".to_owned(),
            orders_kept: "30d".to_owned(),
            limits: Limits::default(),
        }
    }
}

/// Far more than clients that work need, and far less than one that does not would take.
impl Default for Limits {
    fn default() -> Self {
        Self {
            accounts_per_credential: PerHour { burst: 1_000, per_hour: 3_600 },
            orders_per_account: PerHour { burst: 10_000, per_hour: 360_000 },
            orders_per_credential: PerHour { burst: 50_000, per_hour: 1_800_000 },
            orders_per_names: PerHour { burst: 20, per_hour: 60 },
            failures_per_name: PerHour { burst: 10, per_hour: 30 },
        }
    }
}

impl Acme {
    /// What the server is told.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        Ok(Settings {
            origin: self.url.clone(),
            external_account_required: self.external_account_required,
            terms_of_service: self.terms_of_service.clone(),
            website: self.website.clone(),
            caa_identities: self.caa_identities.iter().map(|name| name.to_ascii_lowercase()).collect(),
            order_life: span("acme.order_life", &self.order_life)?,
            authorization_life: span("acme.authorization_life", &self.authorization_life)?,
            orders_kept: span("acme.orders_kept", &self.orders_kept)?,
        })
    }

    pub fn allowances(&self) -> Allowances {
        let allowance = |limit: PerHour| Allowance::per_hour(limit.per_hour, limit.burst);
        let Limits { accounts_per_credential, orders_per_account, orders_per_credential, orders_per_names, failures_per_name } =
            self.limits;
        Allowances {
            accounts_of_credential: allowance(accounts_per_credential),
            orders_of_account: allowance(orders_per_account),
            orders_of_credential: allowance(orders_per_credential),
            orders_of_name: allowance(orders_per_names),
            failures_of_name: allowance(failures_per_name),
        }
    }

    /// Whether what differs from another is taken up by a new start only.
    pub(super) fn differs_for_good(&self, other: &Self) -> bool {
        Self { limits: other.limits, ..self.clone() } != *other
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        if self.url.as_ref().is_some_and(|url| !is_origin(url)) {
            return wrong("acme.url", "https://HOST[:PORT], without a path");
        }
        for (field, url) in [("acme.terms_of_service", &self.terms_of_service), ("acme.website", &self.website)] {
            if url.as_ref().is_some_and(|url| !is_url(url)) {
                return wrong(field, "an http:// or https:// URL of at most 500 ASCII characters");
            }
        }
        let is_name = |name: &String| DnsName::parse(name).is_ok_and(|name| !name.is_wildcard());
        if self.caa_identities.len() > MOST_IDENTITIES || !self.caa_identities.iter().all(is_name) {
            return wrong("acme.caa_identities", "at most 16 host names");
        }
        self.settings()?;
        let Limits { accounts_per_credential, orders_per_account, orders_per_credential, orders_per_names, failures_per_name } =
            self.limits;
        for (field, limit) in [
            ("acme.limits.accounts_per_credential", accounts_per_credential),
            ("acme.limits.orders_per_account", orders_per_account),
            ("acme.limits.orders_per_credential", orders_per_credential),
            ("acme.limits.orders_per_names", orders_per_names),
            ("acme.limits.failures_per_name", failures_per_name),
        ] {
            if !(1..=MOST).contains(&limit.burst) || !(1..=MOST).contains(&limit.per_hour) {
                return wrong(field, "burst and per_hour, each 1 to 100000000");
            }
        }
        Ok(())
    }
}

/// RFC 6454, 6.2, of a server that is reached over TLS.
fn is_origin(url: &str) -> bool {
    let Some(host) = url.strip_prefix("https://") else { return false };
    let of_host = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b);
    !host.is_empty() && host.len() <= LONGEST_URL && host.bytes().all(of_host)
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let is_printable = url.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    !rest.is_empty() && !rest.starts_with('/') && is_printable && url.len() <= LONGEST_URL
}
