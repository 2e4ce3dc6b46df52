//! `/v1/pki/trust-anchors`, and the validation that consults them.

use hyper::Method;

use crate::api::pki::{CreateTrustAnchor, Page, TrustAnchor, Validate, Validation};

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

impl Client {
    /// `GET /v1/pki/trust-anchors`. The cursor is the one of the page before; none for the first page.
    pub async fn trust_anchors(&self, cursor: Option<&str>) -> Result<Answer<Page<TrustAnchor>>, ClientError> {
        self.get(Target::new("/v1/pki/trust-anchors").query("cursor", cursor)).await
    }

    /// `POST /v1/pki/trust-anchors`.
    pub async fn create_trust_anchor(&self, body: &CreateTrustAnchor) -> Result<Answer<TrustAnchor>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/trust-anchors"), body).await
    }

    /// `GET /v1/pki/trust-anchors/{id}`.
    pub async fn trust_anchor(&self, id: &str) -> Result<Answer<TrustAnchor>, ClientError> {
        self.get(Target::new("/v1/pki/trust-anchors").segment(id)).await
    }

    /// `DELETE /v1/pki/trust-anchors/{id}`.
    pub async fn delete_trust_anchor(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new("/v1/pki/trust-anchors").segment(id)).await
    }

    /// `POST /v1/pki/certificates/validate`.
    pub async fn validate(&self, body: &Validate) -> Result<Answer<Validation>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/certificates/validate"), body).await
    }
}
