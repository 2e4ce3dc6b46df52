//! `/v1/admin/organizations`, `/v1/admin/projects` and `/v1/admin/users`.

use hyper::Method;

use crate::api::admin::{
    CreateOrganization, CreateProject, CreateUser, Organization, Project, UpdateOrganization, UpdateProject, UpdateUser, User,
};
use crate::api::pki::Page;

use super::answer::Answer;
use super::error::ClientError;
use super::target::Target;
use super::transport::Client;

const ORGANIZATIONS: &str = "/v1/admin/organizations";
const PROJECTS: &str = "/v1/admin/projects";
const USERS: &str = "/v1/admin/users";

impl Client {
    /// `POST /v1/admin/organizations`.
    pub async fn create_organization(&self, body: &CreateOrganization) -> Result<Answer<Organization>, ClientError> {
        self.send(Method::POST, Target::new(ORGANIZATIONS), body).await
    }

    /// `GET /v1/admin/organizations`. The cursor is the one of the page before; none for the first page.
    pub async fn organizations(&self, cursor: Option<&str>) -> Result<Answer<Page<Organization>>, ClientError> {
        self.get(Target::new(ORGANIZATIONS).query("cursor", cursor)).await
    }

    /// `GET /v1/admin/organizations/{id}`.
    pub async fn organization(&self, id: &str) -> Result<Answer<Organization>, ClientError> {
        self.get(Target::new(ORGANIZATIONS).segment(id)).await
    }

    /// `PATCH /v1/admin/organizations/{id}`.
    pub async fn update_organization(&self, id: &str, body: &UpdateOrganization) -> Result<Answer<Organization>, ClientError> {
        self.send(Method::PATCH, Target::new(ORGANIZATIONS).segment(id), body).await
    }

    /// `DELETE /v1/admin/organizations/{id}`.
    pub async fn delete_organization(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(ORGANIZATIONS).segment(id)).await
    }

    /// `POST /v1/admin/projects`.
    pub async fn create_project(&self, body: &CreateProject) -> Result<Answer<Project>, ClientError> {
        self.send(Method::POST, Target::new(PROJECTS), body).await
    }

    /// `GET /v1/admin/projects`, of the caller's organisation unless another is named.
    pub async fn projects(&self, organization: Option<&str>, cursor: Option<&str>) -> Result<Answer<Page<Project>>, ClientError> {
        self.get(Target::new(PROJECTS).query("organization_id", organization).query("cursor", cursor)).await
    }

    /// `GET /v1/admin/projects/{id}`.
    pub async fn project(&self, id: &str) -> Result<Answer<Project>, ClientError> {
        self.get(Target::new(PROJECTS).segment(id)).await
    }

    /// `PATCH /v1/admin/projects/{id}`.
    pub async fn update_project(&self, id: &str, body: &UpdateProject) -> Result<Answer<Project>, ClientError> {
        self.send(Method::PATCH, Target::new(PROJECTS).segment(id), body).await
    }

    /// `DELETE /v1/admin/projects/{id}`.
    pub async fn delete_project(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(PROJECTS).segment(id)).await
    }

    /// `POST /v1/admin/users`.
    pub async fn create_user(&self, body: &CreateUser) -> Result<Answer<User>, ClientError> {
        self.send(Method::POST, Target::new(USERS), body).await
    }

    /// `GET /v1/admin/users`, of the caller's organisation unless another is named.
    pub async fn users(&self, organization: Option<&str>, cursor: Option<&str>) -> Result<Answer<Page<User>>, ClientError> {
        self.get(Target::new(USERS).query("organization_id", organization).query("cursor", cursor)).await
    }

    /// `GET /v1/admin/users/{id}`.
    pub async fn user(&self, id: &str) -> Result<Answer<User>, ClientError> {
        self.get(Target::new(USERS).segment(id)).await
    }

    /// `PATCH /v1/admin/users/{id}`.
    pub async fn update_user(&self, id: &str, body: &UpdateUser) -> Result<Answer<User>, ClientError> {
        self.send(Method::PATCH, Target::new(USERS).segment(id), body).await
    }

    /// `DELETE /v1/admin/users/{id}`.
    pub async fn delete_user(&self, id: &str) -> Result<(), ClientError> {
        self.delete(Target::new(USERS).segment(id)).await
    }
}
