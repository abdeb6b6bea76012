//! What a source is called in the profile: an absolute path if a file is meant, else its URL.

/// The source `source` of a map that was read from `base`, a path, a `file:` URL or anything else.
pub(crate) fn resolve(source: &str, base: &str) -> String {
    if let Some(path) = file_url(source) {
        return normal(&path);
    }
    if source.starts_with('/') {
        return normal(source);
    }
    if let Some(length) = scheme_length(source) {
        return normal_url(source, length);
    }
    let base = file_url(base).unwrap_or_else(|| base.to_owned());
    if base.starts_with('/') {
        return normal(&format!("{}/{source}", directory(&base)));
    }
    if let Some(length) = scheme_length(&base) {
        let directory = directory(&base);
        // `scheme://host` without a path is a directory itself.
        let directory = if directory.len() < length {
            &base
        } else {
            directory
        };
        return normal_url(&format!("{directory}/{source}"), length);
    }
    // Evaluated code, or a name that its program made up.
    source.to_owned()
}

/// The path of a `file:` URL of this machine.
pub(crate) fn file_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("file:")?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.starts_with('/').then(|| percent_decoded(path))
}

/// The length of `scheme:` and the authority behind it, if a URL begins like that.
pub(crate) fn scheme_length(url: &str) -> Option<usize> {
    let colon = url.find(':')?;
    let scheme = url.get(..colon)?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return None;
    }
    let rest = url.get(colon + 1..)?;
    let Some(authority) = rest.strip_prefix("//") else {
        return Some(colon + 1);
    };
    let host = authority.find('/').unwrap_or(authority.len());
    Some(colon + 3 + host)
}

/// All in front of the last slash.
pub(crate) fn directory(path: &str) -> &str {
    path.rfind('/')
        .and_then(|end| path.get(..end))
        .unwrap_or("")
}

/// An absolute path without `.`, `..` and empty parts.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The same behind a scheme and its authority. What has no path, or a query, stays as it is: `webpack://app/./a.ts?1234`.
fn normal_url(url: &str, length: usize) -> String {
    match (url.get(..length), url.get(length..)) {
        (Some(head), Some(path)) if path.starts_with('/') && !path.contains('?') => {
            format!("{head}{}", normal(path))
        }
        _ => url.to_owned(),
    }
}

/// `%20` and the like. What is no such escape stays.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let digits = behind
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits
            .filter(|digits| first == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = match escaped {
            Some(_) => behind.get(2..).unwrap_or_default(),
            None => behind,
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_where_a_reader_expects_them() {
        for (source, base, expected) in [
            ("../src/a.ts", "/app/dist/a.js.map", "/app/src/a.ts"),
            ("a.ts", "file:///my%20app/a.js", "/my app/a.ts"),
            ("./x/../a.ts", "/a.js", "/a.ts"),
            ("../../../../a.ts", "/x/a.js", "/a.ts"),
            ("/abs/./a.ts", "/x/a.js", "/abs/a.ts"),
            ("file:///abs/a%20b.ts", "/x/a.js", "/abs/a b.ts"),
            (
                "webpack://app/./src/a.ts",
                "/x/a.js",
                "webpack://app/src/a.ts",
            ),
            (
                "webpack:///./src/a.ts?a1b2",
                "/x/a.js",
                "webpack:///./src/a.ts?a1b2",
            ),
            ("webpack:app", "/x/a.js", "webpack:app"),
            ("a.ts", "http://host/dir/b.js", "http://host/dir/a.ts"),
            ("a.ts", "http://host", "http://host/a.ts"),
            ("a.ts", "evalmachine.<anonymous>", "a.ts"),
            ("C:/x/a.ts", "/x/a.js", "/x/C:/x/a.ts"),
            ("größe.ts", "/x/a.js", "/x/größe.ts"),
        ] {
            assert_eq!(resolve(source, base), expected, "{source} of {base}");
        }
    }

    #[test]
    fn escapes_are_decoded_and_others_stay() {
        assert_eq!(percent_decoded("a%20b%2"), "a b%2");
        assert_eq!(percent_decoded("%zz%C3%A9"), "%zzé");
        assert_eq!(percent_decoded("%ff"), "%ff");
        assert_eq!(file_url("file:///a#b").as_deref(), Some("/a"));
        assert_eq!(file_url("file://host/a"), None);
        assert_eq!(file_url("/a"), None);
    }
}
