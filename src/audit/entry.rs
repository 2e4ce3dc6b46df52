//! What an entry says.

use std::fmt;

use jiff::Timestamp;

use crate::base::id::{RequestId, TokenId};

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub time: Timestamp,
    /// The request that led to it; none for what the daemon does by itself.
    pub request: Option<RequestId>,
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
        Self { time, request: None, actor, action, object: None, outcome: Outcome::Done, details: Vec::new() }
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
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { id, name } => write!(f, "{id} ({name})"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::System => f.write_str("system"),
            Self::BreakGlass { user, process } => write!(f, "break-glass (uid {user}, pid {process})"),
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
        RoleCreate = 10 "role.create",
        RoleUpdate = 11 "role.update",
        RoleDelete = 12 "role.delete",
        CertificateIntend = 20 "certificate.intend",
        CertificateIssue = 21 "certificate.issue",
        CertificateUpdate = 22 "certificate.update",
        CertificateRevoke = 23 "certificate.revoke",
        CrlIntend = 30 "crl.intend",
        CrlPublish = 31 "crl.publish",
        TokenCreate = 40 "token.create",
        TokenRevoke = 41 "token.revoke",
        TrustAnchorCreate = 100 "trust_anchor.create",
        TrustAnchorDelete = 101 "trust_anchor.delete",
        RequestRefused = 50 "request.refused",
        DaemonStart = 60 "daemon.start",
        DaemonStop = 61 "daemon.stop",
        BreakGlassUse = 70 "break_glass.use",
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
    }
}
