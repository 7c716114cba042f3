//! Words, quotes and variables, as a Dockerfile has them.

use super::ChangeError;

/// Splits at blanks outside quotes; quotes and backslashes stay.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Takes quotes away and puts variables in.
pub(super) fn expand(word: &str, env: &[String]) -> Result<String, ChangeError> {
    let mut expander = Expander { word, chars: word.chars().peekable(), env };
    expander.run()
}

struct Expander<'a> {
    word: &'a str,
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    env: &'a [String],
}

impl Expander<'_> {
    fn run(&mut self) -> Result<String, ChangeError> {
        let mut out = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '\'' => self.single(&mut out)?,
                '"' => self.double(&mut out)?,
                '$' => self.variable(&mut out)?,
                '\\' => out.extend(self.chars.next()),
                c => out.push(c),
            }
        }
        Ok(out)
    }

    fn single(&mut self, out: &mut String) -> Result<(), ChangeError> {
        loop {
            match self.chars.next() {
                Some('\'') => return Ok(()),
                Some(c) => out.push(c),
                None => return Err(self.bad("unexpected end of statement while looking for '")),
            }
        }
    }

    fn double(&mut self, out: &mut String) -> Result<(), ChangeError> {
        loop {
            match self.chars.next() {
                Some('"') => return Ok(()),
                Some('$') => self.variable(out)?,
                Some('\\') => match self.chars.next() {
                    Some(c @ ('"' | '$' | '\\')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => out.push('\\'),
                },
                Some(c) => out.push(c),
                None => return Err(self.bad("unexpected end of statement while looking for \"")),
            }
        }
    }

    /// After a dollar sign.
    fn variable(&mut self, out: &mut String) -> Result<(), ChangeError> {
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            match name.as_str() {
                "" => out.push('$'),
                name => out.push_str(self.value(name).unwrap_or_default()),
            }
            return Ok(());
        }
        let name = self.name();
        let mut rest = String::new();
        loop {
            match self.chars.next() {
                Some('}') => break,
                Some(c) => rest.push(c),
                None => return Err(self.bad("syntax error: missing '}'")),
            }
        }
        let value = self.value(&name);
        let filled = value.filter(|value| !value.is_empty());
        let choice =
            |is_set: bool, set: &str, unset: &str| if is_set { set } else { unset }.to_owned();
        let text = if name.is_empty() {
            return Err(self.bad("bad substitution"));
        } else if rest.is_empty() {
            value.unwrap_or_default().to_owned()
        } else if let Some(default) = rest.strip_prefix(":-") {
            choice(filled.is_some(), filled.unwrap_or_default(), default)
        } else if let Some(default) = rest.strip_prefix('-') {
            choice(value.is_some(), value.unwrap_or_default(), default)
        } else if let Some(other) = rest.strip_prefix(":+") {
            choice(filled.is_some(), other, "")
        } else if let Some(other) = rest.strip_prefix('+') {
            choice(value.is_some(), other, "")
        } else {
            return Err(self.bad("unsupported modifier in substitution"));
        };
        out.push_str(&text);
        Ok(())
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }

    fn value(&self, name: &str) -> Option<&str> {
        let pairs = self.env.iter().filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back()
    }

    fn bad(&self, reason: &'static str) -> ChangeError {
        ChangeError::Word { word: self.word.to_owned(), reason }
    }
}
