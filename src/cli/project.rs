//! `chancery project`.

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use crate::api::admin::{CreateProject, Project, UpdateProject};

use super::failure::Failure;
use super::session::Session;
use super::table::Rows;

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// List the projects of an organization
    List {
        /// The id of another organization than your own; this needs the scope system
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Make a project
    Create {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        #[arg(long)]
        description: Option<String>,
        /// The id of another organization than your own; this needs the scope system
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Show one project
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Change a project: what is given replaces what was
    Update {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete a project and its tokens; certificates that are booked on it stay
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

impl ProjectCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List { organization } => {
                let fetch = async |cursor: Option<String>| client.projects(organization.as_deref(), cursor.as_deref()).await;
                session.print_pages("listing the projects", true, None, fetch, list).await
            }
            Self::Create { name, description, organization } => {
                let body = CreateProject { name, description, organization_id: organization };
                session.show("making the project", client.create_project(&body), details).await
            }
            Self::Show { id } => session.show("reading the project", client.project(&id), details).await,
            Self::Update { id, name, description } => {
                session.show("changing the project", client.update_project(&id, &UpdateProject { name, description }), details).await
            }
            Self::Delete { id } => session.done("deleting the project", client.delete_project(&id), &format!("deleted {id}")).await,
        }
    }
}

fn list(projects: &[Project]) -> Rows {
    Rows::list(["ID", "NAME", "DESCRIPTION"], projects, |project| [project.id.clone(), project.name.clone(), project.description.clone()])
}

fn details(project: &Project) -> Rows {
    Rows::fields([
        ("id", Some(project.id.clone())),
        ("organization", Some(project.organization_id.clone())),
        ("name", Some(project.name.clone())),
        ("description", Some(project.description.clone()).filter(|text| !text.is_empty())),
        ("created at", Some(project.created_at.clone())),
    ])
}
