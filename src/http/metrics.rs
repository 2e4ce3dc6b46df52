//! Counters for Prometheus. Labels are routes and classes of status, never names or ids.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::routes::Route;
use crate::ca::KeyFault;
use crate::storage::Health;
use crate::token::TokenHealth;

/// The metrics of one daemon.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    signatures: Counter<u64, AtomicU64>,
    signature_failures: Counter<u64, AtomicU64>,
    token_reachable: Gauge,
    token_queue: Gauge,
    key_faults: Family<FaultLabels, Gauge>,
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
            signatures: Counter::default(),
            signature_failures: Counter::default(),
            token_reachable: Gauge::default(),
            token_queue: Gauge::default(),
            key_faults: Family::default(),
            storage_failed: Gauge::default(),
            storage_full: Gauge::default(),
            storage_free: Gauge::default(),
            journal_sequence: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("http_requests", "Requests answered, by route and status", metrics.requests.clone());
        registry.register_with_unit("http_request_duration", "From head to answer", Unit::Seconds, metrics.durations.clone());
        registry.register("token_signatures", "Signatures the token has made", metrics.signatures.clone());
        registry.register("token_failures", "Calls of the token that failed", metrics.signature_failures.clone());
        registry.register("token_reachable", "1 when the token answers", metrics.token_reachable.clone());
        registry.register("token_queue_depth", "Jobs waiting for the token", metrics.token_queue.clone());
        registry.register("key_faults", "Keys in the tokens that are not as the records say", metrics.key_faults.clone());
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

    /// The text a scraper reads.
    pub fn render(&self, token: &TokenHealth, storage: &Health, key_faults: &BTreeMap<KeyFault, usize>) -> Result<String, std::fmt::Error> {
        for fault in KeyFault::ALL {
            let count = key_faults.get(&fault).copied().unwrap_or_default();
            self.key_faults.get_or_create(&FaultLabels { fault: fault.name() }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.signatures.inner().store(token.signatures, std::sync::atomic::Ordering::Relaxed);
        self.signature_failures.inner().store(token.failures, std::sync::atomic::Ordering::Relaxed);
        self.token_reachable.set(token.reachable.into());
        self.token_queue.set(i64::try_from(token.queue_depth).unwrap_or(i64::MAX));
        self.storage_failed.set(storage.is_dead.into());
        self.storage_full.set(storage.is_low.into());
        self.storage_free.set(i64::try_from(storage.free_bytes).unwrap_or(i64::MAX));
        self.journal_sequence.set(i64::try_from(storage.last_sequence).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
