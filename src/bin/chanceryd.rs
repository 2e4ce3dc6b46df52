//! The daemon.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chancery::access::{LONGEST_TOKEN_LIFE, Scope};
use chancery::base::duration::Span;
use chancery::base::wiping::Wiping;
use chancery::cli;
use chancery::daemon::dev::Dev;
use chancery::daemon::first_token;
use chancery::daemon::log::{self, LogFilter};
use chancery::daemon::manual;
use chancery::daemon::migration;
use chancery::daemon::run::{self, RunError, on_runtime};
use chancery::daemon::sandbox::{self, SandboxError, probe};
use chancery::daemon::surroundings::Surroundings;
use chancery::token::engine::examination::Assignment;
use chancery::token::engine::pin::PinFile;
use chancery::token::process::settings::Settings;
use chancery::token::process::{self, ProcessError};
use chancery::token::{TokenError, doctor, keeper};
use clap::{CommandFactory, Parser, Subcommand};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Keys on their way to a client, tokens in headers and PINs do not stay behind in memory that was given back.
#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

/// Chancery's daemon: a certificate authority whose keys live in a PKCS#11 token.
#[derive(Parser)]
#[command(name = "chanceryd", version)]
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
        /// What it may do, such as pki:admin, pki:issue, pki:read or system; a wider scope holds the narrower ones.
        #[arg(long = "scope", value_name = "SCOPE", default_value = "pki:admin")]
        scopes: Vec<Scope>,
        /// How long it is good for, such as 90d; at most 366d.
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = token_life)]
        ttl: Span,
        /// The file the token is written to; it must not exist, and only its owner may read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Bring the store of an earlier version up to date, while no daemon serves it. A daemon does so itself when it is started.
    Migrate {
        #[arg(long, value_name = "FILE", default_value = "/etc/chancery/chancery.toml")]
        config: PathBuf,
        /// Change nothing: read every record and the hash chain, and say what would be done. A daemon may serve meanwhile.
        #[arg(long)]
        dry_run: bool,
    },
    /// Close the sandbox of a configuration and try what it should refuse; serve nothing and change nothing.
    SandboxProbe {
        #[arg(long, value_name = "FILE", default_value = "/etc/chancery/chancery.toml")]
        config: PathBuf,
        /// The sandbox of a token's worker, which no configuration changes
        #[arg(long, conflicts_with = "config")]
        worker: bool,
    },
    /// Hold a PKCS#11 token and sign for the daemon. The daemon or the service manager starts this.
    TokenWorker {
        /// The worker's own configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Make the token that the file names out of an empty slot, and end.
        #[arg(long)]
        initialise: bool,
        /// Leave a token of that name as it is.
        #[arg(long, requires = "initialise")]
        if_absent: bool,
        /// The process that started this one and whose end ends it.
        #[arg(long, value_name = "PID", hide = true)]
        keeper: Option<i32>,
    },
    /// Start a token's worker, and another when it has ended. The daemon starts this.
    #[command(hide = true)]
    TokenKeeper {
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        #[arg(long, value_name = "FILE")]
        socket: PathBuf,
    },
    /// Load a PKCS#11 module, try what the appliance asks of a token, and tell. `chancery doctor token` starts this.
    #[command(hide = true)]
    TokenDoctor {
        #[arg(long, value_name = "FILE")]
        module: PathBuf,
        #[arg(long)]
        label: Option<String>,
        #[arg(long)]
        serial: Option<String>,
        #[arg(long, value_name = "FILE")]
        pin_file: Option<String>,
        /// The label of every object that is made.
        #[arg(long, value_name = "LABEL")]
        mark: String,
        /// The part to begin with.
        #[arg(long, value_name = "NUMBER")]
        from: usize,
        /// How long a rate is measured, in milliseconds.
        #[arg(long, value_name = "NUMBER")]
        measured_for: u64,
        /// The process that started this one and whose end ends it.
        #[arg(long, value_name = "PID")]
        parent: i32,
    },
    /// Write manual pages and completions of both commands; the package is built with it.
    #[command(hide = true)]
    Manual {
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Check a configuration file and the files it names, and do nothing else.
    CheckConfig {
        #[arg(long, value_name = "FILE", default_value = "/etc/chancery/chancery.toml")]
        config: PathBuf,
        /// The file of a token's worker in its place, such as /etc/chancery/tokens/main.toml, whose PIN need not be within reach
        #[arg(long, value_name = "FILE", conflicts_with = "config")]
        worker: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Before anything is opened, while nothing of this process has changed yet.
    let surroundings = match &command {
        Command::Dev { .. } | Command::Serve { .. } => match Surroundings::take() {
            Ok(surroundings) => surroundings,
            Err(error) => {
                tell(&error);
                return ExitCode::FAILURE;
            }
        },
        // What the service manager hands to a worker is for the worker; the rest ends soon.
        _ => Surroundings::none(),
    };
    let log = log::begin();
    keep_private();
    match execute(command, surroundings, log) {
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
            dev.serve(surroundings, log)
        }
        Command::Serve { config } => run::serve(&config, surroundings, log),
        Command::CreateToken { config, name, scopes, ttl, out } => {
            let out = std::path::absolute(&out).unwrap_or(out);
            on_runtime(async { Ok(first_token::create(&config, name, scopes, ttl, &out).await?) })?;
            println!("{}: holds the token", out.display());
            Ok(())
        }
        Command::Migrate { config, dry_run: true } => {
            println!("{}", migration::dry_run(&config)?);
            Ok(())
        }
        Command::Migrate { config, dry_run: false } => on_runtime(async {
            let (findings, moved) = migration::run(&config).await?;
            println!("{findings}");
            if moved > 0 {
                println!("  done: {moved} places moved");
            }
            Ok(())
        }),
        Command::TokenWorker { config, initialise, if_absent, keeper } => token_worker(&config, initialise, if_absent, keeper),
        Command::TokenKeeper { config, socket } => {
            let program = std::env::current_exe().map_err(|source| RunError::Prepare { what: "the path of this program", source })?;
            Ok(keeper::process::run(&program, &config, &socket)?)
        }
        Command::TokenDoctor { module, label, serial, pin_file, mark, from, measured_for, parent } => {
            let pin = pin_file.as_deref().map(PinFile::named).transpose().map_err(RunError::TokenDoctor)?;
            let measured_for = Duration::from_millis(measured_for);
            // What the worker may not do, a module that is examined may not do either, and fails here already if it needs it.
            sandbox::worker::close().map_err(SandboxError::from)?;
            Ok(doctor::child::run(Assignment { module, label, serial, pin, mark, from, measured_for }, parent)?)
        }
        Command::SandboxProbe { worker: false, config } => tell_of(probe::run(&config)?),
        Command::SandboxProbe { worker: true, .. } => tell_of(probe::run_as_worker()?),
        Command::Manual { out } => manual::write(&out, Arguments::command(), cli::Cli::command())
            .map_err(|source| RunError::Prepare { what: "the manual", source }),
        Command::CheckConfig { worker: Some(file), .. } => {
            Settings::check(&file).map_err(ProcessError::from)?;
            println!("{}: good", file.display());
            Ok(())
        }
        Command::CheckConfig { worker: None, config } => {
            run::check_config(&config, &log)?;
            println!("{}: good", config.display());
            Ok(())
        }
    }
}

fn tell_of(attempts: Vec<probe::Attempt>) -> Result<(), RunError> {
    for attempt in attempts {
        let outcome = attempt.outcome.as_ref().map_or_else(ToString::to_string, |()| "possible".to_owned());
        let verdict = if attempt.is_as_meant() { "as meant" } else { "NOT AS MEANT" };
        println!("{verdict}\t{}\t{outcome}", attempt.what);
    }
    Ok(())
}

fn token_worker(config: &Path, initialise: bool, if_absent: bool, keeper: Option<i32>) -> Result<(), RunError> {
    let settings = Settings::read(config).map_err(ProcessError::from)?;
    for (name, value) in &settings.environment {
        // SAFETY: no other thread exists yet.
        #[expect(unsafe_code, reason = "PKCS#11 modules find their own configuration by the environment and by nothing else")]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    // Before the module is loaded; what it may open and reach is for the unit to say.
    sandbox::worker::close().map_err(SandboxError::from)?;
    if !initialise {
        return Ok(process::run(settings, keeper)?);
    }
    match process::initialise(&settings, keeper) {
        Err(ProcessError::Token(TokenError::TokenExists)) if if_absent => Ok(()),
        made => Ok(made?),
    }
}

fn token_life(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(ttl) if ttl > LONGEST_TOKEN_LIFE => Err(format!("at most {LONGEST_TOKEN_LIFE}")),
        read => read.map_err(|fault| fault.to_string()),
    }
}

/// Tells an error and all that caused it, a line each, in one write: what the token's worker says at the same time does not come in between.
fn tell(error: &dyn std::error::Error) {
    let mut told = format!("chanceryd: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(told, "  because {error}");
        cause = error.source();
    }
    let _ = std::io::stderr().write_all(told.as_bytes());
}
