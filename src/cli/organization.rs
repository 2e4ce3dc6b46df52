//! `chancery organization`.

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;

use crate::api::admin::{CreateOrganization, Organization, UpdateOrganization};

use super::failure::Failure;
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum OrganizationCommand {
    /// List the organizations you may know of
    List,
    /// Make an organization; this needs the scope system
    Create {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Let people approve what they asked for themselves
        #[arg(long)]
        allow_self_approval: bool,
    },
    /// Show one organization
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Change an organization: what is given replaces what was
    Update {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Its new name; this needs the scope system
        #[arg(long)]
        name: Option<String>,
        /// Whether people may approve what they asked for themselves
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        allow_self_approval: Option<bool>,
    },
    /// Delete an organization that owns nothing but projects, users and tokens, with these
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

impl OrganizationCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List => {
                let fetch = async |cursor: Option<String>| client.organizations(cursor.as_deref()).await;
                session.print_pages("listing the organizations", true, None, fetch, list).await
            }
            Self::Create { name, allow_self_approval } => {
                let body = CreateOrganization { name, allow_self_approval: Some(allow_self_approval) };
                session.show("making the organization", client.create_organization(&body), details).await
            }
            Self::Show { id } => session.show("reading the organization", client.organization(&id), details).await,
            Self::Update { id, name, allow_self_approval } => {
                let body = UpdateOrganization { name, allow_self_approval };
                session.show("changing the organization", client.update_organization(&id, &body), details).await
            }
            Self::Delete { id } => {
                session.done("deleting the organization", client.delete_organization(&id), &format!("deleted {id}")).await
            }
        }
    }
}

fn list(organizations: &[Organization]) -> Rows {
    Rows::list(["ID", "SELF-APPROVAL", "NAME"], organizations, |organization| {
        [organization.id.clone(), table::yes(organization.allow_self_approval), organization.name.clone()]
    })
}

fn details(organization: &Organization) -> Rows {
    Rows::fields([
        ("id", Some(organization.id.clone())),
        ("name", Some(organization.name.clone())),
        ("self-approval", Some(table::yes(organization.allow_self_approval))),
        ("created at", Some(organization.created_at.clone())),
    ])
}
