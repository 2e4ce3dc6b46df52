//! What a CRL is called: in its URL, in its file and in its record.

use std::fmt;
use std::str::FromStr;

use crate::base::id::CaId;
use crate::ca::Authority;
use crate::inventory::CrlPart;
use crate::x509::certificate::Certificate;

/// One of the CRLs of an authority, whatever its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlName {
    pub ca: CaId,
    pub part: CrlPart,
    pub form: CrlForm,
}

/// All that is revoked, or what has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrlForm {
    Full,
    Delta,
}

/// The text names no CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACrl;

impl CrlName {
    /// The full CRL of everything.
    pub fn whole(ca: CaId) -> Self {
        Self { ca, part: CrlPart::Whole, form: CrlForm::Full }
    }

    /// The key of its record.
    pub fn key(&self) -> Vec<u8> {
        let mut key = self.ca.as_bytes().to_vec();
        // Where the first version kept the only one there was.
        if *self != Self::whole(self.ca) {
            key.extend_from_slice(&self.part.number().to_be_bytes());
            key.push(u8::from(self.form == CrlForm::Delta));
        }
        key
    }

    /// The URLs it is fetched from, by those of the CRL of everything.
    pub fn urls(&self, whole: &[String]) -> Vec<String> {
        let suffix = suffix(self.part, self.form);
        let named = |url: &String| match url.strip_suffix(".crl") {
            Some(stem) => format!("{stem}{suffix}.crl"),
            None => format!("{url}{suffix}"),
        };
        whole.iter().map(named).collect()
    }
}

/// Which of an authority's CRLs a certificate of its names, whose record may be lost: that of its first URL that is one of theirs.
pub fn part_named_by(authority: &Authority, certificate: &Certificate) -> CrlPart {
    let is_named = |part: &CrlPart| {
        let urls = CrlName { part: *part, ..CrlName::whole(authority.id) }.urls(&authority.crl_urls);
        certificate.crl_urls().iter().any(|url| urls.contains(url))
    };
    authority.crl.parts().into_iter().find(is_named).unwrap_or_default()
}

/// What the stem of a file may mean where the authority goes by its name: the name, and which of its CRLs. A name may end as the stems of parts do.
pub fn readings(stem: &str) -> Vec<(&str, CrlPart, CrlForm)> {
    let mut readings = Vec::new();
    for (rest, form) in [(Some(stem), CrlForm::Full), (stem.strip_suffix("-delta"), CrlForm::Delta)] {
        let Some(rest) = rest else { continue };
        readings.push((rest, CrlPart::Whole, form));
        let part = rest.rsplit_once('-').and_then(|(name, part)| match part {
            "ca" => Some((name, CrlPart::Authorities, form)),
            shard => Some((name, CrlPart::Shard(shard.parse().ok()?), form)),
        });
        // One spelling for each: no leading zeros, no shard that is none.
        readings.extend(part.filter(|(name, part, form)| {
            !matches!(part, CrlPart::Shard(0 | u16::MAX)) && format!("{name}{}", suffix(*part, *form)) == stem
        }));
    }
    readings
}

fn suffix(part: CrlPart, form: CrlForm) -> String {
    let part = match part {
        CrlPart::Whole => String::new(),
        CrlPart::Authorities => "-ca".to_owned(),
        CrlPart::Shard(shard) => format!("-{shard}"),
    };
    match form {
        CrlForm::Full => part,
        CrlForm::Delta => part + "-delta",
    }
}

impl fmt::Display for CrlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.ca, suffix(self.part, self.form))
    }
}

impl FromStr for CrlName {
    type Err = NotACrl;

    fn from_str(text: &str) -> Result<Self, NotACrl> {
        let (rest, form) = match text.strip_suffix("-delta") {
            Some(rest) => (rest, CrlForm::Delta),
            None => (text, CrlForm::Full),
        };
        let (ca, part) = match rest.split_once('-') {
            None => (rest, CrlPart::Whole),
            Some((ca, "ca")) => (ca, CrlPart::Authorities),
            Some((ca, shard)) => (ca, CrlPart::Shard(shard.parse().map_err(|_| NotACrl)?)),
        };
        let name = Self { ca: ca.parse().map_err(|_| NotACrl)?, part, form };
        // One name for each: no leading zeros, no shard that is none.
        if name.to_string() == text && !matches!(part, CrlPart::Shard(0 | u16::MAX)) { Ok(name) } else { Err(NotACrl) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_have_one_spelling() {
        let ca = CaId::new();
        for part in [CrlPart::Whole, CrlPart::Authorities, CrlPart::Shard(1), CrlPart::Shard(128)] {
            for form in [CrlForm::Full, CrlForm::Delta] {
                let name = CrlName { ca, part, form };
                assert_eq!(name.to_string().parse(), Ok(name));
                let url = format!("http://h/crl/{ca}.crl");
                assert_eq!(name.urls(&[url]), [format!("http://h/crl/{name}.crl")]);
            }
        }
        for text in ["-0", "-01", "-65535", "--delta", "-delta-delta", "-x", "-+1", "- 1"] {
            assert_eq!(format!("{ca}{text}").parse::<CrlName>(), Err(NotACrl), "{text}");
        }
        assert_eq!(CrlName::whole(ca).key(), ca.as_bytes());
        let read = |stem| readings(stem).into_iter().map(|(name, part, form)| format!("{name}|{}", suffix(part, form))).collect::<Vec<_>>();
        assert_eq!(read("root"), ["root|"]);
        assert_eq!(read("root-2"), ["root-2|", "root|-2"]);
        assert_eq!(read("web-ca-delta"), ["web-ca-delta|", "web-ca|-delta", "web|-ca-delta"]);
        for odd in ["root-02", "root-0", "root-65535", "root-+1", "root-2-deltas"] {
            assert_eq!(readings(odd).len(), 1, "{odd}");
        }
        assert_eq!(
            CrlName { ca, part: CrlPart::Shard(2), form: CrlForm::Delta }.urls(&["http://h/list".to_owned()]),
            ["http://h/list-2-delta"]
        );
    }
}
