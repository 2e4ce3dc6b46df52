//! `chancery doctor`: looks at what an appliance is to be built on, before there is one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::api::doctor::{MechanismInfo, Operation, Outcome, SlotInfo, TokenReport, Trial, Verdict};
use crate::base::duration::Span;
use crate::token::doctor::{self, Question};

use super::failure::Failure;
use super::files::{NewFile, Readers};
use super::progress;
use super::screen::{Screen, printable};
use super::table::{Rows, joined, yes};

/// The daemon's binary, which loads the module: it is installed beside this one.
const DAEMON: &str = "chanceryd";
const MEASURED_FOR: Duration = Duration::from_millis(300);

#[derive(Debug, Subcommand)]
pub(super) enum DoctorCommand {
    /// Try out what a PKCS#11 token can do for the appliance, and write the configuration for it
    Token(TokenArguments),
}

#[derive(Debug, Args)]
pub(super) struct TokenArguments {
    /// The vendor's PKCS#11 library; a process of its own loads it, so that it may crash and hang
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// The token's label; it or --serial is needed where there are several
    #[arg(long, conflicts_with_all = ["serial", "slot_list"])]
    label: Option<String>,
    /// The token's serial number
    #[arg(long, conflicts_with = "slot_list")]
    serial: Option<String>,
    /// List the module's slots and tokens, and do nothing else
    #[arg(long)]
    slot_list: bool,
    /// The file whose first line is the user PIN, which is sent once; without one nothing is tried
    #[arg(long, value_name = "FILE", conflicts_with = "slot_list")]
    pin_file: Option<String>,
    /// A variable the module finds in its environment, such as SOFTHSM2_CONF=/etc/softhsm2.conf; nothing else of the
    /// environment reaches it but PATH, HOME and LANG
    #[arg(long, value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// How long a call of the module may take; making a key may take ten times as long
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    patience: Span,
    /// Write the configuration of the token's worker to a new file
    #[arg(long, value_name = "FILE", requires = "pin_file")]
    write: Option<PathBuf>,
}

impl DoctorCommand {
    pub(super) async fn run(self, json: bool, screen: &mut Screen<'_>) -> Result<(), Failure> {
        match self {
            Self::Token(arguments) => arguments.run(json, screen).await,
        }
    }
}

impl TokenArguments {
    async fn run(self, json: bool, screen: &mut Screen<'_>) -> Result<(), Failure> {
        let question = self.question()?;
        let only_lists = self.slot_list;
        // Before the examination, which takes its time: a file that cannot be written is said at once.
        let file = self.write.as_deref().map(|path| NewFile::create(path, Readers::Everyone)).transpose()?;
        let examining = tokio::task::spawn_blocking(move || doctor::examine(&question));
        let report = progress::shown("examining the token", screen.notes_is_terminal, examining).await.map_err(Failure::Unfinished)??;
        if json {
            screen.line(&serde_json::to_vec(&report).unwrap_or_default())?;
        } else {
            let text = if only_lists { slots(&report, screen.out_is_terminal) } else { whole(&report, screen.out_is_terminal) };
            screen.write(text.as_bytes())?;
        }
        if let (Some(file), Some(configuration)) = (file, &report.configuration) {
            let path = file.write(configuration.as_bytes())?;
            screen.note(&format!("{}: the worker's configuration", path.display()));
        }
        match report.verdict {
            // Which token is meant is no question of a list.
            Verdict::Unusable if only_lists && report.module.is_some() => Ok(()),
            Verdict::Untried if only_lists => Ok(()),
            Verdict::Good => Ok(()),
            Verdict::Lesser => Err(Failure::TokenLacks),
            Verdict::Untried => Err(Failure::TokenUntried),
            Verdict::Unusable => Err(Failure::TokenUnusable),
        }
    }

    fn question(&self) -> Result<Question, Failure> {
        let mut environment = BTreeMap::new();
        for variable in &self.environment {
            let (name, value) = variable.split_once('=').ok_or_else(|| Failure::Variable(variable.clone()))?;
            environment.insert(name.to_owned(), value.to_owned());
        }
        // The linker would look for a bare name elsewhere than a person does.
        let module = std::path::absolute(&self.module).unwrap_or_else(|_| self.module.clone());
        let program = std::env::current_exe().unwrap_or_default().with_file_name(OsString::from(DAEMON));
        Ok(Question {
            program,
            module,
            label: self.label.clone(),
            serial: self.serial.clone(),
            pin_file: self.pin_file.clone(),
            environment,
            patience: self.patience.as_std(),
            measured_for: MEASURED_FOR,
        })
    }
}

/// The report in sections, what matters most at its end.
fn whole(report: &TokenReport, terminal: bool) -> String {
    let mut text = String::new();
    let mut section = |heading: &str, body: &str| {
        if !body.is_empty() {
            text.push_str(&format!("{heading}\n\n{body}\n"));
        }
    };
    section("MODULE", &module(report, terminal));
    section("SLOTS", &slots(report, terminal));
    section("TOKEN", &token(report, terminal));
    section("MECHANISMS", &list(terminal, ["NAME", "NUMBER", "THERE", "KEYS", "FOR"], &report.mechanisms, mechanism));
    section("SESSIONS", &sessions(report, terminal));
    section("TRIALS", &list(terminal, ["OPERATION", "KEY", "OUTCOME", "TOOK", "DETAIL"], &report.trials, trial));
    section("SIGNATURES A SECOND", &rates(report, terminal));
    section("THE MODULE SAID", &said(report));
    section("WORKER CONFIGURATION", report.configuration.as_deref().unwrap_or_default());
    section(
        "WHAT DOES NOT WORK WITH THIS TOKEN",
        &list(terminal, ["FEATURE", "ASKED IN VAIN", "BECAUSE"], &report.lacking, |lack| {
            let asked = [name(lack.operation), lack.key.as_deref().unwrap_or_default()].join(" ");
            [lack.feature.clone(), asked.trim_end().to_owned(), lack.because.clone()]
        }),
    );
    let verdict = match (&report.verdict, &report.unusable_because) {
        (Verdict::Good, _) => "Good: the token can everything the appliance uses.\n".to_owned(),
        (Verdict::Lesser, _) => "Lesser: the token can be used, without the features above.\n".to_owned(),
        (Verdict::Untried, _) => "Untried: the token was looked at, and nothing was tried.\n".to_owned(),
        (Verdict::Unusable, because) => format!("Unusable: {}.\n", printable(because.as_deref().unwrap_or("the appliance cannot use it"))),
    };
    section("VERDICT", &verdict);
    text
}

fn list<T, const N: usize>(terminal: bool, heading: [&'static str; N], items: &[T], row: impl Fn(&T) -> [String; N]) -> String {
    if items.is_empty() { String::new() } else { Rows::list(heading, items, row).render(terminal) }
}

fn module(report: &TokenReport, terminal: bool) -> String {
    let Some(module) = &report.module else { return String::new() };
    Rows::fields([
        ("path", Some(module.path.clone())),
        ("manufacturer", Some(module.manufacturer.clone())),
        ("description", Some(module.description.clone())),
        ("version", Some(module.version.clone())),
        ("PKCS#11", Some(module.cryptoki_version.clone())),
    ])
    .render(terminal)
}

fn slots(report: &TokenReport, terminal: bool) -> String {
    list(terminal, ["SLOT", "TOKEN", "SERIAL", "MODEL", "FLAGS"], &report.slots, |slot: &SlotInfo| {
        let of_token = |text: fn(&crate::api::doctor::TokenInfo) -> String| slot.token.as_ref().map(text).unwrap_or_default();
        [
            slot.description.clone(),
            of_token(|token| token.label.clone()),
            of_token(|token| token.serial.clone()),
            of_token(|token| token.model.clone()),
            of_token(|token| token.flags.join(", ")),
        ]
    })
}

fn token(report: &TokenReport, terminal: bool) -> String {
    let Some(token) = &report.token else { return String::new() };
    Rows::fields([
        ("label", Some(token.label.clone())),
        ("serial", Some(token.serial.clone())),
        ("manufacturer", Some(token.manufacturer.clone())),
        ("model", Some(token.model.clone())),
        ("hardware", Some(token.hardware_version.clone())),
        ("firmware", Some(token.firmware_version.clone())),
        ("flags", joined(&token.flags)),
    ])
    .render(terminal)
}

fn mechanism(mechanism: &MechanismInfo) -> [String; 5] {
    let keys = match (mechanism.smallest_key, mechanism.largest_key) {
        (Some(smallest), Some(largest)) if largest > 0 => format!("{smallest} to {largest}"),
        _ => String::new(),
    };
    [mechanism.name.clone(), mechanism.number.clone(), yes(mechanism.is_present), keys, mechanism.needed_for.clone()]
}

fn sessions(report: &TokenReport, terminal: bool) -> String {
    let Some(sessions) = &report.sessions else { return String::new() };
    let stated = |most: Option<u64>| Some(most.map_or_else(|| "not stated".to_owned(), |most| most.to_string()));
    Rows::fields([
        ("most, as stated", stated(sessions.stated)),
        ("most that write, as stated", stated(sessions.stated_writing)),
        ("opened at once", Some(sessions.opened.to_string())),
        ("one more was refused", sessions.refused_with.clone()),
    ])
    .render(terminal)
}

fn trial(trial: &Trial) -> [String; 5] {
    let outcome = match trial.outcome {
        Outcome::Done => "done",
        Outcome::Lacking => "LACKING",
        Outcome::Failed => "FAILED",
        Outcome::Crashed => "CRASHED",
        Outcome::Hung => "HUNG",
    };
    [
        name(trial.operation).to_owned(),
        trial.key.clone().unwrap_or_default(),
        outcome.to_owned(),
        format!("{} ms", trial.milliseconds),
        trial.detail.clone().unwrap_or_default(),
    ]
}

fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Load => "load the module",
        Operation::LogIn => "log in",
        Operation::OpenSessions => "open sessions",
        Operation::Random => "random bytes",
        Operation::Generate => "make a key pair",
        Operation::Find => "find it",
        Operation::Sign => "sign and verify",
        Operation::SignPss => "the same with PSS",
        Operation::Measure => "measure",
        Operation::Destroy => "destroy it",
        Operation::Seal => "seal and open",
        Operation::WrapPad => "wrap (0x210A)",
        Operation::UnwrapPad => "unwrap (0x210A)",
        Operation::WrapKwp => "wrap (0x210B)",
        Operation::UnwrapKwp => "unwrap (0x210B)",
        Operation::Export => "give out a subject's key",
        Operation::Import => "take one in",
        Operation::Decrypt => "decrypt",
        Operation::RegistrationAuthority => "sign and decrypt with one key",
        Operation::LoginLost => "sign after a lost login",
        Operation::ModuleLost => "sign after a reset",
        Operation::CleanUp => "clean up",
    }
}

fn rates(report: &TokenReport, terminal: bool) -> String {
    let Some(recommended) = report.recommended_sessions else { return String::new() };
    let table = list(terminal, ["KEY", "SESSIONS", "A SECOND"], &report.rates, |rate| {
        [rate.key.clone(), rate.sessions.to_string(), format!("{:.0}", rate.per_second)]
    });
    format!("{table}\nRecommended: sessions = {recommended}\n")
}

fn said(report: &TokenReport) -> String {
    report.said.lines().map(|line| format!("{}\n", printable(line))).collect()
}
