//! The daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use chancery::access::{LONGEST_TOKEN_LIFE, Scope};
use chancery::base::duration::Span;
use chancery::daemon::dev::Dev;
use chancery::daemon::first_token;
use chancery::daemon::log::{self, LogFilter};
use chancery::daemon::run::{self, RunError, on_runtime};
use chancery::daemon::sandbox::probe;
use chancery::daemon::surroundings::Surroundings;
use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Chancery's daemon: a certificate authority whose keys live in a PKCS#11 token.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an appliance for development, with a SoftHSM2 token of its own, from one directory that is made when it is new.
    Dev {
        /// Where everything is kept.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The address of the HTTPS API; port 0 takes a free one, written to DIR/listen.addr.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
        listen: SocketAddr,
        /// A PKCS#11 module other than SoftHSM2's own, for a new directory.
        #[arg(long, value_name = "FILE")]
        module: Option<PathBuf>,
    },
    /// Serve what a configuration file describes.
    Serve {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make the first API token of a new appliance, while no daemon serves its data directory.
    CreateToken {
        #[arg(long, value_name = "FILE", default_value = "/etc/chancery/chancery.toml")]
        config: PathBuf,
        /// What or whom it is for.
        #[arg(long, default_value = "first administrator")]
        name: String,
        /// What it may do: pki:admin, pki:issue or pki:read; a wider scope holds the narrower ones.
        #[arg(long = "scope", value_name = "SCOPE", default_value = "pki:admin")]
        scopes: Vec<Scope>,
        /// How long it is good for, such as 90d; at most 366d.
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = token_life)]
        ttl: Span,
        /// The file the token is written to; it must not exist, and only its owner may read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Close the sandbox of a configuration and try what it should refuse; serve nothing and change nothing.
    SandboxProbe {
        #[arg(long, value_name = "FILE", default_value = "/etc/chancery/chancery.toml")]
        config: PathBuf,
    },
    /// Check a configuration file and the files it names, and do nothing else.
    CheckConfig {
        #[arg(long, value_name = "FILE", default_value = "/etc/chancery/chancery.toml")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    // First of all, while nothing of this process has changed yet.
    let surroundings = match Surroundings::take() {
        Ok(surroundings) => surroundings,
        Err(error) => {
            tell(&error);
            return ExitCode::FAILURE;
        }
    };
    let log = log::begin();
    keep_private();
    match execute(Arguments::parse().command, surroundings, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

/// What the daemon writes is for its owner alone, and what it holds in memory (the PIN, keys on their way to a client) does not
/// end up in a core file.
fn keep_private() {
    umask(Mode::from_bits_truncate(0o077));
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "core files cannot be switched off");
    }
}

fn execute(command: Command, surroundings: Surroundings, log: LogFilter) -> Result<(), RunError> {
    match command {
        Command::Dev { dir, listen, module } => {
            let dir = std::path::absolute(&dir).unwrap_or(dir);
            let dev = Dev { dir, listen, module };
            let conf = dev.prepare()?;
            // SAFETY: no other thread exists yet; the runtime starts below.
            #[expect(unsafe_code, reason = "SoftHSM2 takes the place of its tokens from the environment and from nowhere else")]
            unsafe {
                std::env::set_var("SOFTHSM2_CONF", conf);
            }
            dev.serve(surroundings, log)
        }
        Command::Serve { config } => run::serve(&config, surroundings, log),
        Command::CreateToken { config, name, scopes, ttl, out } => {
            let out = std::path::absolute(&out).unwrap_or(out);
            on_runtime(async { Ok(first_token::create(&config, name, scopes, ttl, &out).await?) })?;
            println!("{}: holds the token", out.display());
            Ok(())
        }
        Command::CheckConfig { config } => {
            run::check_config(&config, &log)?;
            println!("{}: good", config.display());
            Ok(())
        }
        Command::SandboxProbe { config } => {
            for attempt in probe::run(&config)? {
                let outcome = attempt.outcome.as_ref().map_or_else(ToString::to_string, |()| "possible".to_owned());
                let verdict = if attempt.is_as_meant() { "as meant" } else { "NOT AS MEANT" };
                println!("{verdict}\t{}\t{outcome}", attempt.what);
            }
            Ok(())
        }
    }
}

fn token_life(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(ttl) if ttl > LONGEST_TOKEN_LIFE => Err(format!("at most {LONGEST_TOKEN_LIFE}")),
        read => read.map_err(|fault| fault.to_string()),
    }
}

/// An error and all that caused it, a line each.
fn tell(error: &dyn std::error::Error) {
    eprintln!("chanceryd: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because {error}");
        cause = error.source();
    }
}
