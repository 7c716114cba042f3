//! Tokens inside actions.

use super::{BLANKS, Keyword, Kind, Lexer, Next, RIGHT_DELIM};
use crate::format::quote;

impl Lexer<'_> {
    /// Everything up to and with the closing delimiter.
    pub(super) fn action(&mut self) -> Next {
        loop {
            if self.right_delim_marker().is_some() {
                if self.paren_depth > 0 {
                    return self.fail("unclosed left paren");
                }
                return self.right_delim();
            }
            if self.token_in_action() == Next::Done {
                return Next::Done;
            }
        }
    }

    fn token_in_action(&mut self) -> Next {
        let Some(c) = self.advance() else {
            return self.fail("unclosed action");
        };
        match c {
            _ if BLANKS.contains(&c) => self.space(),
            '=' => self.put(Kind::Assign),
            ':' if self.peek() == Some('=') => {
                self.pos += 1;
                self.put(Kind::Declare)
            }
            ':' => self.fail("expected :="),
            '|' => self.put(Kind::Pipe),
            '"' => self.quoted(),
            '`' => self.raw_quoted(),
            '$' => self.name(Kind::Variable),
            '\'' => self.char_constant(),
            '.' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => self.name(Kind::Field),
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()
            }
            '(' => {
                self.paren_depth += 1;
                self.put(Kind::LeftParen)
            }
            ')' if self.paren_depth == 0 => self.fail("unexpected right paren"),
            ')' => {
                self.paren_depth -= 1;
                self.put(Kind::RightParen)
            }
            _ if is_name_char(c) => self.identifier(),
            ' '..='~' => self.put(Kind::Char),
            _ => {
                let text = format!("unrecognized character in action: {}", unicode(c));
                self.fail(text)
            }
        }
    }

    fn put(&mut self, kind: Kind) -> Next {
        self.emit(kind);
        Next::More
    }

    /// A run of blanks up to one that belongs to a trim marker.
    fn space(&mut self) -> Next {
        while self.right_delim_marker().is_none() && self.peek().is_some_and(is_blank) {
            self.pos += 1;
        }
        self.put(Kind::Space)
    }

    fn identifier(&mut self) -> Next {
        self.skip_name();
        if !self.at_terminator() {
            return self.bad_character();
        }
        match &self.input[self.start..self.pos] {
            "true" | "false" => self.put(Kind::Bool),
            "nil" => self.put(Kind::Nil),
            word => {
                let kind = Keyword::named(word).map_or(Kind::Identifier, Kind::Keyword);
                self.put(kind)
            }
        }
    }

    /// A field or a variable of which the first character is read already.
    fn name(&mut self, kind: Kind) -> Next {
        if self.at_terminator() {
            return self.put(if kind == Kind::Field { Kind::Dot } else { kind });
        }
        self.skip_name();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.put(kind)
    }

    fn skip_name(&mut self) {
        while self.peek().is_some_and(is_name_char) {
            self.advance();
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_blank(c) || self.rest().starts_with(RIGHT_DELIM),
        }
    }

    fn bad_character(&mut self) -> Next {
        let text = match self.peek() {
            Some(c) => format!("bad character {}", unicode(c)),
            None => "unclosed action".to_owned(),
        };
        self.fail(text)
    }

    fn char_constant(&mut self) -> Next {
        if self.skip_to_quote('\'') {
            return self.put(Kind::CharConstant);
        }
        self.fail("unterminated character constant")
    }

    fn quoted(&mut self) -> Next {
        if self.skip_to_quote('"') {
            return self.put(Kind::String);
        }
        self.fail("unterminated quoted string")
    }

    /// Skips a text up to and with its closing quote; false if its line ends first.
    fn skip_to_quote(&mut self, quote: char) -> bool {
        loop {
            match self.advance() {
                None | Some('\n') => return false,
                Some('\\') if matches!(self.advance(), None | Some('\n')) => return false,
                Some(c) if c == quote => return true,
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> Next {
        match self.rest().find('`') {
            Some(length) => {
                self.pos += length + 1;
                self.put(Kind::RawString)
            }
            None => self.fail("unterminated raw quoted string"),
        }
    }

    fn number(&mut self) -> Next {
        let mut is_good = self.scan_number();
        if is_good && matches!(self.peek(), Some('+' | '-')) {
            // A complex number, or none at all.
            is_good = self.scan_number() && self.input[..self.pos].ends_with('i');
        }
        if !is_good {
            let text = format!("bad number syntax: {}", quote(&self.input[self.start..self.pos]));
            return self.fail(text);
        }
        self.put(Kind::Number)
    }

    /// Skips what looks like a number; false if a name runs on after it.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        let mut exponent = "eE";
        if self.accept("0") {
            if self.accept("xX") {
                (digits, exponent) = ("0123456789abcdefABCDEF_", "pP");
            } else if self.accept("oO") {
                (digits, exponent) = ("01234567_", "");
            } else if self.accept("bB") {
                (digits, exponent) = ("01_", "");
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_name_char) {
            self.advance();
            return false;
        }
        true
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.advance();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }
}

fn is_blank(c: char) -> bool {
    BLANKS.contains(&c)
}

fn is_name_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Go's `%#U`.
fn unicode(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}
