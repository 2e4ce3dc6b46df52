//! The command line `chancery`: the API's endpoints as commands, readable tables or the API's own JSON.
//!
//! What is asked for goes to standard output and everything else to standard error; the exit code says who has to act.
//! A token is never taken from an argument, a key file is never overwritten and never readable by others, and what the
//! server or a certificate says is stripped of control characters before a terminal sees it.

mod acme;
mod arguments;
mod audit;
mod authority;
mod certificate;
mod certificate_import;
mod connection;
mod crl;
mod doctor;
mod event;
mod failure;
mod files;
mod health;
mod issue;
mod organization;
mod progress;
mod project;
mod request;
mod role;
mod screen;
mod secret;
mod session;
mod table;
mod token;
mod trust_anchor;
mod user;
mod webhook;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

pub use arguments::Cli;
pub use connection::Environment;
pub use screen::Screen;

use arguments::Command;
use audit::AuditCommand;
use failure::Failure;
use session::Session;

/// Runs one command and gives the exit code that `--help` documents.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment<'_>, mut screen: Screen<'_>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(fault) => return screen.usage(&fault),
    };
    match execute(cli, environment, &mut screen).await {
        Ok(()) => 0,
        Err(failure) => {
            screen.failure(&failure);
            failure.exit_code()
        }
    }
}

async fn execute(cli: Cli, environment: Environment<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let Cli { connection, json, command } = cli;
    let connect = |screen| Session::open(&connection, environment, json, screen);
    match command {
        Command::Ca(command) => command.run(&mut connect(screen)?).await,
        Command::Role(command) => command.run(&mut connect(screen)?).await,
        Command::Issue(command) => command.run(&mut connect(screen)?).await,
        Command::Sign(command) => command.run(&mut connect(screen)?).await,
        Command::Cert(command) => command.run(&mut connect(screen)?).await,
        Command::Csr(command) => command.run(&mut connect(screen)?).await,
        Command::Anchor(command) => command.run(&mut connect(screen)?).await,
        Command::Crl(command) => command.run(&mut connect(screen)?).await,
        Command::Organization(command) => command.run(&mut connect(screen)?).await,
        Command::Project(command) => command.run(&mut connect(screen)?).await,
        Command::User(command) => command.run(&mut connect(screen)?).await,
        Command::Webhook(command) => command.run(&mut connect(screen)?).await,
        Command::Token(command) => command.run(&mut connect(screen)?).await,
        Command::Acme(command) => command.run(&mut connect(screen)?).await,
        Command::Secret(command) => command.run(&mut connect(screen)?).await,
        Command::Audit(AuditCommand::List(command)) => command.run(&mut connect(screen)?).await,
        Command::Audit(AuditCommand::Verify { dir }) => audit::verify(dir, json, screen).await,
        Command::Event(command) => command.run(&mut connect(screen)?).await,
        Command::Doctor(command) => command.run(json, screen).await,
        Command::Health => health::run(&mut connect(screen)?).await,
        Command::Completions { shell } => {
            // Into memory first: the generator panics when its writer fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "chancery", &mut script);
            screen.write(&script)
        }
    }
}

#[cfg(test)]
mod tests;
