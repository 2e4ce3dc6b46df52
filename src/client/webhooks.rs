//! `/v1/webhooks`.

use hyper::Method;

use crate::api::events::{CreateWebhook, NewWebhook, UpdateWebhook, Webhook, WebhookDelivery, WebhookTest};
use crate::api::pki::Page;

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

const WEBHOOKS: &str = "/v1/webhooks";

impl Client {
    /// `GET /v1/webhooks`. The cursor is the one of the page before; none for the first page.
    pub async fn webhooks(&self, cursor: Option<&str>) -> Result<Answer<Page<Webhook>>, ClientError> {
        self.get(Target::new(WEBHOOKS).query("cursor", cursor)).await
    }

    /// `POST /v1/webhooks`.
    pub async fn create_webhook(&self, body: &CreateWebhook) -> Result<Answer<NewWebhook>, ClientError> {
        self.send(Method::POST, Target::new(WEBHOOKS), body).await
    }

    /// `GET /v1/webhooks/{id}`.
    pub async fn webhook(&self, id: &str) -> Result<Answer<Webhook>, ClientError> {
        self.get(Target::new(WEBHOOKS).segment(id)).await
    }

    /// `PATCH /v1/webhooks/{id}`.
    pub async fn update_webhook(&self, id: &str, body: &UpdateWebhook) -> Result<Answer<Webhook>, ClientError> {
        self.send(Method::PATCH, Target::new(WEBHOOKS).segment(id), body).await
    }

    /// `DELETE /v1/webhooks/{id}`.
    pub async fn delete_webhook(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(WEBHOOKS).segment(id)).await
    }

    /// `POST /v1/webhooks/{id}/test`.
    pub async fn test_webhook(&self, id: &str) -> Result<Answer<WebhookTest>, ClientError> {
        self.send(Method::POST, Target::new(WEBHOOKS).segment(id).segment("test"), &serde_json::Map::new()).await
    }

    /// `GET /v1/webhooks/{id}/deliveries`, newest first.
    pub async fn webhook_deliveries(&self, id: &str, cursor: Option<&str>) -> Result<Answer<Page<WebhookDelivery>>, ClientError> {
        self.get(Target::new(WEBHOOKS).segment(id).segment("deliveries").query("cursor", cursor)).await
    }
}
