//! `WWW-Authenticate` (RFC 9110, 11.6.1): what a server asks for.

use std::collections::BTreeMap;

/// Most of one answer that is looked at.
const CHALLENGES_MAX: usize = 10;
const PARAMETERS_MAX: usize = 20;

/// One thing that a server would accept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// In lower case: `bearer`, `basic`.
    pub scheme: String,
    /// By name in lower case; the first of several counts.
    pub parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// A parameter, if it is there and not empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Reads one header's value, which may hold several challenges. What cannot be read ends it.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut input = Input(header);
    let mut challenges: Vec<Challenge> = Vec::new();
    while challenges.len() < CHALLENGES_MAX {
        input.skip_separators();
        let Some(scheme) = input.token() else { break };
        let mut challenge =
            Challenge { scheme: scheme.to_ascii_lowercase(), parameters: BTreeMap::new() };
        input.skip_blanks();
        let is_sound = input.parameters(&mut challenge.parameters);
        challenges.push(challenge);
        if !is_sound {
            break;
        }
    }
    challenges
}

struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn token(&mut self) -> Option<&'a str> {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c: char| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        if token.is_empty() {
            return None;
        }
        self.0 = rest;
        Some(token)
    }

    /// `name=value, ...` up to the next challenge; `false` when something else stands there.
    fn parameters(&mut self, parameters: &mut BTreeMap<String, String>) -> bool {
        for _ in 0..PARAMETERS_MAX {
            let before = self.0;
            self.skip_separators();
            if self.0.is_empty() {
                return true;
            }
            let Some(name) = self.token() else { return false };
            self.skip_blanks();
            let Some(rest) = self.0.strip_prefix('=') else {
                // Not a parameter: the scheme of the next challenge.
                self.0 = before;
                return true;
            };
            self.0 = rest;
            self.skip_blanks();
            let Some(value) = self.value() else { return false };
            parameters.entry(name.to_ascii_lowercase()).or_insert(value);
            self.skip_blanks();
        }
        false
    }

    fn value(&mut self) -> Option<String> {
        let Some(mut rest) = self.0.strip_prefix('"') else {
            return self.token().map(str::to_owned);
        };
        let mut value = String::new();
        loop {
            let end = rest.find(['"', '\\'])?;
            value.push_str(rest.get(..end)?);
            let is_end = rest.get(end..)?.starts_with('"');
            rest = rest.get(end + 1..)?;
            if is_end {
                self.0 = rest;
                return Some(value);
            }
            let escaped = rest.chars().next()?;
            value.push(escaped);
            rest = rest.get(escaped.len_utf8()..)?;
        }
    }
}

#[cfg(test)]
mod tests;
