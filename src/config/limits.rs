//! `[limits]`: how many connections and TLS handshakes each listener takes, and how many requests a caller or an address may make.
//!
//! All of it can be exchanged while the daemon serves.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, span};
use crate::http::admission::Caps;
use crate::http::rate::{self, LONGEST_WAIT, Pace, Patience, Rate};

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How many connections the listener of the API takes at once. What is beyond is closed before a byte of it is read. A listener has its
    /// places to itself: another one that is full takes none of them.
    pub api: Connections,
    /// The same for the listener of `[admin]`. The socket for root has 64 places of its own.
    pub admin: Connections,
    /// The same for the plain-HTTP listener of `[public]`.
    pub public: Connections,
    /// How many TLS handshakes are begun on the listener of the API, and as many on that of `[admin]`, before what they cost the processor
    /// is missing to those who are connected. A connection beyond is closed before a byte of it is read, and can be tried again at once.
    pub handshakes: Handshakes,
    /// How many requests the holder of a token may make, wherever they come from and whether they show its secret or its client
    /// certificate. What is beyond is answered with 429 and the seconds to wait in Retry-After. Each token has units, which are used up by
    /// requests and come back with time.
    pub callers: Callers,
    /// How many requests without a valid credential are answered, to one IPv4 address or one IPv6 /64: what is public, what no endpoint
    /// takes, and what is refused for want of a credential.
    pub addresses: Addresses,
    /// From when on a wrong credential is answered with 429 in the place of 401, by the same addresses. A valid credential is taken from
    /// every address at any time, so nobody can lock its owner out.
    pub wrong_credentials: WrongCredentials,
    /// Certificate requests of one organization that wait to be approved or rejected, 1 to 1000000. What is beyond is answered with 409.
    pub pending_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            api: Connections::of(API),
            admin: Connections::of(ADMIN),
            public: Connections::of(PUBLIC),
            handshakes: Handshakes::default(),
            callers: Callers::default(),
            addresses: Addresses::default(),
            wrong_credentials: WrongCredentials::default(),
            pending_requests: PENDING_REQUESTS,
        }
    }
}

/// Connections at once of one listener; what is not given is the listener's own default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Connections at once, 1 to 1048576. Each takes a descriptor; where the process may have fewer (`LimitNOFILE=` of its unit), the places
    /// of the listeners are cut down, and the log says so.
    pub connections: Option<usize>,
    /// Those of one IPv4 address or one IPv6 /64; more is needed for a proxy in front.
    pub connections_per_address: Option<usize>,
}

/// TLS handshakes that are begun, of each listener by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Handshakes {
    /// Handshakes in a second, 1 to 1000000; fewer are good where the listener's key is RSA, or kept in a token that is slow.
    pub per_second: u32,
    /// Handshakes at once, 1 to 1000000.
    pub burst: u32,
    /// Those of one IPv4 address or one IPv6 /64 in a second; more is needed for a proxy in front that does not keep connections open.
    pub per_second_per_address: u32,
    /// Those of one at once.
    pub burst_per_address: u32,
}

/// Requests with a credential, by its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Callers {
    /// Units that come back in a second, 1 to 1000000.
    pub per_second: u32,
    /// Units that a token can have at most, 1 to 1000000.
    pub burst: u32,
    /// Units of a request that only reads (GET).
    pub read_cost: u32,
    /// Units of every other request: it signs, or changes something durably.
    pub sign_cost: u32,
}

/// Requests without a valid credential, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Addresses {
    /// Requests in a second, 1 to 1000000.
    pub per_second: u32,
    /// Requests at once, 1 to 1000000.
    pub burst: u32,
}

/// Wrong credentials, by address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrongCredentials {
    /// Wrong ones before the first wait.
    pub free: u32,
    /// The first wait is a second, each further one twice the last, up to this, which is at most 1h. Twice as long without a wrong one, and
    /// all is forgotten.
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
    fn of(caps: Caps) -> Self {
        Self { connections: Some(caps.connections), connections_per_address: Some(caps.per_source) }
    }

    fn caps(self, own: Caps) -> Caps {
        let connections = self.connections.unwrap_or(own.connections);
        Caps { connections, per_source: self.connections_per_address.unwrap_or(own.per_source) }
    }
}
