//! `/api/v1/organizations/{id}/acme-credentials`.

use hyper::Method;

use crate::api::acme::{CreateCredential, Credentials, NewCredential};

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

const ORGANIZATIONS: &str = "/api/v1/organizations";
const CREDENTIALS: &str = "acme-credentials";

impl Client {
    /// `POST /api/v1/organizations/{id}/acme-credentials`.
    pub async fn create_acme_credential(&self, organization: &str, body: &CreateCredential) -> Result<Answer<NewCredential>, ClientError> {
        self.send(Method::POST, Target::new(ORGANIZATIONS).segment(organization).segment(CREDENTIALS), body).await
    }

    /// `GET /api/v1/organizations/{id}/acme-credentials`, one page of a hundred.
    pub async fn acme_credentials(&self, organization: &str, page: u32) -> Result<Answer<Credentials>, ClientError> {
        let page = page.to_string();
        self.get(Target::new(ORGANIZATIONS).segment(organization).segment(CREDENTIALS).query("page", Some(page.as_str()))).await
    }

    /// `DELETE /api/v1/organizations/{id}/acme-credentials/{cred_id}`.
    pub async fn revoke_acme_credential(&self, organization: &str, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(ORGANIZATIONS).segment(organization).segment(CREDENTIALS).segment(id)).await
    }
}
