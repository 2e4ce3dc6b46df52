//! Keys on disk of what has a name within an organisation: the same name may be given once in each.
//!
//! What the default organisation names has the bare name for its key, as everything had before there were organisations; so nothing had to be
//! written anew for them. Names never hold a zero byte, by which the others begin.

use super::id::OrgId;

const MARK: u8 = 0;

/// The key of this name in this organisation.
pub fn key(organization: OrgId, name: &str) -> Vec<u8> {
    if organization == OrgId::DEFAULT {
        return name.as_bytes().to_vec();
    }
    [&[MARK], organization.as_bytes().as_slice(), name.as_bytes()].concat()
}

/// The organisation and the name of a key; none when the bytes are no such key.
pub fn split(key: &[u8]) -> Option<(OrgId, &str)> {
    match key.split_first() {
        Some((&MARK, rest)) => {
            let (organization, name) = rest.split_first_chunk::<16>()?;
            Some((OrgId::from_bytes(*organization), std::str::from_utf8(name).ok()?))
        }
        _ => Some((OrgId::DEFAULT, std::str::from_utf8(key).ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_key_in_each_organisation() {
        let other = OrgId::new();
        assert_eq!(key(OrgId::DEFAULT, "web"), b"web");
        assert_ne!(key(other, "web"), key(OrgId::new(), "web"));
        for organization in [OrgId::DEFAULT, other] {
            assert_eq!(split(&key(organization, "web")), Some((organization, "web")));
        }
        assert_eq!(split(&[0, 1, 2]), None);
    }
}
