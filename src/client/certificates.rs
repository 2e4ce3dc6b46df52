//! Issuing, signing, `/v1/pki/certificates` and revocation.

use hyper::Method;

use crate::api::import::{ImportCertificate, ImportedCertificate};
use crate::api::pki::{
    Certificate, CertificateSummary, Issue, IssuedCertificate, KeptPrivateKey, Page, Renew, RetrievePrivateKey, Revoke, Sign,
    UpdateCertificate,
};
use crate::base::secret::SecretString;

use super::answer::Answer;
use super::error::{ClientError, Mismatch};
use super::target::Target;
use super::transport::{Client, DOCUMENT_LIMIT, PEM};

/// A new certificate. It is the wire type with the key in a type that does not print it.
#[derive(Debug)]
pub struct Issued {
    pub id: String,
    pub certificate: String,
    /// Present once, when the appliance made the key.
    pub private_key: Option<SecretString>,
    /// The issuer first, its root last.
    pub ca_chain: Vec<String>,
    pub serial_number: String,
    pub not_after: String,
    /// What was asked for and changed or left out.
    pub warnings: Vec<String>,
}

/// A private key that was kept with its certificate.
#[derive(Debug)]
pub struct PrivateKey {
    pub id: String,
    pub serial_number: String,
    pub private_key: SecretString,
}

/// Which certificates to list, and which page of them. The default is the first page of all that are not revoked.
#[derive(Clone, Debug, Default)]
pub struct CertificateFilter {
    pub ca_id: Option<String>,
    /// A duration such as `30d`.
    pub expiring_within: Option<String>,
    pub include_revoked: Option<bool>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

impl Client {
    /// `POST /v1/pki/issue/{role}`.
    pub async fn issue(&self, role: &str, body: &Issue) -> Result<Answer<Issued>, ClientError> {
        let answer: Answer<IssuedCertificate> = self.send(Method::POST, Target::new("/v1/pki/issue").segment(role), body).await?;
        Ok(answer.map(Issued::from))
    }

    /// `POST /v1/pki/sign/{role}`.
    pub async fn sign(&self, role: &str, body: &Sign) -> Result<Answer<Issued>, ClientError> {
        let answer: Answer<IssuedCertificate> = self.send(Method::POST, Target::new("/v1/pki/sign").segment(role), body).await?;
        Ok(answer.map(Issued::from))
    }

    /// `GET /v1/pki/certificates`.
    pub async fn certificates(&self, filter: &CertificateFilter) -> Result<Answer<Page<CertificateSummary>>, ClientError> {
        let CertificateFilter { ca_id, expiring_within, include_revoked, limit, cursor } = filter;
        let target = Target::new("/v1/pki/certificates")
            .query("ca_id", ca_id.as_deref())
            .query("expiring_within", expiring_within.as_deref())
            .query("include_revoked", include_revoked.map(|yes| if yes { "true" } else { "false" }))
            .query("limit", limit.map(|n| n.to_string()).as_deref())
            .query("cursor", cursor.as_deref());
        self.get(target).await
    }

    /// `GET /v1/pki/certificates/{id}`.
    pub async fn certificate(&self, id: &str) -> Result<Answer<Certificate>, ClientError> {
        self.get(Target::new("/v1/pki/certificates").segment(id)).await
    }

    /// `GET /v1/pki/certificates/{id}/pem`: just the PEM.
    pub async fn certificate_pem(&self, id: &str) -> Result<String, ClientError> {
        let target = Target::new("/v1/pki/certificates").segment(id).then("/pem");
        let received = self.call(Method::GET, &target, PEM, None, DOCUMENT_LIMIT).await?;
        match String::from_utf8(received.body.to_vec()) {
            Ok(pem) if pem.starts_with("-----BEGIN CERTIFICATE-----") => Ok(pem),
            Ok(_) | Err(_) => Err(self.mismatch(received.status, Mismatch::Pem)),
        }
    }

    /// `POST /v1/pki/certificates/{id}/private-key`.
    pub async fn private_key(&self, id: &str, body: &RetrievePrivateKey) -> Result<Answer<PrivateKey>, ClientError> {
        let target = Target::new("/v1/pki/certificates").segment(id).then("/private-key");
        let answer: Answer<KeptPrivateKey> = self.send(Method::POST, target, body).await?;
        Ok(answer.map(PrivateKey::from))
    }

    /// `PATCH /v1/pki/certificates/{id}`.
    pub async fn update_certificate(&self, id: &str, body: &UpdateCertificate) -> Result<Answer<Certificate>, ClientError> {
        self.send(Method::PATCH, Target::new("/v1/pki/certificates").segment(id), body).await
    }

    /// `POST /v1/pki/certificates/import`.
    pub async fn import_certificate(&self, body: &ImportCertificate) -> Result<Answer<ImportedCertificate>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/certificates/import"), body).await
    }

    /// `DELETE /v1/pki/certificates/{id}/private-key`.
    pub async fn destroy_private_key(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new("/v1/pki/certificates").segment(id).then("/private-key")).await
    }

    /// `DELETE /v1/pki/certificates/{id}`.
    pub async fn delete_certificate(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new("/v1/pki/certificates").segment(id)).await
    }

    /// `POST /v1/pki/certificates/{id}/renew`.
    pub async fn renew(&self, id: &str, body: &Renew) -> Result<Answer<Issued>, ClientError> {
        let target = Target::new("/v1/pki/certificates").segment(id).then("/renew");
        let answer: Answer<IssuedCertificate> = self.send(Method::POST, target, body).await?;
        Ok(answer.map(Issued::from))
    }

    /// `POST /v1/pki/certificates/{id}/unrevoke`.
    pub async fn unrevoke(&self, id: &str) -> Result<Answer<Certificate>, ClientError> {
        let target = Target::new("/v1/pki/certificates").segment(id).then("/unrevoke");
        let received = self.call(Method::POST, &target, super::transport::JSON, None, DOCUMENT_LIMIT).await?;
        self.document(received)
    }

    /// `POST /v1/pki/revoke`.
    pub async fn revoke(&self, body: &Revoke) -> Result<Answer<Certificate>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/revoke"), body).await
    }
}

impl From<KeptPrivateKey> for PrivateKey {
    fn from(wire: KeptPrivateKey) -> Self {
        let KeptPrivateKey { id, serial_number, private_key } = wire;
        Self { id, serial_number, private_key: private_key.into() }
    }
}

impl From<IssuedCertificate> for Issued {
    fn from(wire: IssuedCertificate) -> Self {
        let IssuedCertificate { id, certificate, private_key, ca_chain, serial_number, not_after, warnings } = wire;
        Self { id, certificate, private_key: private_key.map(SecretString::from), ca_chain, serial_number, not_after, warnings }
    }
}
