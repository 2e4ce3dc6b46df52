//! `/v1/pki/csr`: requests that a person decides about.

use hyper::Method;

use crate::api::pki::{
    ApproveSigningRequest, CreateSigningRequest, ImportSigningRequest, IssuedCertificate, Page, RejectSigningRequest, SignSigningRequest,
    SigningRequest, SigningRequestDetails,
};

use super::answer::Answer;
use super::certificates::Issued;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

const PATH: &str = "/v1/pki/csr";

impl Client {
    /// `GET /v1/pki/csr`. The cursor is the one of the page before; none for the first page.
    pub async fn signing_requests(&self, status: Option<&str>, cursor: Option<&str>) -> Result<Answer<Page<SigningRequest>>, ClientError> {
        self.get(Target::new(PATH).query("status", status).query("cursor", cursor)).await
    }

    /// `POST /v1/pki/csr`.
    pub async fn create_signing_request(&self, body: &CreateSigningRequest) -> Result<Answer<SigningRequestDetails>, ClientError> {
        self.send(Method::POST, Target::new(PATH), body).await
    }

    /// `POST /v1/pki/csr/import`.
    pub async fn import_signing_request(&self, body: &ImportSigningRequest) -> Result<Answer<SigningRequestDetails>, ClientError> {
        self.send(Method::POST, Target::new(PATH).then("/import"), body).await
    }

    /// `GET /v1/pki/csr/{id}`.
    pub async fn signing_request(&self, id: &str) -> Result<Answer<SigningRequestDetails>, ClientError> {
        self.get(Target::new(PATH).segment(id)).await
    }

    /// `POST /v1/pki/csr/{id}/approve`.
    pub async fn approve_signing_request(
        &self,
        id: &str,
        body: &ApproveSigningRequest,
    ) -> Result<Answer<SigningRequestDetails>, ClientError> {
        self.send(Method::POST, Target::new(PATH).segment(id).then("/approve"), body).await
    }

    /// `POST /v1/pki/csr/{id}/reject`.
    pub async fn reject_signing_request(
        &self,
        id: &str,
        body: &RejectSigningRequest,
    ) -> Result<Answer<SigningRequestDetails>, ClientError> {
        self.send(Method::POST, Target::new(PATH).segment(id).then("/reject"), body).await
    }

    /// `POST /v1/pki/csr/{id}/sign`.
    pub async fn sign_signing_request(&self, id: &str, body: &SignSigningRequest) -> Result<Answer<Issued>, ClientError> {
        let answer: Answer<IssuedCertificate> = self.send(Method::POST, Target::new(PATH).segment(id).then("/sign"), body).await?;
        Ok(answer.map(Issued::from))
    }

    /// `DELETE /v1/pki/csr/{id}`.
    pub async fn delete_signing_request(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(PATH).segment(id)).await
    }
}
