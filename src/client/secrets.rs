//! `/v1/secrets`.

use hyper::Method;

use crate::api::pki::Page;
use crate::api::secrets::{Secret, SecretSummary, WriteSecret};

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

impl Client {
    /// `GET /v1/secrets`: those whose paths begin so. The cursor is the one of the page before; none for the first page.
    pub async fn secrets(&self, prefix: Option<&str>, cursor: Option<&str>) -> Result<Answer<Page<SecretSummary>>, ClientError> {
        self.get(Target::new("/v1/secrets").query("prefix", prefix).query("cursor", cursor)).await
    }

    /// `GET /v1/secrets/{path}`: with the value of that version, or of the newest, when the token may read it.
    pub async fn secret(&self, path: &str, version: Option<u32>) -> Result<Answer<Secret>, ClientError> {
        let version = version.map(|number| number.to_string());
        self.get(target(path).query("version", version.as_deref())).await
    }

    /// The same without a value.
    pub async fn secret_metadata(&self, path: &str) -> Result<Answer<Secret>, ClientError> {
        self.get(target(path).query("metadata_only", Some("true"))).await
    }

    /// `PUT /v1/secrets/{path}`: a new version.
    pub async fn write_secret(&self, path: &str, body: &WriteSecret) -> Result<Answer<Secret>, ClientError> {
        self.send(Method::PUT, target(path), body).await
    }

    /// `DELETE /v1/secrets/{path}`.
    pub async fn delete_secret(&self, path: &str) -> Result<(), ClientError> {
        self.delete(target(path)).await
    }
}

/// The slashes of a path are the URL's own.
fn target(path: &str) -> Target {
    path.split('/').fold(Target::new("/v1/secrets"), Target::segment)
}
