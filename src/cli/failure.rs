//! Why a command did not succeed, who has to act, and what to do.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use rustls::CertificateError;

use crate::audit::VerifyError;
use crate::client::ClientError;
use crate::journal::JournalError;
use crate::token::doctor::DoctorError;
use crate::x509::pem::Label;

use super::connection::SettingsFault;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsFault),
    #[error("{doing} failed")]
    Call { doing: &'static str, source: ClientError },
    #[error("there is no authority with the id or name {name:?}")]
    NoSuchAuthority { name: String },
    #[error("cannot {verb} {}", path.display())]
    File { verb: &'static str, path: PathBuf, source: io::Error },
    #[error("{} exists; nothing is overwritten here", path.display())]
    Exists { path: PathBuf },
    #[error("{id} (serial number {serial}) was issued, but its private key could not be kept")]
    KeyLost { id: String, serial: String, source: Box<Failure> },
    #[error("{} holds neither PEM nor DER where {wanted} is wanted", path.display())]
    NotPem { path: PathBuf, wanted: Label },
    #[error("the value of {path} is for tokens with the scope secrets:read; --metadata shows the rest")]
    ValueWithheld { path: String },
    #[error("DER is not for terminals")]
    BinaryToTerminal,
    #[error("the appliance is {status}")]
    Unhealthy { status: String },
    #[error("checking the audit log in {} failed", dir.display())]
    AuditLog { dir: PathBuf, source: VerifyError },
    #[error("the audit log in {} has no entry", dir.display())]
    NoAuditEntries { dir: PathBuf },
    #[error("the token cannot be examined")]
    Doctor(#[from] DoctorError),
    #[error("{0:?} is no variable of an environment: write NAME=VALUE")]
    Variable(String),
    #[error("the token lacks what some features of the appliance need")]
    TokenLacks,
    #[error("nothing was tried without a PIN")]
    TokenUntried,
    #[error("the appliance cannot use the token")]
    TokenUnusable,
    #[error("the work was not finished")]
    Unfinished(#[source] tokio::task::JoinError),
    #[error("not confirmed; nothing was done")]
    NotConfirmed,
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl Failure {
    /// The exit code, as `--help` documents it.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Call { source: ClientError::Endpoint(_) | ClientError::Request(_), .. } => 2,
            // Only the appliance's own word counts: a proxy's 404 says nothing about a certificate.
            Self::Call { source, .. } => match source.problem().map(|problem| problem.status) {
                Some(401 | 403) => 4,
                Some(404) => 5,
                Some(400..=499) => 1,
                Some(_) | None => 3,
            },
            Self::NoSuchAuthority { .. } => 5,
            Self::ValueWithheld { .. } => 4,
            Self::Unhealthy { .. } | Self::Unfinished(_) => 3,
            // What cannot be read is not thereby damaged.
            Self::AuditLog { source: VerifyError::Journal(JournalError::Io { .. } | JournalError::Newer { .. }), .. } => 2,
            Self::AuditLog { .. } | Self::NoAuditEntries { .. } | Self::TokenLacks | Self::TokenUntried => 1,
            Self::Settings(_)
            | Self::File { .. }
            | Self::Exists { .. }
            | Self::KeyLost { .. }
            | Self::NotPem { .. }
            | Self::BinaryToTerminal
            | Self::NotConfirmed
            | Self::Doctor(_)
            | Self::Variable(_)
            | Self::TokenUnusable
            | Self::Output(_) => 2,
        }
    }

    /// Whether whoever reads standard output has gone, who wants to hear no more.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What failed, each fault on a line of its own, and what to do.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.headline()];
        if let Self::Call { source, .. } = self
            && let Some(problem) = source.problem()
        {
            for violation in &problem.violations {
                let field = if violation.field.is_empty() { "request" } else { &violation.field };
                lines.push(format!("  {field}: {}", violation.message));
            }
            lines.push(format!("  ({}, request {})", problem.code, problem.request_id));
        }
        lines.extend(self.advice().map(|advice| format!("  → {advice}")));
        lines
    }

    fn headline(&self) -> String {
        let mut text = self.to_string();
        let mut shown = self.source();
        // The faults of the layers between say nothing a user could act on; the first and the deepest do.
        if let Some(first) = shown {
            text = format!("{text}: {first}");
            // By steps and not by addresses: an error may lie at the very address of the one around it.
            shown = None;
            let mut next = first.source();
            while let Some(deeper) = next {
                shown = Some(deeper);
                next = deeper.source();
            }
        }
        match shown {
            // Some tell theirs themselves.
            Some(deepest) if !text.ends_with(&deepest.to_string()) => format!("{text}: {deepest}"),
            Some(_) | None => text,
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::Call { source, .. } => call_advice(source),
            Self::NoSuchAuthority { .. } => Some("`chancery ca list` shows them".to_owned()),
            Self::Exists { .. } => Some("move it away, or name another file".to_owned()),
            Self::KeyLost { id, .. } => Some(format!("the key is gone: `chancery cert revoke {id} --reason superseded`, and issue again")),
            Self::BinaryToTerminal => Some("name a file with --out, or leave out --der".to_owned()),
            Self::AuditLog { source: VerifyError::Journal(JournalError::Io { .. }), .. } => {
                Some("name the data directory, which holds the journal, as a user who may read it".to_owned())
            }
            Self::AuditLog { source: VerifyError::Journal(JournalError::Newer { .. }), .. } => {
                Some("use a `chancery` as new as the daemon".to_owned())
            }
            Self::AuditLog { .. } => Some("keep the directory as it is: it is evidence, and a backup shows what it was".to_owned()),
            Self::NoAuditEntries { .. } => Some("is it the data directory?".to_owned()),
            Self::Settings(SettingsFault::NotADirectory { .. }) => {
                Some("the first start of `chanceryd dev --dir DIR` fills a directory".to_owned())
            }
            Self::TokenUntried => Some("name the file that holds it by --pin-file".to_owned()),
            Self::Settings(_)
            | Self::File { .. }
            | Self::Doctor(_)
            | Self::Variable(_)
            | Self::TokenLacks
            | Self::TokenUnusable
            | Self::NotPem { .. }
            | Self::Unhealthy { .. }
            | Self::Unfinished(_)
            | Self::NotConfirmed
            | Self::ValueWithheld { .. }
            | Self::Output(_) => None,
        }
    }
}

fn call_advice(error: &ClientError) -> Option<String> {
    let advice = match error {
        ClientError::Unreachable { .. } => "is the daemon running there? --url, CHANCERY_URL or --dir say where it is",
        ClientError::Untrusted { source, .. } => return Some(trust_advice(source)),
        ClientError::Interrupted { .. } | ClientError::TimedOut { .. } => {
            "it may have been carried out all the same: look before you repeat it; --timeout waits longer"
        }
        ClientError::TooLarge { .. } => "ask for less, such as a smaller --limit",
        ClientError::NotUnderstood { .. } => "is it Chancery that answers at --url, or something in between? Is it of this version?",
        ClientError::Busy { retry_after: Some(after), .. } => return Some(format!("try again in {} s", after.as_secs())),
        ClientError::Busy { retry_after: None, .. } => "try again in a while",
        ClientError::Refused(problem) => match problem.status {
            401 => "name a file with a valid token by --token-file, CHANCERY_TOKEN_FILE or --dir",
            403 => "use a token with the scope this takes; `chancery token create` makes one",
            _ => return None,
        },
        ClientError::Endpoint(_) | ClientError::Request(_) => return None,
    };
    Some(advice.to_owned())
}

fn trust_advice(error: &rustls::Error) -> String {
    let advice = match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "name the root it was issued under by --ca-file, CHANCERY_CA_FILE or --dir"
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "call it by a name that is in its certificate"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "renew it, or set the clock that is wrong",
        // rustls may name faults in later versions that this one does not know.
        _ => "see what stands at --url, and what --ca-file holds",
    };
    advice.to_owned()
}
