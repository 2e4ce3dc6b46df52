//! Taking up a changed configuration while serving: all of it or nothing.
//!
//! Whatever can be exchanged while the daemon serves registers here with a name. On SIGHUP the file is read again, every part
//! prepares what it would become, and only when all can, all exchange. A wrong configuration changes nothing, and the log and the
//! service manager are told why.

use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError};

/// What a part would become: run to exchange, dropped to leave things as they are. It cannot fail any more.
pub type Exchange = Box<dyn FnOnce() + Send>;

/// Why a part cannot be what the configuration says.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

type Prepare = Box<dyn Fn(&Config) -> Result<Exchange, Refusal> + Send>;

/// Why everything stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{part}: {refusal}")]
    Part {
        part: &'static str,
        #[source]
        refusal: Refusal,
    },
}

/// The parts that can be exchanged.
pub struct Reload {
    path: PathBuf,
    parts: Vec<(&'static str, Prepare)>,
    /// As it was at the start, for what can only be changed by another start.
    begun: Config,
}

impl Reload {
    /// Of the configuration that was read from this file.
    pub fn new(path: &Path, begun: Config) -> Self {
        Self { path: path.to_owned(), parts: Vec::new(), begun }
    }

    /// Adds a part. `prepare` looks at everything that can be wrong and changes nothing.
    pub fn part(&mut self, name: &'static str, prepare: impl Fn(&Config) -> Result<Exchange, Refusal> + Send + 'static) {
        self.parts.push((name, Box::new(prepare)));
    }

    /// Reads the file and exchanges every part. Names the settings that differ and need another start.
    pub fn run(&self) -> Result<Vec<&'static str>, ReloadError> {
        let config = Config::read(&self.path)?;
        let mut exchanges = Vec::with_capacity(self.parts.len());
        for (part, prepare) in &self.parts {
            exchanges.push(prepare(&config).map_err(|refusal| ReloadError::Part { part, refusal })?);
        }
        exchanges.into_iter().for_each(|exchange| exchange());
        Ok(self.begun.fixed_differences(&config))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const GOOD: &str = "data_dir = \"/d\"\nlisten = \"127.0.0.1:1\"\n[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n\
                        [[token]]\nname = \"main\"\nsocket = \"/s\"\n";

    fn counted(count: &Arc<AtomicUsize>) -> Exchange {
        let count = count.clone();
        Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
    }

    #[test]
    fn all_parts_are_exchanged_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chancery.toml");
        std::fs::write(&path, GOOD).unwrap();
        let exchanged = Arc::new(AtomicUsize::new(0));
        let mut reload = Reload::new(&path, Config::read(&path).unwrap());
        let count = exchanged.clone();
        reload.part("first", move |_| Ok(counted(&count)));
        let count = exchanged.clone();
        reload.part("second", move |config| if config.log.filter == "bad" { Err("not that".into()) } else { Ok(counted(&count)) });
        assert!(reload.run().unwrap().is_empty());
        assert_eq!(exchanged.load(Ordering::Relaxed), 2);

        std::fs::write(&path, format!("{GOOD}[log]\nfilter = \"bad\"\n")).unwrap();
        assert_eq!(reload.run().unwrap_err().to_string(), "second: not that");
        std::fs::write(&path, "nonsense").unwrap();
        assert!(matches!(reload.run(), Err(ReloadError::Config(_))));
        assert_eq!(exchanged.load(Ordering::Relaxed), 2);

        std::fs::write(&path, GOOD.replace("127.0.0.1:1", "127.0.0.1:2")).unwrap();
        assert_eq!(reload.run().unwrap(), ["listen"]);
        assert_eq!(exchanged.load(Ordering::Relaxed), 4);
    }
}
