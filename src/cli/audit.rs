//! `chancery audit`: the trail over the API, and the log checked without a daemon.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::api::admin::AuditEntry;
use crate::audit::{self, Report};

use super::arguments::Pages;
use super::failure::Failure;
use super::progress;
use super::screen::Screen;
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List entries of the audit trail
    List(ListArguments),
    /// Check every record and the hash chain of a data directory, without asking the daemon
    Verify {
        /// The data directory, or a directory of `chanceryd dev`
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    pages: Pages,
}

impl ListArguments {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Pages { limit, cursor, all } = self.pages;
        let fetch = async |cursor: Option<String>| client.audit(limit, cursor.as_deref()).await;
        session.print_pages("listing the audit trail", all, cursor, fetch, list).await
    }
}

/// Checks the log offline. It reads only, so it may run beside the daemon.
pub(super) async fn verify(dir: PathBuf, json: bool, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let folder = data_directory(&dir);
    let reading = tokio::task::spawn_blocking(move || audit::verify(&folder));
    let report = progress::shown("checking the audit log", screen.notes_is_terminal, reading).await.map_err(Failure::Unfinished)?;
    let report = report.map_err(|source| Failure::AuditLog { dir: dir.clone(), source })?;
    if report.torn_bytes > 0 {
        screen.note("the log ends with bytes that were never acknowledged: from a power cut, or being written now");
    }
    if json {
        screen.line(document(&report).to_string().as_bytes())?;
    } else {
        let text = details(&report).render(screen.out_is_terminal);
        screen.write(text.as_bytes())?;
    }
    // An appliance writes its first entry when it is made: a log without any was emptied, or is another directory.
    if report.entries == 0 { Err(Failure::NoAuditEntries { dir }) } else { Ok(()) }
}

/// `chanceryd dev` keeps its data in a directory below the one it is given.
fn data_directory(dir: &Path) -> PathBuf {
    let below = dir.join("data");
    if !dir.join("journal").is_dir() && below.join("journal").is_dir() { below } else { dir.to_path_buf() }
}

fn list(entries: &[AuditEntry]) -> Rows {
    Rows::list(["SEQUENCE", "TIME", "ACTOR", "ACTION", "OUTCOME", "OBJECT"], entries, |entry| {
        [
            entry.sequence.to_string(),
            entry.time.clone(),
            entry.actor.clone(),
            entry.action.clone(),
            entry.outcome.clone(),
            entry.object.clone().unwrap_or_default(),
        ]
    })
}

fn details(report: &Report) -> Rows {
    let Report { first, last, entries, frames, head, first_time, last_time, torn_bytes } = report;
    Rows::fields([
        ("entries", Some(entries.to_string())),
        ("sequence", Some(format!("{first} to {last}"))),
        ("first entry", first_time.map(|time| time.to_string())),
        ("last entry", last_time.map(|time| time.to_string())),
        ("frames", Some(frames.to_string())),
        ("head", Some(hex::encode(head))),
        ("unfinished bytes", (*torn_bytes > 0).then(|| torn_bytes.to_string())),
    ])
}

fn document(report: &Report) -> serde_json::Value {
    let Report { first, last, entries, frames, head, first_time, last_time, torn_bytes } = report;
    serde_json::json!({
        "first_sequence": first,
        "last_sequence": last,
        "entries": entries,
        "frames": frames,
        "head": hex::encode(head),
        "first_time": first_time.map(|time| time.to_string()),
        "last_time": last_time.map(|time| time.to_string()),
        "unfinished_bytes": torn_bytes,
    })
}
