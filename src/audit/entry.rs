//! What an entry says.

use std::fmt;

use jiff::Timestamp;

use crate::base::id::{AcmeAccountId, OrgId, RequestId, TokenId};

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub time: Timestamp,
    /// The request that led to it; none for what the daemon does by itself.
    pub request: Option<RequestId>,
    /// Whose affair it is; none for the appliance's own.
    pub organization: Option<OrgId>,
    pub actor: Actor,
    pub action: Action,
    /// The id of what was acted on.
    pub object: Option<String>,
    pub outcome: Outcome,
    pub details: Vec<(Field, String)>,
}

impl Entry {
    /// An entry of something that was done, without object and details.
    pub fn done(time: Timestamp, actor: Actor, action: Action) -> Self {
        Self { time, request: None, organization: None, actor, action, object: None, outcome: Outcome::Done, details: Vec::new() }
    }

    /// An entry of something that was refused.
    pub fn refused(time: Timestamp, actor: Actor, action: Action, code: &str) -> Self {
        Self { outcome: Outcome::Refused { code: code.to_owned() }, ..Self::done(time, actor, action) }
    }

    /// With the request that led to it.
    pub fn request(mut self, request: RequestId) -> Self {
        self.request = Some(request);
        self
    }

    /// As an affair of that organisation, whoever acts.
    pub fn of(mut self, organization: OrgId) -> Self {
        self.organization = Some(organization);
        self
    }

    /// With the id of what was acted on.
    pub fn object(mut self, object: impl ToString) -> Self {
        self.object = Some(object.to_string());
        self
    }

    /// With one more detail.
    pub fn detail(mut self, field: Field, value: impl ToString) -> Self {
        self.details.push((field, value.to_string()));
        self
    }
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The holder of an API token.
    Token { id: TokenId, name: String },
    /// Someone who showed no valid credential.
    Anonymous,
    /// The daemon by itself.
    System,
    /// A process of this machine, through the break-glass socket.
    BreakGlass { user: u32, process: i32 },
    /// The holder of an account's key at the ACME server.
    AcmeAccount { id: AcmeAccountId },
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { id, name } => write!(f, "{id} ({name})"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::System => f.write_str("system"),
            Self::BreakGlass { user, process } => write!(f, "break-glass (uid {user}, pid {process})"),
            Self::AcmeAccount { id } => id.fmt(f),
        }
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Refused, with the code of the problem document.
    Refused {
        code: String,
    },
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident: $number:ty { $($variant:ident = $value:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name outside, which never changes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one with that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }

            /// The number on disk, which never changes.
            pub(super) const fn number(self) -> $number {
                match self { $(Self::$variant => $value,)* }
            }

            /// The one with that number.
            pub(super) const fn from_number(number: $number) -> Option<Self> {
                match number { $($value => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

numbered! {
    /// What was done or asked for.
    Action: u16 {
        CaCreate = 1 "ca.create",
        CaRevoke = 2 "ca.revoke",
        CaUpdate = 3 "ca.update",
        KeyGenerate = 4 "key.generate",
        KeyFinding = 5 "key.finding",
        KeyImport = 6 "key.import",
        KeyExport = 7 "key.export",
        KeyDestroy = 8 "key.destroy",
        RoleCreate = 10 "role.create",
        RoleUpdate = 11 "role.update",
        RoleDelete = 12 "role.delete",
        CertificateIntend = 20 "certificate.intend",
        CertificateIssue = 21 "certificate.issue",
        CertificateUpdate = 22 "certificate.update",
        CertificateRevoke = 23 "certificate.revoke",
        CertificateExpire = 24 "certificate.expire",
        CertificateImport = 170 "certificate.import",
        CrlIntend = 30 "crl.intend",
        CrlPublish = 31 "crl.publish",
        TokenCreate = 40 "token.create",
        TokenRevoke = 41 "token.revoke",
        TrustAnchorCreate = 100 "trust_anchor.create",
        TrustAnchorDelete = 101 "trust_anchor.delete",
        CsrImport = 110 "csr.import",
        CsrGenerate = 111 "csr.generate",
        CsrApprove = 112 "csr.approve",
        CsrReject = 113 "csr.reject",
        CsrDelete = 114 "csr.delete",
        WebhookCreate = 180 "webhook.create",
        WebhookUpdate = 181 "webhook.update",
        WebhookDelete = 182 "webhook.delete",
        RequestRefused = 50 "request.refused",
        SourceLockOut = 51 "source.lock_out",
        DaemonStart = 60 "daemon.start",
        DaemonStop = 61 "daemon.stop",
        BreakGlassUse = 70 "break_glass.use",
        OrganizationCreate = 120 "organization.create",
        OrganizationUpdate = 121 "organization.update",
        OrganizationDelete = 122 "organization.delete",
        ProjectCreate = 123 "project.create",
        ProjectUpdate = 124 "project.update",
        ProjectDelete = 125 "project.delete",
        UserCreate = 126 "user.create",
        UserUpdate = 127 "user.update",
        UserDelete = 128 "user.delete",
        SecretWrite = 190 "secret.write",
        SecretRead = 191 "secret.read",
        SecretDelete = 192 "secret.delete",
        CertificateDelete = 233 "certificate.delete",
        CertificateRenewalFail = 234 "certificate.renewal_fail",
        KeyRelease = 235 "key.release",
        CertificateUnrevoke = 193 "certificate.unrevoke",
        CrlReject = 194 "crl.reject",
        RevocationRestore = 195 "revocation.restore",
        AcmeCredentialCreate = 240 "acme_credential.create",
        AcmeCredentialRevoke = 241 "acme_credential.revoke",
        AcmeAccountCreate = 242 "acme_account.create",
        AcmeAccountUpdate = 243 "acme_account.update",
        AcmeAccountDeactivate = 244 "acme_account.deactivate",
        AcmeAccountKeyChange = 245 "acme_account.key_change",
        AcmeOrderCreate = 246 "acme_order.create",
        AcmeOrderFinalize = 247 "acme_order.finalize",
        AcmeOrderFail = 248 "acme_order.fail",
        AcmeChallengeAnswer = 249 "acme_challenge.answer",
        AcmeChallengeMeet = 250 "acme_challenge.meet",
        AcmeChallengeFail = 251 "acme_challenge.fail",
        AcmeAuthorizationDeactivate = 252 "acme_authorization.deactivate",
        AcmeAccountForget = 275 "acme_account.forget",
        AcmeIncidentDeclare = 276 "acme_incident.declare",
        AcmeIncidentEnd = 277 "acme_incident.end",
    }
}

/// How much an entry asks to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Normal,
    /// A secret left the appliance, a key is gone or not as it should be, an authority was made or ended, somebody came by another door.
    High,
}

impl Severity {
    /// The name outside.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl Action {
    /// How much it asks to be looked at, whatever its outcome.
    pub const fn severity(self) -> Severity {
        match self {
            Self::KeyExport
            | Self::KeyDestroy
            | Self::KeyFinding
            | Self::CaCreate
            | Self::CaRevoke
            | Self::BreakGlassUse
            | Self::SecretRead
            | Self::SecretDelete
            | Self::CertificateDelete
            | Self::KeyRelease
            | Self::CrlReject
            | Self::RevocationRestore
            | Self::AcmeCredentialCreate
            | Self::AcmeAccountKeyChange
            | Self::AcmeIncidentDeclare
            | Self::OrganizationDelete => Severity::High,
            Self::CaUpdate
            | Self::KeyGenerate
            | Self::KeyImport
            | Self::RoleCreate
            | Self::RoleUpdate
            | Self::RoleDelete
            | Self::CertificateIntend
            | Self::CertificateIssue
            | Self::CsrImport
            | Self::CsrGenerate
            | Self::CsrApprove
            | Self::CsrReject
            | Self::CsrDelete
            | Self::CertificateUpdate
            | Self::CertificateRevoke
            | Self::CertificateUnrevoke
            | Self::CertificateExpire
            | Self::CertificateImport
            | Self::CertificateRenewalFail
            | Self::SourceLockOut
            | Self::CrlIntend
            | Self::CrlPublish
            | Self::TokenCreate
            | Self::TokenRevoke
            | Self::TrustAnchorCreate
            | Self::TrustAnchorDelete
            | Self::OrganizationCreate
            | Self::OrganizationUpdate
            | Self::ProjectCreate
            | Self::ProjectUpdate
            | Self::ProjectDelete
            | Self::UserCreate
            | Self::UserUpdate
            | Self::UserDelete
            | Self::WebhookCreate
            | Self::WebhookUpdate
            | Self::WebhookDelete
            | Self::SecretWrite
            | Self::RequestRefused
            | Self::DaemonStart
            | Self::DaemonStop
            | Self::AcmeCredentialRevoke
            | Self::AcmeAccountCreate
            | Self::AcmeAccountUpdate
            | Self::AcmeAccountDeactivate
            | Self::AcmeOrderCreate
            | Self::AcmeOrderFinalize
            | Self::AcmeOrderFail
            | Self::AcmeChallengeAnswer
            | Self::AcmeChallengeMeet
            | Self::AcmeChallengeFail
            | Self::AcmeAuthorizationDeactivate
            | Self::AcmeAccountForget
            | Self::AcmeIncidentEnd => Severity::Normal,
        }
    }
}

numbered! {
    /// What an entry may tell besides. Nothing that is not in this list is ever kept: no header, no body, no key.
    Field: u8 {
        CommonName = 1 "common_name",
        SerialNumber = 2 "serial_number",
        CaId = 3 "ca_id",
        CertificateId = 4 "certificate_id",
        Role = 5 "role",
        Reason = 6 "reason",
        TbsSha256 = 7 "tbs_sha256",
        CertificateSha256 = 8 "certificate_sha256",
        SubjectAltNames = 9 "subject_alt_names",
        NotAfter = 10 "not_after",
        KeyType = 11 "key_type",
        CrlNumber = 12 "crl_number",
        Fault = 20 "fault",
        Method = 21 "method",
        Path = 22 "path",
        Peer = 23 "peer",
        Scope = 24 "scope",
        Name = 25 "name",
        Version = 26 "version",
        Count = 27 "count",
        Suppressed = 28 "suppressed",
        Expires = 29 "expires",
        KeyId = 30 "key_id",
        Domains = 31 "domains",
        Ttl = 32 "ttl",
        Tags = 33 "tags",
        Description = 34 "description",
        NextUpdate = 35 "next_update",
        CrlSha256 = 36 "crl_sha256",
        Rules = 37 "rules",
        ClientCertificate = 38 "client_certificate",
        SpkiSha256 = 39 "spki_sha256",
        KeyStorage = 40 "key_storage",
        Days = 41 "days",
        RenewedFrom = 66 "renewed_from",
        User = 60 "user",
        Project = 61 "project",
        UserRole = 62 "user_role",
        CsrId = 70 "csr_id",
        RequestSha256 = 71 "request_sha256",
        RequestedBy = 72 "requested_by",
        Origin = 180 "origin",
        Events = 181 "events",
        Crl = 182 "crl",
        BaseCrlNumber = 183 "base_crl_number",
        Settings = 184 "settings",
        AcmeAccount = 190 "acme_account",
        AcmeOrder = 191 "acme_order",
        AcmeCredential = 192 "acme_credential",
        AcmeAuthorization = 193 "acme_authorization",
        Challenge = 194 "challenge",
        Contact = 195 "contact",
        KeyThumbprint = 196 "key_thumbprint",
        Label = 197 "label",
        ExplanationUrl = 210 "explanation_url",
    }
}
