//! `chancery cert import`.

use std::path::PathBuf;

use clap::Args;

use crate::api::import::{ImportCertificate, ImportedCertificate, SecretText};
use crate::x509::pem::Label;

use super::certificate;
use super::failure::Failure;
use super::files;
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The certificate in PEM or DER; - for standard input
    #[arg(value_name = "FILE")]
    certificate: PathBuf,
    /// Its private key, not encrypted: PEM, or PKCS#8 in DER
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The certificates above it in PEM, in any order
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// The authority that signed it, by id or name; found by itself unless given
    #[arg(long, value_name = "CA")]
    ca: Option<String>,
}

impl ImportArguments {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        let Self { certificate, key, chain, ca } = self;
        let ca_id = match ca {
            Some(ca) => Some(session.authority_id(&ca).await?),
            None => None,
        };
        let body = ImportCertificate {
            certificate_pem: files::read_pem(&certificate, Label::Certificate)?,
            private_key_pem: key.as_deref().map(|path| files::read_pem(path, Label::PrivateKey)).transpose()?.map(SecretText),
            chain_pem: chain.as_deref().map(|path| files::read_pem(path, Label::Certificate)).transpose()?,
            ca_id,
        };
        let imported = session.wait("importing the certificate", client.import_certificate(&body)).await?;
        for warning in &imported.value.warnings {
            session.screen.note(&format!("warning: {warning}"));
        }
        session.print(&imported, |imported: &ImportedCertificate| -> Rows { certificate::details(&imported.certificate) })
    }
}
