//! `chancery role`.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use crate::api::pki::{CreateRole, Role, RoleAcme, SetRoleAcme, UpdateRole};

use super::arguments::duration;
use super::failure::Failure;
use super::session::Session;
use super::table::{self, Rows};

#[derive(Debug, Subcommand)]
pub(super) enum RoleCommand {
    /// List all roles
    List,
    /// Create a role
    Create {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The id or name of the authority that issues
        #[arg(long, value_name = "CA")]
        ca: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Show one role
    Show {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Change a role: what is given replaces what was
    Update {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// The id or name of the authority that issues
        #[arg(long, value_name = "CA")]
        ca: Option<String>,
        /// Allow no domain any more
        #[arg(long, conflicts_with = "allowed_domain")]
        no_allowed_domains: bool,
        #[command(flatten)]
        rules: Rules,
    },
    /// Delete a role; what was issued by it stays valid
    Delete {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

/// What a role allows. A switch without a value means true.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// A domain such as example.com, or *.example.com for one label below it; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    allowed_domain: Option<Vec<String>>,
    /// Whether names below an allowed domain are allowed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_subdomains: Option<bool>,
    /// Whether IP addresses are allowed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_ip_sans: Option<bool>,
    /// The longest lifetime, such as 720h or 30d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_ttl: Option<String>,
    /// The kind of key that is certified; ec unless given
    #[arg(long, value_name = "TYPE", value_parser = ["rsa", "ec", "ed25519"])]
    key_type: Option<String>,
    /// 2048, 3072 or 4096 for rsa; 256, 384 or 521 for ec
    #[arg(long, value_name = "BITS")]
    key_bits: Option<u32>,
    /// Whether a request without a common name is refused
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    require_cn: Option<bool>,
    /// Whether the keys the appliance makes are kept, to be retrieved later
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    store_private_keys: Option<bool>,
    /// How they are kept: as objects of the token, or wrapped, as values that it has sealed; token unless given
    #[arg(long, value_name = "HOW", value_parser = ["token", "wrapped"])]
    key_storage: Option<String>,
    /// Whether certificates say that nobody need look for their revocation (RFC 9608); with a longest lifetime of at most 7d
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_rev_avail: Option<bool>,
    /// Whether ACME clients may choose the role
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    acme: Option<bool>,
    /// How ACME clients may show that a name is theirs: http-01, dns-01, tls-alpn-01, dns-account-01 or dns-persist-01; may be repeated
    #[arg(long, value_name = "CHALLENGE")]
    acme_challenge: Option<Vec<String>>,
    /// A domain that ACME accounts with a credential need not validate; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    acme_pre_authorized: Option<Vec<String>>,
    /// Whether the CAA records of names that ACME clients ask for are looked at
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    acme_caa: Option<bool>,
    /// Whether ACME clients may choose when a certificate begins and ends
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    acme_dates: Option<bool>,
}

impl RoleCommand {
    pub(super) async fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let client = session.client.clone();
        match self {
            Self::List => {
                let fetch = async |cursor: Option<String>| client.roles(cursor.as_deref()).await;
                session.print_pages("listing the roles", true, None, fetch, list).await
            }
            Self::Create { name, ca, rules } => {
                let ca_id = session.authority_id(&ca).await?;
                let body = CreateRole::from_parts(name, ca_id, rules.change(None));
                session.show("creating the role", client.create_role(&body), details).await
            }
            Self::Show { name } => session.show("reading the role", client.role(&name), details).await,
            Self::Update { name, ca, no_allowed_domains, rules } => {
                let ca_id = match ca {
                    Some(ca) => Some(session.authority_id(&ca).await?),
                    None => None,
                };
                let mut body = rules.change(ca_id);
                if no_allowed_domains {
                    body.allowed_domains = Some(Vec::new());
                }
                session.show("changing the role", client.update_role(&name, &body), details).await
            }
            Self::Delete { name } => session.done("deleting the role", client.delete_role(&name), &format!("deleted {name}")).await,
        }
    }
}

impl Rules {
    fn change(self, ca_id: Option<String>) -> UpdateRole {
        let is_asked = self.acme.is_some()
            || self.acme_challenge.is_some()
            || self.acme_pre_authorized.is_some()
            || self.acme_caa.is_some()
            || self.acme_dates.is_some();
        let opening = SetRoleAcme {
            enabled: self.acme,
            challenges: self.acme_challenge,
            pre_authorized: self.acme_pre_authorized,
            caa: self.acme_caa,
            allow_dates: self.acme_dates,
        };
        UpdateRole {
            ca_id,
            allowed_domains: self.allowed_domain,
            allow_subdomains: self.allow_subdomains,
            allow_ip_sans: self.allow_ip_sans,
            max_ttl: self.max_ttl,
            key_type: self.key_type,
            key_bits: self.key_bits,
            require_cn: self.require_cn,
            store_private_keys: self.store_private_keys,
            key_storage: self.key_storage,
            no_rev_avail: self.no_rev_avail,
            acme: is_asked.then_some(opening),
        }
    }
}

fn list(roles: &[Role]) -> Rows {
    Rows::list(["NAME", "CA", "KEY", "MAX TTL", "ALLOWED DOMAINS"], roles, |role| {
        let domains = table::joined(&role.allowed_domains).unwrap_or_default();
        [role.name.clone(), role.ca_id.clone(), table::key(&role.key_type, role.key_bits), role.max_ttl.clone(), domains]
    })
}

fn details(role: &Role) -> Rows {
    Rows::fields([
        ("name", Some(role.name.clone())),
        ("authority", Some(role.ca_id.clone())),
        ("allowed domains", Some(table::joined(&role.allowed_domains).unwrap_or_else(|| "none".to_owned()))),
        ("subdomains", Some(table::yes(role.allow_subdomains))),
        ("IP addresses", Some(table::yes(role.allow_ip_sans))),
        ("longest lifetime", Some(role.max_ttl.clone())),
        ("key", Some(table::key(&role.key_type, role.key_bits))),
        ("common name required", Some(table::yes(role.require_cn))),
        ("private keys kept", Some(role.key_storage.clone().unwrap_or_else(|| table::yes(role.store_private_keys)))),
        ("revocation information", Some(if role.no_rev_avail { "none (noRevAvail)" } else { "published" }.to_owned())),
        ("ACME", role.acme.as_ref().map(opening)),
        ("created at", Some(role.created_at.clone())),
        ("updated at", Some(role.updated_at.clone())),
    ])
}

/// What ACME clients may do with it.
fn opening(acme: &RoleAcme) -> String {
    let RoleAcme { challenges, pre_authorized, caa, allow_dates } = acme;
    let parts = [
        table::joined(challenges),
        table::joined(pre_authorized).map(|names| format!("without validation {names}")),
        caa.then(|| "CAA is looked at".to_owned()),
        allow_dates.then(|| "with dates".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
