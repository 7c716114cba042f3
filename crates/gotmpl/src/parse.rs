//! Tokens to syntax trees: text, control structures and definitions.

mod literal;
mod pipeline;

use std::collections::BTreeMap;

use stdx::Kind as ErrorKind;

use crate::ast::{Body, Branch, Node, TemplateCall};
use crate::format::quote;
use crate::functions::Functions;
use crate::lex::{self, Keyword, Kind, Token};
use crate::limits::{PARSE_DEPTH_MAX, TEMPLATE_BYTES_MAX};

/// Why a text is no template; the text is Go's own.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("template: {name}:{line}: {reason}")]
pub struct ParseError {
    name: String,
    line: usize,
    reason: String,
}

impl ParseError {
    /// The sort of the failure: the request is wrong, always.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// The templates that a text defines, by name; the text outside of definitions is under `name`.
pub(crate) fn parse(
    name: &str,
    text: &str,
    functions: &Functions,
) -> Result<BTreeMap<String, Body>, ParseError> {
    let mut parser = Parser {
        name,
        functions,
        tokens: Vec::new(),
        next: 0,
        farthest: 0,
        action_line: None,
        variables: vec!["$".to_owned()],
        range_depth: 0,
        depth: 0,
        defined: BTreeMap::new(),
    };
    if text.len() > TEMPLATE_BYTES_MAX {
        return parser.fail(format!("template is larger than {TEMPLATE_BYTES_MAX} bytes"));
    }
    parser.tokens = lex::tokens(text);
    let body = parser.top_level()?;
    parser.define(name, body)?;
    Ok(parser.defined)
}

struct Parser<'t> {
    name: &'t str,
    functions: &'t Functions,
    tokens: Vec<Token<'t>>,
    /// Index of the next token.
    next: usize,
    /// Index of the last token looked at; errors are on its line.
    farthest: usize,
    /// Line on which the action began that is being read.
    action_line: Option<usize>,
    /// Variables in scope, with their `$`.
    variables: Vec<String>,
    range_depth: usize,
    depth: usize,
    defined: BTreeMap<String, Body>,
}

/// What ended a body.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Ending {
    End,
    Else,
}

impl Ending {
    fn describe(self) -> &'static str {
        match self {
            Ending::End => "{{end}}",
            Ending::Else => "{{else}}",
        }
    }
}

/// A piece of a body, or what ends it.
enum Piece {
    Node(Node),
    Ending(Ending),
}

impl<'t> Parser<'t> {
    fn top_level(&mut self) -> Result<Body, ParseError> {
        let mut body = Body::new();
        loop {
            let kind = self.peek().kind;
            match kind {
                Kind::Eof => return Ok(body),
                Kind::LeftDelim if self.is_definition() => self.definition()?,
                _ => match self.text_or_action()? {
                    Piece::Node(node) => body.push(node),
                    Piece::Ending(ending) => {
                        return self.fail(format!("unexpected {}", ending.describe()));
                    }
                },
            }
        }
    }

    /// Whether a definition starts here; then the next token is what follows its keyword.
    fn is_definition(&mut self) -> bool {
        let start = self.next;
        self.advance();
        if self.advance_non_space().kind == Kind::Keyword(Keyword::Define) {
            return true;
        }
        self.next = start;
        false
    }

    fn definition(&mut self) -> Result<(), ParseError> {
        const CONTEXT: &str = "define clause";
        let name = self.template_name(CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        self.separate_body(&name, CONTEXT)
    }

    /// A body with variables of its own, up to its end, which becomes the template `name`.
    fn separate_body(&mut self, name: &str, context: &str) -> Result<(), ParseError> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ending) = self.body()?;
        if ending != Ending::End {
            return self.fail(format!("unexpected {} in {context}", ending.describe()));
        }
        self.variables = variables;
        self.range_depth = range_depth;
        self.define(name, body)
    }

    fn define(&mut self, name: &str, body: Body) -> Result<(), ParseError> {
        let is_new = self.defined.get(name).is_none_or(is_blank);
        if is_new {
            self.defined.insert(name.to_owned(), body);
        } else if !is_blank(&body) {
            return self.fail(format!("template: multiple definition of template {}", quote(name)));
        }
        Ok(())
    }

    /// Nodes up to an `end` or `else`.
    fn body(&mut self) -> Result<(Body, Ending), ParseError> {
        self.descend()?;
        let mut body = Body::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Piece::Node(node) => body.push(node),
                Piece::Ending(ending) => {
                    self.depth -= 1;
                    return Ok((body, ending));
                }
            }
        }
        self.fail("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<Piece, ParseError> {
        let token = self.advance_non_space();
        match token.kind {
            Kind::Text => Ok(Piece::Node(Node::Text(token.text.into_owned()))),
            Kind::LeftDelim => {
                self.action_line = Some(token.line);
                let piece = self.action()?;
                self.action_line = None;
                Ok(piece)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Piece, ParseError> {
        let start = self.next;
        let Kind::Keyword(keyword) = self.advance_non_space().kind else {
            self.next = start;
            return self.plain_action();
        };
        let node = match keyword {
            Keyword::Block => self.block()?,
            Keyword::Break => self.loop_control("break", Node::Break)?,
            Keyword::Continue => self.loop_control("continue", Node::Continue)?,
            Keyword::If => Node::If(self.branch(Keyword::If)?),
            Keyword::With => Node::With(self.branch(Keyword::With)?),
            Keyword::Range => Node::Range(self.branch(Keyword::Range)?),
            Keyword::Template => self.template_call()?,
            Keyword::Else => return self.else_action(),
            Keyword::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Piece::Ending(Ending::End));
            }
            Keyword::Define => {
                self.next = start;
                return self.plain_action();
            }
        };
        Ok(Piece::Node(node))
    }

    fn plain_action(&mut self) -> Result<Piece, ParseError> {
        let pipe = self.pipeline("command", Kind::RightDelim)?;
        Ok(Piece::Node(Node::Action(pipe)))
    }

    /// `{{else}}`, or `{{else` before an `if` or `with`, which its branch reads on.
    fn else_action(&mut self) -> Result<Piece, ParseError> {
        let chained = [Kind::Keyword(Keyword::If), Kind::Keyword(Keyword::With)];
        if !chained.contains(&self.peek_non_space().kind) {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(Piece::Ending(Ending::Else))
    }

    fn branch(&mut self, keyword: Keyword) -> Result<Branch, ParseError> {
        self.descend()?;
        let context = match keyword {
            Keyword::If => "if",
            Keyword::With => "with",
            _ => "range",
        };
        let variables = self.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let loops = usize::from(keyword == Keyword::Range);
        self.range_depth += loops;
        let (body, ending) = self.body()?;
        self.range_depth -= loops;
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(keyword)?),
        };
        self.variables.truncate(variables);
        self.depth -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    /// What follows an `{{else`: another branch of the same sort, or a body.
    fn otherwise(&mut self, keyword: Keyword) -> Result<Body, ParseError> {
        if keyword != Keyword::Range && self.peek().kind == Kind::Keyword(keyword) {
            self.advance();
            let branch = self.branch(keyword)?;
            let node = if keyword == Keyword::If { Node::If(branch) } else { Node::With(branch) };
            return Ok(vec![node]);
        }
        let (body, ending) = self.body()?;
        if ending != Ending::End {
            return self.fail(format!("expected end; found {}", ending.describe()));
        }
        Ok(body)
    }

    fn loop_control(&mut self, word: &str, node: Node) -> Result<Node, ParseError> {
        let token = self.advance_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, &format!("{{{{{word}}}}}"));
        }
        if self.range_depth == 0 {
            return self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn block(&mut self) -> Result<Node, ParseError> {
        const CONTEXT: &str = "block clause";
        let pos = self.peek_non_space().pos;
        let name = self.template_name(CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        self.separate_body(&name, CONTEXT)?;
        Ok(Node::Template(TemplateCall { pos, name, pipe: Some(pipe) }))
    }

    fn template_call(&mut self) -> Result<Node, ParseError> {
        const CONTEXT: &str = "template clause";
        let pos = self.peek_non_space().pos;
        let name = self.template_name(CONTEXT)?;
        let pipe = if self.peek_non_space().kind == Kind::RightDelim {
            self.advance();
            None
        } else {
            Some(self.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        Ok(Node::Template(TemplateCall { pos, name, pipe }))
    }

    fn template_name(&mut self, context: &str) -> Result<String, ParseError> {
        let token = self.advance_non_space();
        match token.kind {
            Kind::String | Kind::RawString => self.unquoted(&token.text),
            _ => self.unexpected(&token, context),
        }
    }

    /// Counts one level of nesting. An error ends the parsing, so only success counts back.
    fn descend(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        // A control structure counts itself and its body.
        if self.depth > 2 * PARSE_DEPTH_MAX {
            return self.fail(format!("nested deeper than {PARSE_DEPTH_MAX} levels"));
        }
        Ok(())
    }

    fn peek(&mut self) -> &Token<'t> {
        // The last token is an end or an error, and stays the next one for ever.
        let index = self.next.min(self.tokens.len().saturating_sub(1));
        self.farthest = self.farthest.max(index);
        &self.tokens[index]
    }

    fn advance(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn peek_non_space(&mut self) -> &Token<'t> {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn advance_non_space(&mut self) -> Token<'t> {
        self.peek_non_space();
        self.advance()
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'t>, ParseError> {
        let token = self.advance_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Result<T, ParseError> {
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {} in {context}", token.describe()));
        }
        let mut reason = token.text.to_string();
        if let Some(line) = self.action_line.filter(|line| *line != token.line) {
            // "unclosed action started at", not "unclosed action in action started at".
            let link = if reason.ends_with(" action") { "" } else { " in action" };
            reason.push_str(&format!("{link} started at {}:{line}", self.name));
        }
        self.fail(reason)
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, ParseError> {
        let line = self.tokens.get(self.farthest).map_or(1, |token| token.line);
        Err(ParseError { name: self.name.to_owned(), line, reason: reason.into() })
    }
}

/// Whether a body shows nothing; such a template may be defined again.
pub(crate) fn is_blank(body: &Body) -> bool {
    body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}
