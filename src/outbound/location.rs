//! Where a redirect leads: the Location of an answer, read against the URL that was asked for (RFC 3986, 5.2).

use super::url::{Url, UrlFault};

impl Url {
    /// The URL that a reference found at this one means.
    pub(super) fn joined(&self, reference: &str) -> Result<Self, UrlFault> {
        // RFC 9110, 10.2.2: a fragment is for whoever shows the page.
        let reference = reference.split('#').next().unwrap_or_default();
        let origin = self.origin();
        let (path, query) = self.target.split_once('?').map_or((self.target.as_str(), None), |(path, query)| (path, Some(query)));
        let joined = if has_scheme(reference) {
            // Schemes are written in any case.
            let (scheme, rest) = reference.split_once(':').unwrap_or_default();
            return format!("{}:{rest}", scheme.to_ascii_lowercase()).parse();
        } else if let Some(rest) = reference.strip_prefix("//") {
            return format!("{}://{rest}", if self.is_secure { "https" } else { "http" }).parse();
        } else if reference.is_empty() {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{origin}{path}{query}")
        } else if reference.starts_with('?') {
            format!("{origin}{path}{reference}")
        } else {
            let (to, query) = reference.split_once('?').map_or((reference, None), |(to, query)| (to, Some(query)));
            let folder = path.rfind('/').map_or("/", |end| path.get(..=end).unwrap_or("/"));
            let whole = if to.starts_with('/') { to.to_owned() } else { format!("{folder}{to}") };
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("{origin}{}{query}", without_dots(&whole))
        };
        joined.parse()
    }
}

/// RFC 3986, 3.1.
fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

/// RFC 3986, 5.2.4: `.` and `..` mean folders and are not sent.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(reference: &str) -> Result<String, UrlFault> {
        let base: Url = "http://a.example/b/c/d?q".parse().unwrap();
        base.joined(reference).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn references_are_resolved_as_rfc_3986_shows() {
        // RFC 3986, 5.4, as far as http and https go.
        for (reference, wanted) in [
            ("http://x.example/y", "http://x.example/y"),
            ("HTTPS://x.example/y#z", "https://x.example/y"),
            ("g", "http://a.example/b/c/g"),
            ("./g", "http://a.example/b/c/g"),
            ("g/", "http://a.example/b/c/g/"),
            ("/g", "http://a.example/g"),
            ("//g.example", "http://g.example"),
            ("?y", "http://a.example/b/c/d?y"),
            ("g?y", "http://a.example/b/c/g?y"),
            ("#s", "http://a.example/b/c/d?q"),
            ("", "http://a.example/b/c/d?q"),
            ("g#s", "http://a.example/b/c/g"),
            (".", "http://a.example/b/c/"),
            ("./", "http://a.example/b/c/"),
            ("..", "http://a.example/b/"),
            ("../", "http://a.example/b/"),
            ("../g", "http://a.example/b/g"),
            ("../../g", "http://a.example/g"),
            ("../../../g", "http://a.example/g"),
            ("/./g", "http://a.example/g"),
            ("/../g", "http://a.example/g"),
            ("g.", "http://a.example/b/c/g."),
            ("..g", "http://a.example/b/c/..g"),
            ("./g/.", "http://a.example/b/c/g/"),
            ("g/../h", "http://a.example/b/c/h"),
            ("g?y/../x", "http://a.example/b/c/g?y/../x"),
        ] {
            assert_eq!(joined(reference).as_deref(), Ok(wanted), "{reference:?}");
        }
    }

    #[test]
    fn what_is_neither_http_nor_https_is_refused() {
        for reference in
            ["ftp://x.example/", "file:///etc/passwd", "javascript:1", "gopher://x.example/", "http://u:p@x.example/", "http:g"]
        {
            assert!(joined(reference).is_err(), "{reference}");
        }
    }
}
