//! The log: to the journal of the system where there is one, else to standard error; and its filter, which a reload can exchange.

use std::io::IsTerminal;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use super::reload::Exchange;

/// What every field's name begins with in the system's journal: CHANCERY_REQUEST, CHANCERY_CALLER, CHANCERY_CA, CHANCERY_SERIAL.
const PREFIX: &str = "CHANCERY";
const FILTER: &str = "info";

/// The running log's filter.
#[derive(Clone)]
pub struct LogFilter {
    handle: Handle<EnvFilter, Registry>,
    /// RUST_LOG was given, and goes before what a configuration says.
    is_fixed: bool,
}

/// Begins the log. The environment is asked for RUST_LOG, and for JOURNAL_STREAM, which systemd sets for what it starts.
pub fn begin() -> LogFilter {
    let from_environment = EnvFilter::try_from_default_env().ok();
    let is_fixed = from_environment.is_some();
    let (filter, handle) = tracing_subscriber::reload::Layer::new(from_environment.unwrap_or_else(|| FILTER.into()));
    let journald = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let journald = journald.map(|layer| layer.with_field_prefix(Some(PREFIX.to_owned())));
    let stderr = journald.is_none().then(|| {
        // Colours are for people: a file or a pipe gets the text alone.
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false)
    });
    tracing_subscriber::registry().with(filter).with(journald).with(stderr).init();
    LogFilter { handle, is_fixed }
}

impl LogFilter {
    /// Reads a filter; the exchange takes it up.
    pub fn prepare(&self, filter: &str) -> Result<Exchange, ParseError> {
        let filter = EnvFilter::builder().parse(filter)?;
        let (handle, is_fixed) = (self.handle.clone(), self.is_fixed);
        Ok(Box::new(move || {
            if !is_fixed && let Err(error) = handle.reload(filter) {
                tracing::error!(%error, "the log's filter stays as it was");
            }
        }))
    }
}
