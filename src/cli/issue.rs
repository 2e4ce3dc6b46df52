//! `chancery issue` and `chancery sign`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::api::pki::{Issue, Sign};
use crate::base::secret::{ExposeSecret, Zeroizing};
use crate::client::{Answer, Issued};
use crate::x509::pem::Label;

use super::arguments::duration;
use super::failure::Failure;
use super::files::{self, NewFile, Readers};
use super::session::Session;

#[derive(Debug, Args)]
pub(super) struct IssueCommand {
    /// The role to issue by
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    role: String,
    /// A host name or IP address
    #[arg(long, value_name = "NAME")]
    common_name: String,
    /// Another host name; may be repeated
    #[arg(long, value_name = "NAME")]
    alt_name: Option<Vec<String>>,
    /// An IP address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<Vec<String>>,
    /// How long it is valid, such as 168h or 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<String>,
    /// The form of the private key; traditional (SEC1 or PKCS#1 by the key's type) unless given
    #[arg(long, value_name = "FORMAT", value_parser = ["traditional", "pkcs8"])]
    key_format: Option<String>,
    #[command(flatten)]
    files: Named,
}

/// Where a certificate with its key goes.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Write cert.pem, chain.pem and key.pem into this directory, which is made when it is missing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cert_file", "chain_file", "key_file"])]
    out: Option<PathBuf>,
    /// Write the certificate to this new file
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Write the certificates above it to this new file, the issuer first
    #[arg(long, value_name = "FILE")]
    chain_file: Option<PathBuf>,
    /// Write the private key to this new file, which only you can read
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SignCommand {
    /// The role to sign by
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    role: String,
    /// The request in PEM or DER; `-` is standard input
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// A host name or IP address; those given replace those of the request; may be repeated
    #[arg(long, value_name = "NAME")]
    san: Option<Vec<String>>,
    /// How long it is valid, such as 168h or 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<String>,
    /// Write the certificate to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    cert_file: Option<PathBuf>,
    /// Write the certificates above it to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    chain_file: Option<PathBuf>,
}

impl IssueCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { role, common_name, alt_name, ip, ttl, key_format, files } = self;
        let files = NewFiles::create(files)?;
        let body = Issue { common_name, alt_names: alt_name, ip_sans: ip, ttl, private_key_format: key_format };
        let issued = session.wait("issuing the certificate", client.issue(&role, &body)).await?;
        files.fill(session, &issued)
    }
}

impl SignCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { role, csr, san, ttl, cert_file, chain_file } = self;
        let body = Sign { csr_pem: files::read_pem(&csr, Label::CertificateRequest)?, ttl, san };
        let signed = session.wait("signing the request", client.sign(&role, &body)).await?;
        deliver(session, &signed, cert_file, chain_file)
    }
}

/// Shows a certificate without a key, or writes it to the files that are named for it.
pub(super) fn deliver(
    session: &mut Session<'_, '_>,
    signed: &Answer<Issued>,
    cert_file: Option<PathBuf>,
    chain_file: Option<PathBuf>,
) -> Result<(), Failure> {
    let value = &signed.value;
    announce(session, value);
    let mut rest = Rest::new(session.json);
    match cert_file {
        Some(path) => files::replace(&path, line(&value.certificate).as_bytes())?,
        None => rest.put(None, &value.certificate)?,
    }
    match chain_file {
        Some(path) => files::replace(&path, chain(value).as_bytes())?,
        None => rest.put(None, &chain(value))?,
    }
    finish(session, signed, rest, false)
}

/// The new files of a certificate with its key. They are made before anything is asked for: a key that cannot be kept must not be made.
pub(super) struct NewFiles {
    key: Option<NewFile>,
    certificate: Option<NewFile>,
    chain: Option<NewFile>,
}

impl NewFiles {
    pub(super) fn create(named: Named) -> Result<Self, Failure> {
        let Named { out, cert_file, chain_file, key_file } = named;
        let (cert_file, chain_file, key_file) = match out {
            Some(dir) => {
                files::make_directory(&dir)?;
                (Some(dir.join("cert.pem")), Some(dir.join("chain.pem")), Some(dir.join("key.pem")))
            }
            None => (cert_file, chain_file, key_file),
        };
        let new = |path: Option<PathBuf>, readers| path.map(|path| NewFile::create(&path, readers)).transpose();
        Ok(Self {
            key: new(key_file, Readers::Owner)?,
            certificate: new(cert_file, Readers::Everyone)?,
            chain: new(chain_file, Readers::Everyone)?,
        })
    }

    /// Writes what came; what has no file goes to standard output.
    pub(super) fn fill(self, session: &mut Session<'_, '_>, issued: &Answer<Issued>) -> Result<(), Failure> {
        let value = &issued.value;
        announce(session, value);
        let mut rest = Rest::new(session.json);
        let key_kept = match (&value.private_key, self.key) {
            // The key first: without it the rest is worth nothing.
            (Some(key), Some(file)) => {
                let lost =
                    |source| Failure::KeyLost { id: value.id.clone(), serial: value.serial_number.clone(), source: Box::new(source) };
                file.write(line(key.expose_secret()).as_bytes()).map(Some).map_err(lost)?
            }
            (Some(_), None) | (None, _) => None,
        };
        rest.put(self.certificate, &value.certificate)?;
        rest.put(self.chain, &chain(value))?;
        if let (Some(key), None) = (&value.private_key, &key_kept) {
            rest.put(None, key.expose_secret())?;
        }
        match &key_kept {
            Some(path) => session
                .screen
                .note(&format!("the private key is in {}; the appliance has no copy unless the role keeps one", path.display())),
            None if value.private_key.is_some() => {
                session.screen.note("the private key is on standard output; the appliance has no copy unless the role keeps one");
            }
            None => {}
        }
        finish(session, issued, rest, key_kept.is_some())
    }
}

/// What goes to standard output because no file was named for it; nothing when the JSON goes there.
struct Rest {
    json: bool,
    text: Zeroizing<String>,
}

impl Rest {
    fn new(json: bool) -> Self {
        Self { json, text: Zeroizing::default() }
    }

    fn put(&mut self, file: Option<NewFile>, pem: &str) -> Result<(), Failure> {
        match file {
            Some(file) => drop(file.write(line(pem).as_bytes())?),
            None if self.json => {}
            None => self.text.push_str(&line(pem)),
        }
        Ok(())
    }
}

fn announce(session: &mut Session<'_, '_>, issued: &Issued) {
    for warning in &issued.warnings {
        session.screen.note(&format!("warning: {warning}"));
    }
    session.screen.note(&format!("{}, serial number {}, valid until {}", issued.id, issued.serial_number, issued.not_after));
}

fn finish(session: &mut Session<'_, '_>, answer: &Answer<Issued>, rest: Rest, key_in_file: bool) -> Result<(), Failure> {
    match (session.json, key_in_file) {
        (false, _) => session.screen.write(rest.text.as_bytes()),
        (true, false) => session.screen.line(answer.json()),
        // Who has the key put into a file does not want it in a log of the JSON as well.
        (true, true) => session.screen.line(&answer.json_without("private_key")),
    }
}

fn chain(issued: &Issued) -> String {
    issued.ca_chain.iter().map(|pem| line(pem).to_string()).collect()
}

fn line(pem: &str) -> Zeroizing<String> {
    Zeroizing::new(if pem.is_empty() || pem.ends_with('\n') { pem.to_owned() } else { format!("{pem}\n") })
}
