//! `/v1/admin`, and what a monitor asks for.

use hyper::{Method, StatusCode};

use crate::api::admin::{AuditEntry, CreateToken, CreatedToken, Health, Token};
use crate::api::pki::Page;
use crate::base::secret::SecretString;

use super::answer::Answer;
use super::error::{ClientError, Mismatch};
use super::target::Target;
use super::transport::{Client, DOCUMENT_LIMIT, JSON};

/// A new API token. It is the wire type with the secret in a type that does not print it.
#[derive(Debug)]
pub struct NewToken {
    pub details: Token,
    /// Shown this once; none when a client certificate stands for the token.
    pub secret: Option<SecretString>,
}

impl Client {
    /// `POST /v1/admin/tokens`.
    pub async fn create_token(&self, body: &CreateToken) -> Result<Answer<NewToken>, ClientError> {
        let answer = self.send(Method::POST, Target::new("/v1/admin/tokens"), body).await?;
        Ok(answer.map(|CreatedToken { details, token, warnings: _ }| NewToken { details, secret: token.map(SecretString::from) }))
    }

    /// `GET /v1/admin/tokens`, of the caller's organisation unless another is named.
    pub async fn tokens(&self, organization: Option<&str>, cursor: Option<&str>) -> Result<Answer<Page<Token>>, ClientError> {
        self.get(Target::new("/v1/admin/tokens").query("organization_id", organization).query("cursor", cursor)).await
    }

    /// `DELETE /v1/admin/tokens/{id}`.
    pub async fn delete_token(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new("/v1/admin/tokens").segment(id)).await
    }

    /// `GET /v1/admin/audit`.
    pub async fn audit(&self, limit: Option<u32>, cursor: Option<&str>) -> Result<Answer<Page<AuditEntry>>, ClientError> {
        let limit = limit.map(|n| n.to_string());
        self.get(Target::new("/v1/admin/audit").query("limit", limit.as_deref()).query("cursor", cursor)).await
    }

    /// `GET /healthz`. A failing appliance answers with the same document, so that is a result too: read its `status`.
    pub async fn health(&self) -> Result<Answer<Health>, ClientError> {
        let target = Target::new("/healthz");
        let (received, headers) = self.exchange(Method::GET, &target, JSON, None, DOCUMENT_LIMIT).await?;
        let is_health = received.status == StatusCode::SERVICE_UNAVAILABLE && serde_json::from_slice::<Health>(&received.body).is_ok();
        if received.status.is_success() || is_health { self.document(received) } else { Err(self.refusal(&received, &headers)) }
    }

    /// `GET /metrics`, in the text format of Prometheus.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let received = self.call(Method::GET, &Target::new("/metrics"), "text/plain", None, DOCUMENT_LIMIT).await?;
        String::from_utf8(received.body.to_vec()).map_err(|_| self.mismatch(received.status, Mismatch::Text))
    }
}
