//! Rust text without its comments and literals, so that words and braces can be counted.

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

/// One Rust file.
pub struct Source {
    /// The text with a blank for each letter of a comment or a literal; lines stay what they are.
    code: String,
    /// Lines, counted from 1, that exist for tests only.
    tests: Vec<RangeInclusive<usize>>,
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// Line of the word `fn`, from 1.
    pub line: usize,
    /// From that line to the closing brace, both included.
    pub lines: usize,
}

impl Source {
    pub fn new(text: &str) -> Self {
        let code = without_comments_and_literals(text);
        let tests = test_blocks(&code);
        Self { code, tests }
    }

    /// The whole file is a test.
    pub fn mark_as_test(&mut self) {
        self.tests = vec![1..=usize::MAX];
    }

    /// Whether the line is there for tests only.
    pub fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&line))
    }

    /// Code lines with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines where a word stands that is not part of a longer one.
    pub fn lines_with_word(&self, word: &str) -> Vec<usize> {
        let has = |line: &str| words(line).any(|(_, found)| found == word);
        self.lines().filter(|(_, line)| has(line)).map(|(number, _)| number).collect()
    }

    /// Every function that has a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let mut found = Vec::new();
        let mut words = words(&self.code).peekable();
        while let Some((at, word)) = words.next() {
            if word != "fn" {
                continue;
            }
            // In the type of a function pointer a bracket follows, not a name.
            let Some((name_at, name)) = words.peek() else { break };
            if !self.code[at + 2..*name_at].trim().is_empty() {
                continue;
            }
            if let Some(end) = end_of_item(&self.code, at) {
                let line = line_of(&self.code, at);
                let lines = line_of(&self.code, end) - line + 1;
                found.push(Function { name: (*name).to_owned(), line, lines });
            }
        }
        found
    }

    /// Modules in files of their own that are declared for tests only.
    pub fn test_modules(&self) -> Vec<String> {
        after_test_attributes(&self.code)
            .filter_map(|at| {
                let (declaration, _) = self.code[at..].split_once(';')?;
                let (_, name) = declaration.split_once("mod ")?;
                name.chars().all(is_word_letter).then(|| name.to_owned())
            })
            .collect()
    }
}

fn is_word_letter(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

/// Words of a text with the byte where each begins.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(is_word_letter)?;
        let length = text[start..].find(|c| !is_word_letter(c)).unwrap_or(text.len() - start);
        rest = start + length;
        Some((start, &text[start..rest]))
    })
}

/// The line, from 1, of a byte.
fn line_of(code: &str, at: usize) -> usize {
    1 + code[..at].matches('\n').count()
}

const TEST_ATTRIBUTE: &str = "#[cfg(test)]";

/// Where what each test attribute belongs to begins.
fn after_test_attributes(code: &str) -> impl Iterator<Item = usize> {
    code.match_indices(TEST_ATTRIBUTE).map(|(at, _)| at + TEST_ATTRIBUTE.len())
}

fn test_blocks(code: &str) -> Vec<RangeInclusive<usize>> {
    let blocks = after_test_attributes(code).filter_map(|at| Some((at, end_of_item(code, at)?)));
    blocks.map(|(start, end)| line_of(code, start)..=line_of(code, end)).collect()
}

/// The closing brace of the item that begins at `at`; `None` if it ends with a semicolon.
fn end_of_item(code: &str, at: usize) -> Option<usize> {
    let mut brackets = 0_usize;
    let mut braces = 0_usize;
    for (index, letter) in code[at..].char_indices() {
        match letter {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(at + index),
            '}' => braces = braces.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let length = comment(rest).or_else(|| literal(rest, before)).unwrap_or(0);
        if length == 0 {
            code.push(letter);
            before = letter;
            rest = &rest[letter.len_utf8()..];
        } else {
            let (gone, left) = rest.split_at(length);
            code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            before = ' ';
            rest = left;
        }
    }
    code
}

/// How many bytes of comment a text begins with; `None` if it begins with something else.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if depth == 0 {
            return None;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// How many bytes of string or character literal a text begins with, after the letter `before`.
fn literal(text: &str, before: char) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('"') {
        return Some(1 + closing(rest, '"'));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let mut letters = rest.chars();
        let is_letter = match letters.next()? {
            '\\' => true,
            _ => letters.next() == Some('\''), // else it is a lifetime
        };
        return is_letter.then(|| 1 + closing(rest, '\''));
    }
    let rest = text.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let begins_word = !is_word_letter(before) || before == 'b' || before == 'c';
    if !begins_word || !rest[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 1 + hashes + 1;
    Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()))
}

/// The byte behind the closing quote.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
