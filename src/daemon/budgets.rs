//! The places of each listener and the descriptors they take, and how fast handshakes may be begun.
//!
//! Every connection is a descriptor of this process, of which the kernel gives so many and no more. The listeners' budgets are made to
//! fit: otherwise a full one would take the descriptor that another's connection needs, or the store's next file.

use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::limits::Limits;
use crate::http::admission::{Admission, Caps};
use crate::http::metrics::{Listener, Metrics};

/// Connections of the break-glass socket: more than one administrator needs.
const BREAK_GLASS: Caps = Caps { connections: 64, per_source: 64 };
/// Descriptors for everything that is no connection: listeners, the store's files, tokens' sockets, CRLs that are being sent.
const OTHERS: usize = 256;

/// The places of all listeners.
pub struct Budgets {
    pub api: Arc<Admission>,
    pub admin: Arc<Admission>,
    pub public: Arc<Admission>,
    pub break_glass: Arc<Admission>,
    descriptors: usize,
}

impl Budgets {
    /// As configured, as far as the kernel gives descriptors. It raises their number as far as it may; call it before the sandbox
    /// is closed.
    pub fn open(limits: &Limits, metrics: &Metrics) -> Self {
        let descriptors = raise_descriptors();
        let fitted = fit(limits, descriptors);
        let pace = Some(limits.pace());
        let admission = |caps, pace, listener| Arc::new(Admission::new(caps, pace, metrics.connections(listener)));
        Self {
            api: admission(fitted.api, pace, Listener::Api),
            admin: admission(fitted.admin, pace, Listener::Admin),
            public: admission(fitted.public, None, Listener::Public),
            break_glass: admission(BREAK_GLASS, None, Listener::BreakGlass),
            descriptors,
        }
    }

    /// Other budgets from now on.
    pub fn set(&self, limits: &Limits) {
        let fitted = fit(limits, self.descriptors);
        self.api.set(fitted.api, Some(limits.pace()));
        self.admin.set(fitted.admin, Some(limits.pace()));
        self.public.set(fitted.public, None);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fitted {
    api: Caps,
    admin: Caps,
    public: Caps,
}

/// What is configured, the API's and the public listener's budgets cut down to what is left by the others. Administration is not
/// cut down: it is what mends the rest.
fn fit(limits: &Limits, descriptors: usize) -> Fitted {
    let (api, admin, public) = (limits.api_caps(), limits.admin_caps(), limits.public_caps());
    let left = descriptors.saturating_sub(OTHERS + BREAK_GLASS.connections + admin.connections);
    let wanted = api.connections + public.connections;
    if wanted <= left {
        return Fitted { api, admin, public };
    }
    let part = |caps: Caps| Caps { connections: (caps.connections * left / wanted).max(1), ..caps };
    let (api, public) = (part(api), part(public));
    tracing::warn!(
        descriptors,
        api = api.connections,
        public = public.connections,
        "fewer connections are taken than configured: the process may have no more descriptors (LimitNOFILE= of its unit)"
    );
    Fitted { api, admin, public }
}

/// The number of descriptors this process may have, raised to what it may be raised to.
fn raise_descriptors() -> usize {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            tracing::warn!(%error, "the number of descriptors cannot be read");
            return 1_024;
        }
    };
    let given = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    };
    usize::try_from(given).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_fit_the_descriptors_and_administration_keeps_its_own() {
        let limits = Limits::default();
        let whole = fit(&limits, 65_536);
        assert_eq!((whole.api.connections, whole.public.connections), (4_096, 2_048));
        let cut = fit(&limits, 1_024);
        assert_eq!(cut.admin, whole.admin);
        assert!(cut.api.connections > cut.public.connections && cut.public.connections > 100, "{cut:?}");
        assert!(cut.api.connections + cut.public.connections + cut.admin.connections + BREAK_GLASS.connections + OTHERS <= 1_024);
        assert_eq!(fit(&limits, 10).api.connections, 1);
    }
}
