//! `/v1/pki/ca`: authorities and their CRLs.

use hyper::Method;

use crate::api::crl::{RegenerateCrl, RegeneratedCrl, UpdateAuthority};
use crate::api::pki::{Authority, AuthorityCertificate, CreateAuthority, CrlPublished, Page, RevokeAuthority};

use super::answer::Answer;
use super::error::{ClientError, Mismatch};
use super::target::Target;
use super::transport::{CRL_LIMIT, Client, PEM, Received};

/// The form in which a CRL is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlForm {
    Der,
    Pem,
}

impl Client {
    /// `GET /v1/pki/ca`. The cursor is the one of the page before; none for the first page.
    pub async fn authorities(&self, cursor: Option<&str>) -> Result<Answer<Page<Authority>>, ClientError> {
        self.get(Target::new("/v1/pki/ca").query("cursor", cursor)).await
    }

    /// `POST /v1/pki/ca`.
    pub async fn create_authority(&self, body: &CreateAuthority) -> Result<Answer<Authority>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/ca"), body).await
    }

    /// `GET /v1/pki/ca/{id}`.
    pub async fn authority(&self, id: &str) -> Result<Answer<Authority>, ClientError> {
        self.get(Target::new("/v1/pki/ca").segment(id)).await
    }

    /// `GET /v1/pki/ca/{id}/certificate`, as JSON.
    pub async fn authority_certificate(&self, id: &str) -> Result<Answer<AuthorityCertificate>, ClientError> {
        self.get(Target::new("/v1/pki/ca").segment(id).then("/certificate")).await
    }

    /// `POST /v1/pki/ca/{id}/revoke`.
    pub async fn revoke_authority(&self, id: &str, body: &RevokeAuthority) -> Result<Answer<Authority>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/ca").segment(id).then("/revoke"), body).await
    }

    /// `GET /v1/pki/ca/{id}/crl`.
    pub async fn crl(&self, id: &str, form: CrlForm) -> Result<Vec<u8>, ClientError> {
        let target = Target::new("/v1/pki/ca").segment(id).then("/crl");
        let (accept, start, mismatch): (_, &[u8], _) = match form {
            // RFC 2585, 4.2; a CRL is a SEQUENCE (RFC 5280, 5.1).
            CrlForm::Der => ("application/pkix-crl", b"\x30", Mismatch::Der),
            CrlForm::Pem => (PEM, b"-----BEGIN X509 CRL-----", Mismatch::Pem),
        };
        let Received { status, body } = self.call(Method::GET, &target, accept, None, CRL_LIMIT).await?;
        if body.starts_with(start) { Ok(body.to_vec()) } else { Err(self.mismatch(status, mismatch)) }
    }

    /// `PATCH /v1/pki/ca/{id}`.
    pub async fn update_authority(&self, id: &str, body: &UpdateAuthority) -> Result<Answer<Authority>, ClientError> {
        self.send(Method::PATCH, Target::new("/v1/pki/ca").segment(id), body).await
    }

    /// `GET /crl/{file}`: one of the CRLs whose URLs stand in certificates.
    pub async fn crl_file(&self, file: &str) -> Result<Vec<u8>, ClientError> {
        let target = Target::new("/crl").segment(file);
        let Received { status, body } = self.call(Method::GET, &target, "application/pkix-crl", None, CRL_LIMIT).await?;
        if body.starts_with(b"\x30") { Ok(body.to_vec()) } else { Err(self.mismatch(status, Mismatch::Der)) }
    }

    /// `POST /api/v1/ca/{id}/crl/regenerate`: a new full or delta CRL now.
    pub async fn regenerate_crl(&self, id: &str, body: &RegenerateCrl) -> Result<Answer<RegeneratedCrl>, ClientError> {
        self.send(Method::POST, Target::new("/api/v1/ca").segment(id).then("/crl/regenerate"), body).await
    }

    /// `POST /v1/pki/ca/{id}/crl`: a new CRL now.
    pub async fn publish_crl(&self, id: &str) -> Result<Answer<CrlPublished>, ClientError> {
        let target = Target::new("/v1/pki/ca").segment(id).then("/crl");
        let received = self.call(Method::POST, &target, super::transport::JSON, None, CRL_LIMIT).await?;
        self.document(received)
    }
}
