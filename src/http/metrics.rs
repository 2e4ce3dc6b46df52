//! Counters for Prometheus. Labels are routes, classes of status and what the configuration calls a token, never names or ids of objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::admission::Full;
use super::routes::Route;
use crate::ca::{CrlHealth, KeyFault, Said};
use crate::storage::Health;
use crate::token::TokenHealth;

/// The metrics of one daemon.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    signatures: Family<TokenLabels, Counter<u64, AtomicU64>>,
    signature_failures: Family<TokenLabels, Counter<u64, AtomicU64>>,
    connections: Family<ListenerLabels, Gauge>,
    connections_refused: Family<ReasonLabels, Counter>,
    connections_cut: Family<ReasonLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    ocsp_answers: Family<AnswerLabels, Counter>,
    remembered: Gauge,
    token_reachable: Family<TokenLabels, Gauge>,
    token_queue: Family<TokenLabels, Gauge>,
    key_faults: Family<FaultLabels, Gauge>,
    crls_rejected: Gauge,
    crls_ended: Gauge,
    storage_failed: Gauge,
    storage_full: Gauge,
    storage_free: Gauge,
    journal_sequence: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    path: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    path: &'static str,
}

/// What the configuration calls a token, and so one of a few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    token: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabels {
    result: &'static str,
    source: &'static str,
}

/// A listener, as the metrics tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    Api,
    Admin,
    BreakGlass,
    Public,
}

/// Which limit a request was beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    Caller,
    Address,
    WrongCredentials,
}

/// What is counted of the connections of one listener.
#[derive(Clone)]
pub struct ConnectionCounts {
    listener: &'static str,
    open: Gauge,
    refused: Family<ReasonLabels, Counter>,
    cut: Family<ReasonLabels, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FaultLabels {
    fault: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("chancery");
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 14))),
            signatures: Family::default(),
            signature_failures: Family::default(),
            connections: Family::default(),
            connections_refused: Family::default(),
            connections_cut: Family::default(),
            limited: Family::default(),
            ocsp_answers: Family::default(),
            remembered: Gauge::default(),
            token_reachable: Family::default(),
            token_queue: Family::default(),
            key_faults: Family::default(),
            crls_rejected: Gauge::default(),
            crls_ended: Gauge::default(),
            storage_failed: Gauge::default(),
            storage_full: Gauge::default(),
            storage_free: Gauge::default(),
            journal_sequence: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Requests answered, by route and status", metrics.requests.clone());
        registry.register_with_unit("http_request_duration", "From head to answer", Unit::Seconds, metrics.durations.clone());
        registry.register("http_connections", "Connections that are open", metrics.connections.clone());
        registry.register("http_connections_refused", "Connections beyond a cap", metrics.connections_refused.clone());
        registry.register(
            "http_connections_cut",
            "Connections that were ended for what their clients did not do",
            metrics.connections_cut.clone(),
        );
        registry.register("http_requests_limited", "Requests beyond a limit, answered with 429", metrics.limited.clone());
        registry.register("http_limits_remembered", "Callers and addresses that limits remember", metrics.remembered.clone());
        registry.register(
            "ocsp_answers",
            "OCSP answers by what they say, and whether they were signed before or for the asker",
            metrics.ocsp_answers.clone(),
        );
        registry.register("token_signatures", "Signatures the token has made", metrics.signatures.clone());
        registry.register("token_failures", "Calls of the token that failed", metrics.signature_failures.clone());
        registry.register("token_reachable", "1 when the token answers", metrics.token_reachable.clone());
        registry.register("token_queue_depth", "Jobs waiting for the token", metrics.token_queue.clone());
        registry.register("key_faults", "Keys in the tokens that are not as the records say", metrics.key_faults.clone());
        registry.register("crls_rejected", "CRLs that were not what the store says when last made", metrics.crls_rejected.clone());
        registry.register("crls_ended", "CRLs that are missing or have ended", metrics.crls_ended.clone());
        registry.register("storage_failed", "1 when nothing can be written durably any more", metrics.storage_failed.clone());
        registry.register("storage_full", "1 when new issuance is refused for want of space", metrics.storage_full.clone());
        registry.register_with_unit("storage_free", "Free space of the data directory", Unit::Bytes, metrics.storage_free.clone());
        registry.register("journal_sequence", "The last durable change", metrics.journal_sequence.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts an answered request.
    pub fn request(&self, route: &'static Route, status: StatusCode, took: Duration) {
        let method = route.method.as_str();
        self.requests.get_or_create(&RequestLabels { method, path: route.path, status: status.as_u16() }).inc();
        self.durations.get_or_create(&RouteLabels { method, path: route.path }).observe(took.as_secs_f64());
    }

    /// Counts a request that no route took.
    pub fn unrouted(&self, status: StatusCode) {
        self.requests.get_or_create(&RequestLabels { method: "", path: "", status: status.as_u16() }).inc();
    }

    /// Counts a request beyond a limit.
    pub fn limited(&self, limited: Limited) {
        let limit = match limited {
            Limited::Caller => "caller",
            Limited::Address => "address",
            Limited::WrongCredentials => "wrong_credentials",
        };
        self.limited.get_or_create(&LimitLabels { limit }).inc();
    }

    /// Counts an OCSP answer.
    pub fn ocsp(&self, said: Said, is_cached: bool) {
        let source = match (said, is_cached) {
            (Said::Refused(_), _) => "none",
            (_, true) => "cached",
            (_, false) => "signed",
        };
        self.ocsp_answers.get_or_create(&AnswerLabels { result: said.name(), source }).inc();
    }

    /// How many callers and addresses are remembered.
    pub fn remembered(&self, count: usize) {
        self.remembered.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// What one listener counts with.
    pub fn connections(&self, listener: Listener) -> ConnectionCounts {
        let listener = match listener {
            Listener::Api => "api",
            Listener::Admin => "admin",
            Listener::BreakGlass => "break-glass",
            Listener::Public => "public",
        };
        let open = self.connections.get_or_create(&ListenerLabels { listener }).clone();
        ConnectionCounts { listener, open, refused: self.connections_refused.clone(), cut: self.connections_cut.clone() }
    }

    /// The text a scraper reads.
    pub fn render(
        &self,
        tokens: &[(Arc<str>, TokenHealth)],
        storage: &Health,
        key_faults: &BTreeMap<KeyFault, usize>,
        crls: CrlHealth,
    ) -> Result<String, std::fmt::Error> {
        for fault in KeyFault::ALL {
            let count = key_faults.get(&fault).copied().unwrap_or_default();
            self.key_faults.get_or_create(&FaultLabels { fault: fault.name() }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (name, health) in tokens {
            let labels = TokenLabels { token: name.to_string() };
            self.signatures.get_or_create(&labels).inner().store(health.signatures, Ordering::Relaxed);
            self.signature_failures.get_or_create(&labels).inner().store(health.failures, Ordering::Relaxed);
            self.token_reachable.get_or_create(&labels).set(health.reachable.into());
            self.token_queue.get_or_create(&labels).set(i64::try_from(health.queue_depth).unwrap_or(i64::MAX));
        }
        self.crls_rejected.set(i64::try_from(crls.rejected).unwrap_or(i64::MAX));
        self.crls_ended.set(i64::try_from(crls.ended).unwrap_or(i64::MAX));
        self.storage_failed.set(storage.is_dead.into());
        self.storage_full.set(storage.is_low.into());
        self.storage_free.set(i64::try_from(storage.free_bytes).unwrap_or(i64::MAX));
        self.journal_sequence.set(i64::try_from(storage.last_sequence).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl ConnectionCounts {
    /// The listener's name.
    pub fn listener(&self) -> &'static str {
        self.listener
    }

    pub fn opened(&self) {
        self.open.inc();
    }

    pub fn closed(&self) {
        self.open.dec();
    }

    pub fn refused(&self, full: Full) {
        self.refused.get_or_create(&ReasonLabels { listener: self.listener, reason: full.name() }).inc();
    }

    pub fn cut(&self, reason: &'static str) {
        self.cut.get_or_create(&ReasonLabels { listener: self.listener, reason }).inc();
    }
}
