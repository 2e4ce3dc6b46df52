//! `[acme]`: whether there is an ACME server, and what it tells and takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, span};
use crate::acme_server::validation::ValidationSettings;
use crate::acme_server::{Allowance, Allowances, Settings};
use crate::base::duration::Span;
use crate::x509::dns_name::DnsName;

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// Whether there is one.
    pub enabled: bool,
    /// The scheme and host under which clients reach it, such as `https://ca.example.com`. Unless given, it is what their requests say, which
    /// has to be a name or an address of the listener's certificate.
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
    /// How long orders and authorizations are shown still that have come to nothing.
    pub ended_kept: String,
    /// How long an account is kept that was bound to no credential and has never ordered anything.
    pub unused_accounts_kept: String,
    /// How much is taken of whom.
    pub limits: Limits,
    /// How it is looked whether a challenge is met.
    pub validation: Validation,
}

/// How long and how often it is looked whether a challenge is met, and how many at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Validation {
    /// How often it is tried before the fault is believed, 1 to 10.
    pub attempts: u32,
    /// How long it is waited before the second try, at most 60s; before each further one twice as long.
    pub pause: String,
    /// How long one try may take, 1s to 60s.
    pub within: String,
    /// How many tries are under way at once, 1 to 4096.
    pub at_once: usize,
    /// The same of one account.
    pub at_once_per_account: usize,
    /// The same of one name, whoever asks.
    pub at_once_per_name: usize,
}

/// How much is taken of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// New accounts of one credential.
    pub accounts_per_credential: PerHour,
    /// New accounts from one address, or from the /64 of one of IPv6, that are bound to no credential.
    pub accounts_per_address: PerHour,
    /// Requests for accounts from one such address that were not bound with the key of the credential they name.
    pub wrong_bindings_per_credential: PerHour,
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
/// A client waits for its challenge no longer than a few minutes.
const MOST_ATTEMPTS: u32 = 10;
const LONGEST_PAUSE: Span = Span::seconds(60);
const LONGEST_TRY: Span = Span::seconds(60);
const MOST_AT_ONCE: usize = 4_096;

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
            ended_kept: "1h".to_owned(),
            unused_accounts_kept: "30d".to_owned(),
            limits: Limits::default(),
            validation: Validation::default(),
        }
    }
}

impl Default for Validation {
    fn default() -> Self {
        let ValidationSettings { attempts, at_once, at_once_for_account, at_once_for_name, .. } = ValidationSettings::default();
        Self {
            attempts,
            pause: "1s".to_owned(),
            within: "10s".to_owned(),
            at_once,
            at_once_per_account: at_once_for_account,
            at_once_per_name: at_once_for_name,
        }
    }
}

/// Far more than clients that work need, and far less than one that does not would take.
impl Default for Limits {
    fn default() -> Self {
        Self {
            accounts_per_credential: PerHour { burst: 1_000, per_hour: 3_600 },
            accounts_per_address: PerHour { burst: 100, per_hour: 600 },
            wrong_bindings_per_credential: PerHour { burst: 20, per_hour: 120 },
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
            ended_kept: span("acme.ended_kept", &self.ended_kept)?,
            unused_accounts_kept: span("acme.unused_accounts_kept", &self.unused_accounts_kept)?,
        })
    }

    pub fn allowances(&self) -> Allowances {
        let allowance = |limit: PerHour| Allowance::per_hour(limit.per_hour, limit.burst);
        let limits = self.limits;
        Allowances {
            accounts_of_credential: allowance(limits.accounts_per_credential),
            accounts_of_address: allowance(limits.accounts_per_address),
            wrong_bindings: allowance(limits.wrong_bindings_per_credential),
            orders_of_account: allowance(limits.orders_per_account),
            orders_of_credential: allowance(limits.orders_per_credential),
            orders_of_name: allowance(limits.orders_per_names),
            failures_of_name: allowance(limits.failures_per_name),
        }
    }

    /// How challenges are looked at.
    pub fn validation(&self) -> Result<ValidationSettings, ConfigError> {
        let wrong = |field, message: &str| ConfigError::Value { field, message: message.to_owned() };
        let Validation { attempts, pause, within, at_once, at_once_per_account, at_once_per_name } = &self.validation;
        if !(1..=MOST_ATTEMPTS).contains(attempts) {
            return Err(wrong("acme.validation.attempts", "1 to 10"));
        }
        let pause = span("acme.validation.pause", pause)?;
        if pause > LONGEST_PAUSE {
            return Err(wrong("acme.validation.pause", "at most 60s"));
        }
        let within = span("acme.validation.within", within)?;
        if !(Span::seconds(1)..=LONGEST_TRY).contains(&within) {
            return Err(wrong("acme.validation.within", "1s to 60s"));
        }
        for (field, number) in [
            ("acme.validation.at_once", at_once),
            ("acme.validation.at_once_per_account", at_once_per_account),
            ("acme.validation.at_once_per_name", at_once_per_name),
        ] {
            if !(1..=MOST_AT_ONCE).contains(number) {
                return Err(wrong(field, "1 to 4096"));
            }
        }
        Ok(ValidationSettings {
            attempts: *attempts,
            pause: pause.as_std(),
            within: within.as_std(),
            at_once: *at_once,
            at_once_for_account: *at_once_per_account,
            at_once_for_name: *at_once_per_name,
            ..ValidationSettings::default()
        })
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
        self.validation()?;
        let Limits {
            accounts_per_credential,
            accounts_per_address,
            wrong_bindings_per_credential,
            orders_per_account,
            orders_per_credential,
            orders_per_names,
            failures_per_name,
        } = self.limits;
        for (field, limit) in [
            ("acme.limits.accounts_per_credential", accounts_per_credential),
            ("acme.limits.accounts_per_address", accounts_per_address),
            ("acme.limits.wrong_bindings_per_credential", wrong_bindings_per_credential),
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
