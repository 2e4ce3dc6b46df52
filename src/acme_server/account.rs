//! Accounts: a key, and who may be written to about what it does (RFC 8555, 7.1.2).
//!
//! ```text
//!   new ──▶ valid ──▶ deactivated
//! ```
//! Whether the credential an account was bound to still holds is asked of the credential each time.

use jiff::Timestamp;

use super::error::ContactFault;
use super::jws::Jwk;
use crate::base::id::{AcmeAccountId, AcmeCredentialId, OrgId, ProjectId};
use crate::x509::san::parse_email;

const MOST_CONTACTS: usize = 10;

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AcmeAccountId,
    pub organization: OrgId,
    /// What its certificates are booked on.
    pub project: Option<ProjectId>,
    /// None where accounts need not be bound.
    pub credential: Option<AcmeCredentialId>,
    pub key: Jwk,
    /// By which the account is known, also to CAA records and DNS challenges: that of the address under which it was made.
    pub url: String,
    /// `mailto:` URLs.
    pub contacts: Vec<String>,
    pub terms_agreed_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub deactivated_at: Option<Timestamp>,
}

impl Account {
    /// Its status, as answers name it.
    pub fn status(&self) -> &'static str {
        if self.deactivated_at.is_some() { "deactivated" } else { "valid" }
    }

    /// The same, which may not ask for anything any more.
    #[must_use]
    pub fn deactivated(self, now: Timestamp) -> Self {
        Self { deactivated_at: Some(now), ..self }
    }
}

/// The contacts, when each is the URL of one mailbox.
pub fn read_contacts(contacts: &[String]) -> Result<Vec<String>, ContactFault> {
    if contacts.len() > MOST_CONTACTS {
        return Err(ContactFault::TooMany);
    }
    for contact in contacts {
        let (scheme, address) = contact.split_once(':').ok_or(ContactFault::Scheme)?;
        if !scheme.eq_ignore_ascii_case("mailto") {
            return Err(ContactFault::Scheme);
        }
        // RFC 8555, 7.3: neither hfields nor more than one addr-spec; neither a comma nor a question mark is part of a mailbox.
        parse_email(address).map_err(|_| ContactFault::Address)?;
    }
    Ok(contacts.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_one_mailbox() {
        let read = |contact: &str| read_contacts(&[contact.to_owned()]).map(drop);
        assert_eq!(read("mailto:a@example.com"), Ok(()));
        assert_eq!(read("tel:+123"), Err(ContactFault::Scheme));
        assert_eq!(read("a@example.com"), Err(ContactFault::Scheme));
        for contact in
            ["mailto:", "mailto:a", "mailto:a@example.com,b@example.com", "mailto:a@example.com?subject=x", "mailto:a@[192.0.2.1]"]
        {
            assert_eq!(read(contact), Err(ContactFault::Address), "{contact}");
        }
    }
}
