//! The process with the module: started, listened to, ended when it hangs, and started again behind what ended it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use nix::sys::signal::Signal;

use super::message::Message;
use super::{DoctorError, Question};
use crate::api::doctor::{Operation, Outcome, TokenReport, Trial};
use crate::token::engine::examination::PARTS;

/// What remains of what a module said.
const SAID: usize = 2_000;
/// How long the process may take to end when everything was told: a module's own destructors may hang too.
const FAREWELL: Duration = Duration::from_secs(2);
/// What a module is handed of our environment.
const KEPT: [&str; 3] = ["PATH", "HOME", "LANG"];

/// One examination.
pub struct Attendance<'a> {
    question: &'a Question,
    report: TokenReport,
    /// What is being tried, since when.
    trial: Option<(Operation, Option<String>, Instant)>,
    part: Option<usize>,
    /// Where the process began.
    from: usize,
    is_over: bool,
}

/// How a process ended before everything was told.
enum Ending {
    Over,
    Crashed(ExitStatus),
    Hung,
}

impl<'a> Attendance<'a> {
    /// Of objects that get this label.
    pub fn new(question: &'a Question, label: String) -> Self {
        Self { question, report: TokenReport { label, ..TokenReport::default() }, trial: None, part: None, from: 0, is_over: false }
    }

    /// Starts processes until everything was tried, or nothing more can be.
    pub fn attend(mut self) -> Result<TokenReport, DoctorError> {
        loop {
            (self.trial, self.part, self.is_over) = (None, None, false);
            let ending = self.attend_one()?;
            if matches!(ending, Ending::Over) {
                return Ok(self.report);
            }
            self.note(&ending);
            match self.part {
                // Each process gets at least one part further.
                Some(part) if part < PARTS.len() => self.from = part + 1,
                // It came to the end, or never to a beginning.
                Some(_) => return Ok(self.report),
                None if self.from > 0 => return Ok(self.report),
                None => {
                    self.report.unusable_because.get_or_insert_with(|| explained(&ending));
                    return Ok(self.report);
                }
            }
        }
    }

    fn attend_one(&mut self) -> Result<Ending, DoctorError> {
        let mut child = self.start()?;
        let lines = listen(&mut child).map_err(DoctorError::Attend)?;
        let said = collect(&mut child).map_err(DoctorError::Attend)?;
        let mut ending = None;
        while ending.is_none() {
            match lines.recv_timeout(self.patience()) {
                Ok(Some(message)) => self.take(message),
                // What is no line of ours is the end of trust in whatever follows.
                Ok(None) | Err(RecvTimeoutError::Disconnected) => ending = Some(None),
                Err(RecvTimeoutError::Timeout) => ending = Some(Some(Ending::Hung)),
            }
        }
        if ending.as_ref().is_some_and(Option::is_some) || self.is_over {
            drop(child.kill());
        }
        let status = child.wait().map_err(DoctorError::Attend)?;
        if let Ok(said) = said.join() {
            self.remember(&said);
        }
        Ok(match ending.flatten() {
            _ if self.is_over => Ending::Over,
            Some(hung) => hung,
            None => Ending::Crashed(status),
        })
    }

    fn start(&self) -> Result<Child, DoctorError> {
        let Question { program, module, label, serial, pin_file, environment, measured_for, .. } = self.question;
        let mut command = Command::new(program);
        command.arg("token-doctor").arg("--module").arg(module).arg("--mark").arg(&self.report.label);
        command.arg("--from").arg(self.from.to_string()).arg("--parent").arg(std::process::id().to_string());
        command.arg("--measured-for").arg(measured_for.as_millis().to_string());
        for (name, value) in [("--label", label), ("--serial", serial), ("--pin-file", pin_file)] {
            if let Some(value) = value {
                // A value may begin with a hyphen.
                command.arg(format!("{name}={value}"));
            }
        }
        command.env_clear().envs(KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        // What the engine would log is in the report.
        command.env("RUST_LOG", "off").envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|source| DoctorError::Start { program: program.clone(), source })
    }

    /// How long nothing may be heard.
    fn patience(&self) -> Duration {
        let patience = self.question.patience;
        match &self.trial {
            _ if self.is_over => FAREWELL,
            Some((operation, ..)) if makes_keys(*operation) => patience * 10,
            Some((Operation::Measure, ..)) => patience + self.question.measured_for,
            Some(_) | None => patience,
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Part(part) => self.part = Some(part),
            Message::Begun { operation, key } => self.trial = Some((operation, key, Instant::now())),
            Message::Module(module) => self.report.module = Some(module),
            Message::Slots(slots) => self.report.slots = slots,
            Message::Token(token) => self.report.token = Some(token),
            Message::Mechanisms(mechanisms) => self.report.mechanisms = mechanisms,
            Message::Sessions(sessions) => self.report.sessions = Some(sessions),
            Message::Tried(trial) => {
                self.trial = None;
                self.report.trials.push(trial);
            }
            Message::Measured(rate) => {
                self.trial = None;
                self.report.rates.push(rate);
            }
            Message::Left(left) => self.report.left_behind = Some(left),
            Message::Unusable(why) if self.from == 0 => self.report.unusable_because = Some(why),
            // It was usable before the trial that ended the last process.
            Message::Unusable(why) => {
                let (operation, key, begun) = self.trial.take().unwrap_or((Operation::Load, None, Instant::now()));
                self.tried(operation, key, begun, Outcome::Failed, why);
            }
            Message::End => self.is_over = true,
        }
    }

    /// The trial that ended the process.
    fn note(&mut self, ending: &Ending) {
        let outcome = match ending {
            Ending::Over => return,
            Ending::Crashed(_) => Outcome::Crashed,
            Ending::Hung => Outcome::Hung,
        };
        let (operation, key, begun) = self.trial.take().unwrap_or((Operation::Load, None, Instant::now()));
        self.tried(operation, key, begun, outcome, explained(ending));
    }

    fn tried(&mut self, operation: Operation, key: Option<String>, begun: Instant, outcome: Outcome, detail: String) {
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.report.trials.push(Trial { operation, key, outcome, detail: Some(detail), milliseconds });
    }

    fn remember(&mut self, said: &str) {
        let text = format!("{}{said}", self.report.said);
        let surplus = text.chars().count().saturating_sub(SAID);
        self.report.said = text.chars().skip(surplus).collect();
    }
}

fn makes_keys(operation: Operation) -> bool {
    use Operation::{Decrypt, Export, Generate, RegistrationAuthority, WrapKwp, WrapPad};
    matches!(operation, Generate | WrapPad | WrapKwp | Export | Decrypt | RegistrationAuthority)
}

fn explained(ending: &Ending) -> String {
    match ending {
        Ending::Over => String::new(),
        Ending::Hung => "the module did not return in time".to_owned(),
        Ending::Crashed(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => {
                let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.to_string());
                format!("the process with the module was ended by {name}")
            }
            (None, Some(code)) => format!("the process with the module ended by itself with code {code}"),
            (None, None) => "the process with the module ended".to_owned(),
        },
    }
}

/// Its lines, each as it comes; None for what is no line of ours.
fn listen(child: &mut Child) -> std::io::Result<Receiver<Option<Message>>> {
    let (send, lines) = unbounded();
    let Some(out) = child.stdout.take() else { return Ok(lines) };
    std::thread::Builder::new().name("doctor-lines".to_owned()).spawn(move || {
        for line in BufReader::new(out).lines() {
            let message = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            if send.send(message).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}

/// The end of what is written to standard error.
fn collect(child: &mut Child) -> std::io::Result<JoinHandle<String>> {
    let error = child.stderr.take();
    std::thread::Builder::new().name("doctor-said".to_owned()).spawn(move || {
        let mut kept = Vec::new();
        let mut piece = [0; 4_096];
        if let Some(mut error) = error {
            while let Ok(length @ 1..) = error.read(&mut piece) {
                kept.extend_from_slice(piece.get(..length).unwrap_or_default());
                // In bytes, of which a character has up to four.
                let surplus = kept.len().saturating_sub(4 * SAID);
                kept.drain(..surplus);
            }
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}
