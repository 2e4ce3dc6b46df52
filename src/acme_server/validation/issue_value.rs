//! The values of CAA's `issue` properties (RFC 8659, 4.2), which dns-persist-01 writes as well. Pure.

/// Who may issue, and on what terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueValue {
    /// In lower case and without a dot at its end; none forbids everybody.
    pub issuer: Option<String>,
    /// Tags in lower case, in the order in which they stand.
    parameters: Vec<(String, String)>,
}

/// The bytes do not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A parameter stands twice, so that it is not clear what is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

impl IssueValue {
    /// Reads one: `*WSP [issuer-domain-name *WSP] [";" *WSP [parameters *WSP]]`.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(value).map_err(|_| Malformed)?;
        let (issuer, rest) = text.split_once(';').map_or((text, ""), |(issuer, rest)| (issuer, rest));
        let issuer = unspaced(issuer);
        if !issuer.is_empty() && !is_domain(issuer) {
            return Err(Malformed);
        }
        let mut parameters = Vec::new();
        if !unspaced(rest).is_empty() {
            for parameter in rest.split(';') {
                let (tag, value) = parameter.split_once('=').ok_or(Malformed)?;
                let (tag, value) = (unspaced(tag), unspaced(value));
                if !is_label(tag) || !value.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err(Malformed);
                }
                parameters.push((tag.to_ascii_lowercase(), value.to_owned()));
            }
        }
        Ok(Self { issuer: (!issuer.is_empty()).then(|| canonical(issuer)), parameters })
    }

    /// Whether the issuer is one of these.
    pub fn names(&self, domains: &[String]) -> bool {
        self.issuer.as_ref().is_some_and(|issuer| domains.iter().any(|domain| canonical(domain) == *issuer))
    }

    /// The value of a parameter, by its tag in lower case.
    pub fn parameter(&self, tag: &str) -> Result<Option<&str>, Twice> {
        let mut found = self.parameters.iter().filter(|(known, _)| known == tag).map(|(_, value)| value.as_str());
        let first = found.next();
        if found.next().is_some() { Err(Twice) } else { Ok(first) }
    }
}

fn unspaced(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// RFC 4343: the case of names means nothing.
fn canonical(domain: &str) -> String {
    domain.strip_suffix('.').unwrap_or(domain).to_ascii_lowercase()
}

fn is_domain(text: &str) -> bool {
    text.strip_suffix('.').unwrap_or(text).split('.').all(is_label)
}

/// `(ALPHA / DIGIT) *( *("-") (ALPHA / DIGIT))`
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !text.starts_with('-') && !text.ends_with('-')
}
