//! `/api/v1/organizations/{id}/acme-credentials`, `…/acme-accounts` and `…/acme-incidents`.

use hyper::Method;

use crate::api::acme::{CreateCredential, Credential, DeclareIncident, Incident, ManagedAccount, NewCredential, NumberedPage};

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

const ORGANIZATIONS: &str = "/api/v1/organizations";
const CREDENTIALS: &str = "acme-credentials";
const ACCOUNTS: &str = "acme-accounts";
const INCIDENTS: &str = "acme-incidents";

impl Client {
    /// `POST /api/v1/organizations/{id}/acme-credentials`.
    pub async fn create_acme_credential(&self, organization: &str, body: &CreateCredential) -> Result<Answer<NewCredential>, ClientError> {
        self.send(Method::POST, Target::new(ORGANIZATIONS).segment(organization).segment(CREDENTIALS), body).await
    }

    /// `GET /api/v1/organizations/{id}/acme-credentials`, one page of a hundred.
    pub async fn acme_credentials(&self, organization: &str, page: u32) -> Result<Answer<NumberedPage<Credential>>, ClientError> {
        self.get(page_of(organization, CREDENTIALS, &page.to_string())).await
    }

    /// `DELETE /api/v1/organizations/{id}/acme-credentials/{cred_id}`.
    pub async fn revoke_acme_credential(&self, organization: &str, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(ORGANIZATIONS).segment(organization).segment(CREDENTIALS).segment(id)).await
    }

    /// `GET /api/v1/organizations/{id}/acme-accounts`, one page of a hundred.
    pub async fn acme_accounts(&self, organization: &str, page: u32) -> Result<Answer<NumberedPage<ManagedAccount>>, ClientError> {
        self.get(page_of(organization, ACCOUNTS, &page.to_string())).await
    }

    /// `GET /api/v1/organizations/{id}/acme-accounts/{account_id}`.
    pub async fn acme_account(&self, organization: &str, id: &str) -> Result<Answer<ManagedAccount>, ClientError> {
        self.get(Target::new(ORGANIZATIONS).segment(organization).segment(ACCOUNTS).segment(id)).await
    }

    /// `DELETE /api/v1/organizations/{id}/acme-accounts/{account_id}`.
    pub async fn deactivate_acme_account(&self, organization: &str, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(ORGANIZATIONS).segment(organization).segment(ACCOUNTS).segment(id)).await
    }

    /// `GET /api/v1/organizations/{id}/acme-incidents`, one page of a hundred.
    pub async fn acme_incidents(&self, organization: &str, page: u32) -> Result<Answer<NumberedPage<Incident>>, ClientError> {
        self.get(page_of(organization, INCIDENTS, &page.to_string())).await
    }

    /// `PUT /api/v1/organizations/{id}/acme-incidents/{affected_id}`.
    pub async fn declare_acme_incident(
        &self,
        organization: &str,
        affected: &str,
        body: &DeclareIncident,
    ) -> Result<Answer<Incident>, ClientError> {
        self.send(Method::PUT, Target::new(ORGANIZATIONS).segment(organization).segment(INCIDENTS).segment(affected), body).await
    }

    /// `DELETE /api/v1/organizations/{id}/acme-incidents/{affected_id}`.
    pub async fn end_acme_incident(&self, organization: &str, affected: &str) -> Result<(), ClientError> {
        self.delete(Target::new(ORGANIZATIONS).segment(organization).segment(INCIDENTS).segment(affected)).await
    }
}

fn page_of(organization: &str, list: &str, page: &str) -> Target {
    Target::new(ORGANIZATIONS).segment(organization).segment(list).query("page", Some(page))
}
