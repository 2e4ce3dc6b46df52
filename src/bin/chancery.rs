//! The command line of the appliance.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use chancery::cli::{self, Screen};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("chancery: cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    let screen = Screen {
        out_is_terminal: out.is_terminal(),
        notes_is_terminal: notes.is_terminal(),
        input_is_terminal: io::stdin().is_terminal(),
        out: &mut out,
        notes: &mut notes,
    };
    let code = runtime.block_on(cli::run(std::env::args_os(), &|name| std::env::var_os(name), screen));
    // What is left of a broken connection is not worth waiting for.
    runtime.shutdown_background();
    ExitCode::from(code)
}
