//! Projects: what an organisation books its certificates on.

use std::sync::Arc;

use jiff::Timestamp;

use super::record::ProjectRecord;
use super::{AccessError, Caller, Directory, Kind};
use crate::audit::{Action, Field};
use crate::base::id::{OrgId, ProjectId};
use crate::storage::{Change, Class, Table};

/// One project.
#[derive(Clone, Debug)]
pub struct Project {
    pub id: ProjectId,
    pub organization: OrgId,
    /// Unique in the organisation.
    pub name: String,
    pub description: String,
    pub created_at: Timestamp,
}

/// What a new project shall be.
#[derive(Clone, Debug)]
pub struct ProjectRequest {
    pub organization: OrgId,
    pub name: String,
    pub description: String,
}

/// What shall become different; what is None stays.
#[derive(Clone, Debug, Default)]
pub struct ProjectChange {
    pub name: Option<String>,
    pub description: Option<String>,
}

impl Directory {
    /// One project, when the caller may know of it.
    pub fn project(&self, id: ProjectId, caller: &Caller) -> Result<Arc<Project>, AccessError> {
        let known = self.read().projects.get(&id).filter(|project| caller.reaches(project.organization)).cloned();
        known.ok_or(AccessError::NotFound(Kind::Project))
    }

    /// Those of an organisation, oldest first.
    pub fn projects(&self, organization: OrgId) -> Vec<Arc<Project>> {
        self.read().projects.values().filter(|project| project.organization == organization).cloned().collect()
    }

    /// Makes a project.
    pub async fn create_project(&self, request: ProjectRequest, caller: &Caller) -> Result<Arc<Project>, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let ProjectRequest { organization, name, description } = request;
        self.organization(organization, caller).map_err(|_| AccessError::Unknown(Kind::Organization))?;
        let project = Project { id: ProjectId::new(), organization, name, description, created_at: self.now() };
        self.store_project(project, Action::ProjectCreate, caller).await
    }

    /// Changes what is given.
    pub async fn update_project(&self, id: ProjectId, change: ProjectChange, caller: &Caller) -> Result<Arc<Project>, AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.project(id, caller)?;
        let ProjectChange { name, description } = change;
        let updated = Project {
            name: name.unwrap_or_else(|| before.name.clone()),
            description: description.unwrap_or_else(|| before.description.clone()),
            ..Project::clone(&before)
        };
        self.store_project(updated, Action::ProjectUpdate, caller).await
    }

    /// Deletes a project and the tokens that were made for it; the certificates that are booked on it stay so.
    pub async fn delete_project(&self, id: ProjectId, caller: &Caller) -> Result<(), AccessError> {
        let _one_at_a_time = self.changing.lock().await;
        let project = self.project(id, caller)?;
        let change = Change::new(Class::Essential).delete(Table::Projects, id.as_bytes());
        let change = self.without_tokens(change, |token| token.project == Some(id));
        let entry = self.entry(caller, Action::ProjectDelete, project.organization, id, &project.name);
        let follow = |state: &mut super::directory::State| {
            state.projects.remove(&id);
            state.tokens.retain(|_, token| token.project != Some(id));
        };
        self.commit(change, entry, follow).await
    }

    async fn store_project(&self, project: Project, action: Action, caller: &Caller) -> Result<Arc<Project>, AccessError> {
        let Project { id, organization, .. } = project;
        if self.projects(organization).iter().any(|known| known.id != id && known.name == project.name) {
            return Err(AccessError::NameTaken(Kind::Project));
        }
        let value = ProjectRecord::encode(&project).map_err(|_| AccessError::Record)?;
        let entry = self.entry(caller, action, organization, id, &project.name).detail(Field::Description, &project.description);
        let project = Arc::new(project);
        let kept = project.clone();
        let change = Change::new(Class::Normal).put(Table::Projects, id.as_bytes(), &value);
        self.commit(change, entry, move |state| drop(state.projects.insert(id, kept))).await?;
        Ok(project)
    }
}
