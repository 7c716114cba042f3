//! Paths and query parameters.

use std::fmt::Write;

/// A path with query parameters, encoded as they are added.
pub(crate) struct Target {
    text: String,
    separator: char,
}

impl Target {
    /// A path made of fixed parts and names; slashes, colons and `@` in names stay, as images have
    /// them; everything else that is not plain is encoded.
    pub(crate) fn new(parts: &[&str]) -> Target {
        let mut text = String::new();
        for part in parts {
            encode(part, b"/:@", &mut text);
        }
        Target { text, separator: '?' }
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Target {
        self.text.push(self.separator);
        self.separator = '&';
        self.text.push_str(key);
        self.text.push('=');
        encode(value, b"", &mut self.text);
        self
    }

    /// Adds a parameter unless its value is empty.
    pub(crate) fn with_some(self, key: &str, value: &str) -> Target {
        match value {
            "" => self,
            _ => self.with(key, value),
        }
    }

    /// Adds `key=1` if it is wished.
    pub(crate) fn with_flag(self, key: &str, wished: bool) -> Target {
        match wished {
            true => self.with(key, "1"),
            false => self,
        }
    }

    /// Adds a number if there is one.
    pub(crate) fn with_number(self, key: &str, value: Option<i64>) -> Target {
        match value {
            Some(value) => self.with(key, &value.to_string()),
            None => self,
        }
    }

    /// Adds filters if there are any.
    pub(crate) fn with_filters(self, filters: &docker_api::Filters) -> Target {
        match filters.is_empty() {
            true => self,
            false => self.with("filters", &filters.to_json()),
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters and `also`.
fn encode(text: &str, also: &[u8], into: &mut String) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match plain || also.contains(&byte) {
            true => into.push(char::from(byte)),
            false => write!(into, "%{byte:02X}").expect("a string takes all that is written"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes() {
        let target = Target::new(&["/images/", "127.0.0.1:5000/a b?", "/json"])
            .with("x", "a=b&c/é")
            .with_some("none", "")
            .with_flag("no", false)
            .with_flag("yes", true)
            .with_number("t", Some(-1));
        assert_eq!(
            target.into_text(),
            "/images/127.0.0.1:5000/a%20b%3F/json?x=a%3Db%26c%2F%C3%A9&yes=1&t=-1"
        );
    }
}
