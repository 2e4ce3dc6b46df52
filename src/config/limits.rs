//! `[limits]`: how many connections and TLS handshakes each listener takes, and how many requests a caller or an address may make.
//!
//! All of it can be exchanged while the daemon serves.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, span};
use crate::http::admission::Caps;
use crate::http::rate::{self, LONGEST_WAIT, Pace, Patience, Rate};

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of the API's listener.
    pub api: Connections,
    /// Connections of the listener for administration.
    pub admin: Connections,
    /// Connections of the plain-HTTP listener.
    pub public: Connections,
    pub handshakes: Handshakes,
    pub callers: Callers,
    pub addresses: Addresses,
    pub wrong_credentials: WrongCredentials,
    /// Certificate requests of one organisation that nobody has decided about yet.
    pub pending_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            api: Connections::default(),
            admin: Connections::default(),
            public: Connections::default(),
            handshakes: Handshakes::default(),
            callers: Callers::default(),
            addresses: Addresses::default(),
            wrong_credentials: WrongCredentials::default(),
            pending_requests: PENDING_REQUESTS,
        }
    }
}

/// Connections at once of one listener; what is not given is the listener's own default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    pub connections: Option<usize>,
    /// Of one IPv4 address or IPv6 /64.
    pub connections_per_address: Option<usize>,
}

/// TLS handshakes that are begun, of each listener by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Handshakes {
    pub per_second: u32,
    pub burst: u32,
    /// Of one IPv4 address or IPv6 /64.
    pub per_second_per_address: u32,
    pub burst_per_address: u32,
}

/// Requests with a credential, by its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Callers {
    /// Units that come back in each second.
    pub per_second: u32,
    /// Units that can be had at once.
    pub burst: u32,
    /// Units of a request that only reads.
    pub read_cost: u32,
    /// Units of a request that signs or changes something.
    pub sign_cost: u32,
}

/// Requests without a valid credential, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Addresses {
    pub per_second: u32,
    pub burst: u32,
}

/// Wrong credentials, by address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WrongCredentials {
    /// Those before the first wait.
    pub free: u32,
    pub longest_wait: String,
}

/// With a key on P-256 a thousand are a quarter of one processor's time; all clients of a full listener may come back at once.
impl Default for Handshakes {
    fn default() -> Self {
        Self { per_second: 1_000, burst: 4_096, per_second_per_address: 200, burst_per_address: 1_000 }
    }
}

/// Ten thousand certificates a second, more than one appliance signs: by default this keeps a runaway program off and nobody else.
impl Default for Callers {
    fn default() -> Self {
        Self { per_second: 20_000, burst: 20_000, read_cost: 1, sign_cost: 2 }
    }
}

/// Many relying parties may be behind one address.
impl Default for Addresses {
    fn default() -> Self {
        Self { per_second: 1_000, burst: 5_000 }
    }
}

impl Default for WrongCredentials {
    fn default() -> Self {
        Self { free: 30, longest_wait: "15m".to_owned() }
    }
}

const API: Caps = Caps { connections: 4_096, per_source: 256 };
const ADMIN: Caps = Caps { connections: 256, per_source: 64 };
const PUBLIC: Caps = Caps { connections: 2_048, per_source: 256 };
/// The kernel keeps no more descriptors for a process on most machines.
const MOST_CONNECTIONS: usize = 1 << 20;
const MOST_UNITS: u32 = 1_000_000;
/// More than people decide about; each of those that are made here has a key in the token.
const PENDING_REQUESTS: usize = 1_000;
const MOST_PENDING_REQUESTS: usize = 1_000_000;

impl Limits {
    pub fn api_caps(&self) -> Caps {
        self.api.caps(API)
    }

    pub fn admin_caps(&self) -> Caps {
        self.admin.caps(ADMIN)
    }

    pub fn public_caps(&self) -> Caps {
        self.public.caps(PUBLIC)
    }

    /// How fast handshakes may be begun.
    pub fn pace(&self) -> Pace {
        let Handshakes { per_second, burst, per_second_per_address, burst_per_address } = self.handshakes;
        Pace { all: Rate { per_second, burst }, source: Rate { per_second: per_second_per_address, burst: burst_per_address } }
    }

    /// The rates and the patience with wrong credentials.
    pub fn rates(&self) -> Result<rate::Limits, ConfigError> {
        Ok(rate::Limits {
            callers: Rate { per_second: self.callers.per_second, burst: self.callers.burst },
            read_cost: self.callers.read_cost,
            sign_cost: self.callers.sign_cost,
            sources: Rate { per_second: self.addresses.per_second, burst: self.addresses.burst },
            guesses: Patience { free: self.wrong_credentials.free, longest: self.longest_wait()? },
        })
    }

    fn longest_wait(&self) -> Result<Duration, ConfigError> {
        Ok(span("limits.wrong_credentials.longest_wait", &self.wrong_credentials.longest_wait)?.as_std())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        for (of_all, of_one, caps) in [
            ("limits.api.connections", "limits.api.connections_per_address", self.api_caps()),
            ("limits.admin.connections", "limits.admin.connections_per_address", self.admin_caps()),
            ("limits.public.connections", "limits.public.connections_per_address", self.public_caps()),
        ] {
            if !(1..=MOST_CONNECTIONS).contains(&caps.connections) {
                return wrong(of_all, "1 to 1048576");
            }
            if !(1..=MOST_CONNECTIONS).contains(&caps.per_source) {
                return wrong(of_one, "1 to 1048576");
            }
        }
        if !(1..=MOST_PENDING_REQUESTS).contains(&self.pending_requests) {
            return wrong("limits.pending_requests", "1 to 1000000");
        }
        let Callers { per_second, burst, read_cost, sign_cost } = self.callers;
        for (field, units) in [
            ("limits.handshakes.per_second", self.handshakes.per_second),
            ("limits.handshakes.burst", self.handshakes.burst),
            ("limits.handshakes.per_second_per_address", self.handshakes.per_second_per_address),
            ("limits.handshakes.burst_per_address", self.handshakes.burst_per_address),
            ("limits.callers.per_second", per_second),
            ("limits.callers.burst", burst),
            ("limits.callers.read_cost", read_cost),
            ("limits.callers.sign_cost", sign_cost),
            ("limits.addresses.per_second", self.addresses.per_second),
            ("limits.addresses.burst", self.addresses.burst),
        ] {
            if !(1..=MOST_UNITS).contains(&units) {
                return wrong(field, "1 to 1000000");
            }
        }
        // What costs more than there ever is would never be taken.
        if burst < read_cost.max(sign_cost) {
            return wrong("limits.callers.burst", "at least what one request costs");
        }
        if self.longest_wait()? > LONGEST_WAIT {
            return wrong("limits.wrong_credentials.longest_wait", "at most 1h");
        }
        Ok(())
    }
}

impl Connections {
    fn caps(self, own: Caps) -> Caps {
        let connections = self.connections.unwrap_or(own.connections);
        Caps { connections, per_source: self.connections_per_address.unwrap_or(own.per_source) }
    }
}
