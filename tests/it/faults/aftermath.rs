//! What is left when a siege is over: every certificate that was answered is there, listed and signed by the authority.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use chancery::client::{CertificateFilter, Client, CrlForm};
use chancery::x509::certificate::Certificate;
use chancery::x509::crl::Crl;
use chancery::x509::pem::{self, Label};
use tokio::runtime::Runtime;

use super::books::Books;
use crate::load::{self, Answered};

/// Looks for everything in the books at an appliance with this authority; `scratch` is for files.
#[track_caller]
pub fn assert_whole(runtime: &Runtime, client: &Client, ca: &str, books: &Books, scratch: &Path) {
    load::assert_there(runtime, client, &books.certificates);
    let root = runtime.block_on(client.authority_certificate(ca)).expect("the authority's certificate").into_value();
    assert_verify(&books.certificates, &root.certificate_pem, scratch);
    assert_listed(runtime, client, ca, books);
}

/// By our own reader one by one, and by openssl, many in one run.
fn assert_verify(certificates: &[Answered], root: &str, scratch: &Path) {
    let der = |text: &str| pem::decode_one(text, Label::Certificate).expect("PEM");
    let key = Certificate::from_der(&der(root)).expect("a certificate").public_key().expect("a key");
    let root_file = scratch.join("root.pem");
    std::fs::write(&root_file, root).expect("a file");
    for part in certificates.chunks(500) {
        let mut openssl = Command::new("openssl");
        openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(&root_file);
        for answered in part {
            let read = Certificate::from_der(&der(&answered.pem)).expect("a certificate");
            assert!(read.is_signed_by(&key), "a wrong signature went out: {}", answered.pem);
            assert_eq!(read.serial().to_string(), answered.serial);
            let file = scratch.join(format!("{}.pem", answered.id));
            std::fs::write(&file, &answered.pem).expect("a file");
            openssl.arg(file);
        }
        crate::appliance::run(&mut openssl);
    }
}

fn assert_listed(runtime: &Runtime, client: &Client, ca: &str, books: &Books) {
    let (listed, counted, crl) = runtime.block_on(async {
        let filter = CertificateFilter { ca_id: Some(ca.to_owned()), include_revoked: Some(true), ..CertificateFilter::default() };
        let listed: Vec<_> = load::listed(client, filter).await.into_iter().map(|summary| summary.serial_number).collect();
        let counted = client.authority(ca).await.expect("the authority").into_value().certificates_issued;
        (listed, counted, client.crl(ca, CrlForm::Der).await.expect("the CRL"))
    });
    let unique: HashSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "a serial number is there twice");
    assert_eq!(listed.len() as u64, counted, "the counter and the list agree");
    assert!(books.serials.iter().all(|serial| unique.contains(serial)), "a certificate that was answered is not listed");
    let number = Crl::from_der(&crl).expect("a CRL").number().expect("its number");
    assert!(number >= books.crl_number, "CRL {number} is handed out after {}", books.crl_number);
}
