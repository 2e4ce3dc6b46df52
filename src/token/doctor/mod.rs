//! `chancery doctor token`: what a vendor's module can do for the appliance, found out in a process of its own.
//!
//! ```text
//!   chancery ── starts ──▶ chanceryd token-doctor ── loads ──▶ the module
//!      ▲                          │ says what it tries, then how that went
//!      └────── a line each ◀──────┘
//! ```
//!
//! Guarantees: a module that crashes or hangs ends the process it is in, and the report says with which trial. The examination then goes
//! on behind that part in another process, where the token had let the first one in.
//!
//! Never does: load the module into the calling process, read the PIN there, or hand it on by an argument or the environment.

mod attendance;
pub mod child;
pub mod message;
mod stanza;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::api::doctor::{TokenReport, Verdict};
use crate::token::engine::pin::{PinFault, PinFile};
use crate::token::process::settings;
use attendance::Attendance;

/// What is to be examined, and how.
#[derive(Clone, Debug)]
pub struct Question {
    /// The daemon's binary, which is started as the process for the module.
    pub program: PathBuf,
    pub module: PathBuf,
    pub label: Option<String>,
    pub serial: Option<String>,
    /// As the worker's configuration names it. None to look only.
    pub pin_file: Option<String>,
    /// What the module finds in its environment, and nothing else of ours.
    pub environment: BTreeMap<String, String>,
    /// How long a call may take; the making of a key ten times that.
    pub patience: Duration,
    /// How long each rate is measured.
    pub measured_for: Duration,
}

/// Why nothing was examined.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    #[error("{program} cannot be started")]
    Start { program: PathBuf, source: std::io::Error },
    #[error("the PIN cannot be used")]
    Pin(#[from] PinFault),
    #[error("{0:?} cannot be a variable of the module's environment: letters, digits and underscores, and none of the linker's")]
    Variable(String),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("the process with the module cannot be attended")]
    Attend(#[source] std::io::Error),
}

/// Examines. It takes as long as the token does: a minute for SoftHSM2.
pub fn examine(question: &Question) -> Result<TokenReport, DoctorError> {
    if let Some(name) = question.environment.keys().find(|name| !settings::is_variable(name)) {
        return Err(DoctorError::Variable(name.clone()));
    }
    if let Some(pin) = &question.pin_file {
        // Said before a module is loaded; the PIN itself is read by the other process alone.
        PinFile::named(pin)?.check()?;
    }
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| DoctorError::NoRandomness)?;
    let mut report = Attendance::new(question, format!("chancery-doctor-{}", hex::encode(random))).attend()?;
    verdict::pass(&mut report, question.pin_file.is_some());
    if matches!(report.verdict, Verdict::Good | Verdict::Lesser) {
        report.configuration = stanza::write(question, &report);
    }
    Ok(report)
}
