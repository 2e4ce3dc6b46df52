//! `chanceryd token-doctor`: the process that loads the module which is examined.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use nix::unistd::dup2_stdout;

use crate::token::engine::examination::{self, Assignment};
use crate::token::process::{self, ProcessError};

/// Examines and tells on standard output what it finds. `parent` is the process that must have started this one, and whose end ends it.
/// To be called before there is another thread.
pub fn run(assignment: Assignment, parent: i32) -> Result<(), ProcessError> {
    process::confine(Some(parent))?;
    // Modules write where they like: what they say goes to standard error, and our lines are ours.
    let mut lines = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(ProcessError::Listen)?);
    dup2_stdout(io::stderr()).map_err(|error| ProcessError::Listen(error.into()))?;
    examination::run(assignment, &mut |message| {
        let Ok(mut line) = serde_json::to_vec(&message) else { return };
        line.push(b'\n');
        // Nobody listens any more: then this process ends with the one who did.
        drop(lines.write_all(&line));
    });
    Ok(())
}
