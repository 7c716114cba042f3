//! Template text to tokens.

mod action;

use std::borrow::Cow;

use crate::format::quote;

/// What a token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The text is broken here; the token's text says how. It is the last token.
    Error,
    Eof,
    /// Text outside actions.
    Text,
    LeftDelim,
    RightDelim,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// A run of blanks inside an action. It separates arguments.
    Space,
    /// A single character that has no meaning of its own, such as a comma.
    Char,
    Bool,
    CharConstant,
    Number,
    String,
    RawString,
    /// `.name`
    Field,
    Identifier,
    /// `$name`
    Variable,
    Dot,
    Nil,
    Keyword(Keyword),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

impl Keyword {
    fn named(word: &str) -> Option<Keyword> {
        Some(match word {
            "block" => Keyword::Block,
            "break" => Keyword::Break,
            "continue" => Keyword::Continue,
            "define" => Keyword::Define,
            "else" => Keyword::Else,
            "end" => Keyword::End,
            "if" => Keyword::If,
            "range" => Keyword::Range,
            "template" => Keyword::Template,
            "with" => Keyword::With,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Token<'t> {
    pub kind: Kind,
    /// Byte offset in the template.
    pub pos: usize,
    /// Line on which the token begins, from 1.
    pub line: usize,
    pub text: Cow<'t, str>,
}

impl Token<'_> {
    /// The token as errors show it.
    pub fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.to_string(),
            Kind::Keyword(_) | Kind::Dot | Kind::Nil => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let head: String = self.text.chars().take(10).collect();
                format!("{}...", quote(&head))
            }
            _ => quote(&self.text),
        }
    }
}

/// All tokens of a template. The last one is [`Kind::Eof`] or [`Kind::Error`].
pub(crate) fn tokens(input: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        input,
        pos: 0,
        start: 0,
        line: 1,
        start_line: 1,
        paren_depth: 0,
        tokens: Vec::new(),
    };
    while let Next::More = lexer.text() {}
    lexer.tokens
}

const LEFT_DELIM: &str = "{{";
const RIGHT_DELIM: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
/// A trim marker is a minus and a blank.
const TRIM_MARKER_LEN: usize = 2;

/// Whether there is anything left to read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    Done,
}

struct Lexer<'t> {
    input: &'t str,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Lexer<'t> {
    /// Text up to an action, and the action or comment itself.
    fn text(&mut self) -> Next {
        let Some(length) = self.rest().find(LEFT_DELIM) else {
            self.pos = self.input.len();
            if self.pos > self.start {
                self.emit(Kind::Text);
            }
            self.emit(Kind::Eof);
            return Next::Done;
        };
        let text = &self.rest()[..length];
        let after = &self.rest()[length + LEFT_DELIM.len()..];
        let trimmed =
            if has_left_trim_marker(after) { text.trim_end_matches(BLANKS) } else { text };
        self.pos += trimmed.len();
        if !trimmed.is_empty() {
            self.emit(Kind::Text);
        }
        self.pos += text.len() - trimmed.len();
        self.ignore();
        self.left_delim()
    }

    fn left_delim(&mut self) -> Next {
        self.pos += LEFT_DELIM.len();
        let marker = if has_left_trim_marker(self.rest()) { TRIM_MARKER_LEN } else { 0 };
        if self.rest()[marker..].starts_with(LEFT_COMMENT) {
            self.pos += marker;
            self.ignore();
            return self.comment();
        }
        self.emit(Kind::LeftDelim);
        self.pos += marker;
        self.ignore();
        self.paren_depth = 0;
        self.action()
    }

    fn comment(&mut self) -> Next {
        let Some(length) = self.rest()[LEFT_COMMENT.len()..].find(RIGHT_COMMENT) else {
            return self.fail("unclosed comment");
        };
        self.pos += LEFT_COMMENT.len() + length + RIGHT_COMMENT.len();
        if self.right_delim_marker().is_none() {
            return self.fail("comment ends before closing delimiter");
        }
        self.ignore();
        self.skip_right_delim();
        Next::More
    }

    /// The length of a trim marker before a closing delimiter that stands here.
    fn right_delim_marker(&self) -> Option<usize> {
        let rest = self.rest();
        let marked = rest.starts_with(BLANKS)
            && rest[1..].starts_with('-')
            && rest[TRIM_MARKER_LEN..].starts_with(RIGHT_DELIM);
        if marked { Some(TRIM_MARKER_LEN) } else { rest.starts_with(RIGHT_DELIM).then_some(0) }
    }

    /// The closing delimiter that stands here, as a token.
    fn right_delim(&mut self) -> Next {
        let marker = self.right_delim_marker().unwrap_or(0);
        self.pos += marker;
        self.ignore();
        self.pos += RIGHT_DELIM.len();
        self.emit(Kind::RightDelim);
        self.skip_trimmed(marker);
        Next::More
    }

    fn skip_right_delim(&mut self) {
        let marker = self.right_delim_marker().unwrap_or(0);
        self.pos += marker + RIGHT_DELIM.len();
        self.ignore();
        self.skip_trimmed(marker);
    }

    fn skip_trimmed(&mut self, marker: usize) {
        if marker > 0 {
            let rest = self.rest();
            self.pos += rest.len() - rest.trim_start_matches(BLANKS).len();
            self.ignore();
        }
    }

    fn rest(&self) -> &'t str {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.pos += next.len_utf8();
        Some(next)
    }

    fn emit(&mut self, kind: Kind) {
        let text = &self.input[self.start..self.pos];
        self.tokens.push(Token {
            kind,
            pos: self.start,
            line: self.start_line,
            text: Cow::Borrowed(text),
        });
        self.ignore();
    }

    /// Drops what was read since the last token.
    fn ignore(&mut self) {
        self.line += self.input[self.start..self.pos].matches('\n').count();
        self.start = self.pos;
        self.start_line = self.line;
    }

    fn fail(&mut self, text: impl Into<String>) -> Next {
        self.tokens.push(Token {
            kind: Kind::Error,
            pos: self.start,
            line: self.start_line,
            text: Cow::Owned(text.into()),
        });
        Next::Done
    }
}

fn has_left_trim_marker(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(BLANKS))
}
