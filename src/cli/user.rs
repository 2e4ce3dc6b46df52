//! `chancery user`.

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use crate::api::admin::{CreateUser, UpdateUser, User};

use super::failure::Failure;
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// List the users of an organization
    List {
        /// The id of another organization than your own; this needs the scope system
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Make a user; it acts by tokens that are made for it
    Create {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// What the user is in the organization
        #[arg(long, value_parser = ["superuser", "admin", "user"])]
        role: String,
        /// What is granted besides: a scope, or a capability on one authority such as create_cert@ca_…; may be repeated
        #[arg(long, value_name = "PERMISSION")]
        permission: Vec<String>,
        /// The id of another organization than your own; this needs the scope system
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Show one user
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Change a user: what is given replaces what was; its tokens can do at once what it can
    Update {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        #[arg(long)]
        name: Option<String>,
        #[arg(long, value_parser = ["superuser", "admin", "user"])]
        role: Option<String>,
        /// All that is granted beside the role; may be repeated
        #[arg(long, value_name = "PERMISSION")]
        permission: Option<Vec<String>>,
        /// Grant nothing beside the role
        #[arg(long, conflicts_with = "permission")]
        no_permissions: bool,
    },
    /// Delete a user and its tokens
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

impl UserCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List { organization } => {
                let fetch = async |cursor: Option<String>| client.users(organization.as_deref(), cursor.as_deref()).await;
                session.print_pages("listing the users", true, None, fetch, list).await
            }
            Self::Create { name, role, permission, organization } => {
                let body = CreateUser { name, role, permissions: Some(permission), organization_id: organization };
                session.show("making the user", client.create_user(&body), details).await
            }
            Self::Show { id } => session.show("reading the user", client.user(&id), details).await,
            Self::Update { id, name, role, permission, no_permissions } => {
                let permissions = if no_permissions { Some(Vec::new()) } else { permission };
                let body = UpdateUser { name, role, permissions };
                session.show("changing the user", client.update_user(&id, &body), details).await
            }
            Self::Delete { id } => session.done("deleting the user", client.delete_user(&id), &format!("deleted {id}")).await,
        }
    }
}

fn list(users: &[User]) -> Rows {
    Rows::list(["ID", "ROLE", "PERMISSIONS", "NAME"], users, |user| {
        [user.id.clone(), user.role.clone(), user.permissions.join(","), user.name.clone()]
    })
}

fn details(user: &User) -> Rows {
    Rows::fields([
        ("id", Some(user.id.clone())),
        ("organization", Some(user.organization_id.clone())),
        ("name", Some(user.name.clone())),
        ("role", Some(user.role.clone())),
        ("permissions", table::joined(&user.permissions)),
        ("created at", Some(user.created_at.clone())),
    ])
}
