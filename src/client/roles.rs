//! `/v1/pki/roles`.

use hyper::Method;

use crate::api::pki::{CreateRole, Page, Role, UpdateRole};

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

impl Client {
    /// `GET /v1/pki/roles`. The cursor is the one of the page before; none for the first page.
    pub async fn roles(&self, cursor: Option<&str>) -> Result<Answer<Page<Role>>, ClientError> {
        self.get(Target::new("/v1/pki/roles").query("cursor", cursor)).await
    }

    /// `POST /v1/pki/roles`.
    pub async fn create_role(&self, body: &CreateRole) -> Result<Answer<Role>, ClientError> {
        self.send(Method::POST, Target::new("/v1/pki/roles"), body).await
    }

    /// `GET /v1/pki/roles/{name}`.
    pub async fn role(&self, name: &str) -> Result<Answer<Role>, ClientError> {
        self.get(Target::new("/v1/pki/roles").segment(name)).await
    }

    /// `PATCH /v1/pki/roles/{name}`.
    pub async fn update_role(&self, name: &str, body: &UpdateRole) -> Result<Answer<Role>, ClientError> {
        self.send(Method::PATCH, Target::new("/v1/pki/roles").segment(name), body).await
    }

    /// `DELETE /v1/pki/roles/{name}`.
    pub async fn delete_role(&self, name: &str) -> Result<(), ClientError> {
        self.delete(Target::new("/v1/pki/roles").segment(name)).await
    }
}
