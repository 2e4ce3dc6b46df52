//! `[admin]`: where `/v1/admin` and the metrics are served when they are not to be on the listener of the API.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfigError, absolute};

/// The section as it is written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// A TLS address; the whole API is served there.
    pub listen: Option<SocketAddr>,
    /// A unix socket for the root of the machine, who needs no token there.
    pub socket: Option<PathBuf>,
    /// Whether the daemon's own user may use the socket as well: in a development directory, which no root owns.
    #[serde(skip)]
    pub own_user: bool,
}

/// What `sockaddr_un` holds (unix(7)), less the byte that ends it.
const LONGEST_SOCKET_PATH: usize = 107;

/// As the file says it.
impl PartialEq for Admin {
    fn eq(&self, other: &Self) -> bool {
        (&self.listen, &self.socket) == (&other.listen, &other.socket)
    }
}

impl Admin {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some(socket) = &self.socket else { return Ok(()) };
        absolute("admin.socket", socket)?;
        if socket.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(ConfigError::Value { field: "admin.socket", message: format!("at most {LONGEST_SOCKET_PATH} bytes") });
        }
        Ok(())
    }
}
