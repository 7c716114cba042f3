//! Tokens to syntax trees: pipelines, commands and operands.

use super::{ParseError, Parser};
use crate::ast::{Command, Operand, OperandKind, Pipe};
use crate::format::quote;
use crate::lex::{Kind, Token};

impl<'t> Parser<'t> {
    /// Declarations and commands up to and with a token of kind `end`.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, ParseError> {
        self.descend()?;
        let pos = self.peek_non_space().pos;
        let mut pipe =
            Pipe { pos, variables: Vec::new(), is_assignment: false, commands: Vec::new() };
        while self.declaration(&mut pipe, context)? {}
        loop {
            let token = self.peek_non_space().clone();
            if token.kind == end {
                self.advance();
                break;
            }
            if !starts_operand(token.kind) {
                return self.unexpected(&token, context);
            }
            let command = self.command()?;
            pipe.commands.push(command);
        }
        self.check(&pipe, context)?;
        self.depth -= 1;
        Ok(pipe)
    }

    /// A variable that the pipeline's value goes to, if one stands here. True if another must
    /// follow.
    fn declaration(&mut self, pipe: &mut Pipe, context: &str) -> Result<bool, ParseError> {
        if self.peek_non_space().kind != Kind::Variable {
            return Ok(false);
        }
        let start = self.next;
        let variable = self.advance();
        let sign = self.peek_non_space().clone();
        let is_comma = sign.kind == Kind::Char && sign.text == ",";
        if !is_comma && !matches!(sign.kind, Kind::Assign | Kind::Declare) {
            self.next = start;
            return Ok(false);
        }
        self.advance();
        pipe.variables.push(variable.text.to_string());
        self.variables.push(variable.text.into_owned());
        if !is_comma {
            pipe.is_assignment = sign.kind == Kind::Assign;
            return Ok(false);
        }
        if context != "range" || pipe.variables.len() > 1 {
            return self.fail(format!("too many declarations in {context}"));
        }
        match self.peek_non_space().kind {
            Kind::Variable => Ok(true),
            Kind::RightDelim | Kind::RightParen => Ok(false),
            _ => self.fail("range can only initialize variables"),
        }
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Result<(), ParseError> {
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if command.operands.first().is_some_and(|first| first.kind.is_constant()) {
                let stage = i + 1;
                return self.fail(format!("non executable command in pipeline stage {stage}"));
            }
        }
        Ok(())
    }

    /// Operands with blanks between them, up to a bar, which is read, or an end, which is not.
    fn command(&mut self) -> Result<Command, ParseError> {
        let pos = self.peek_non_space().pos;
        let mut operands = Vec::new();
        loop {
            self.peek_non_space();
            operands.extend(self.operand()?);
            let start = self.next;
            let token = self.advance();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.next = start,
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if operands.is_empty() {
            return self.fail("empty command");
        }
        Ok(Command { pos, operands })
    }

    /// A term with the fields that follow it, if a term starts here.
    fn operand(&mut self) -> Result<Option<Operand>, ParseError> {
        let Some(mut term) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        let pos = self.peek().pos;
        let mut names = Vec::new();
        while self.peek().kind == Kind::Field {
            let token = self.advance();
            names.push(field_name(&token));
        }
        match &mut term.kind {
            OperandKind::Field(fields) | OperandKind::Variable(_, fields) => {
                fields.extend(names);
                term.pos = pos;
            }
            kind if kind.is_constant() => {
                let text = quote(&term.to_string());
                return self.fail(format!("unexpected . after term {text}"));
            }
            _ => term = Operand { pos, kind: OperandKind::Chain(Box::new(term), names) },
        }
        Ok(Some(term))
    }

    fn term(&mut self) -> Result<Option<Operand>, ParseError> {
        let start = self.next;
        let token = self.advance_non_space();
        let kind = match token.kind {
            Kind::Identifier => {
                if !self.functions.contains(&token.text) {
                    return self.fail(format!("function {} not defined", quote(&token.text)));
                }
                OperandKind::Function(token.text.into_owned())
            }
            Kind::Dot => OperandKind::Dot,
            Kind::Nil => OperandKind::Nil,
            Kind::Variable => {
                if !self.variables.iter().any(|name| *name == token.text) {
                    return self.fail(format!("undefined variable {}", quote(&token.text)));
                }
                OperandKind::Variable(token.text.into_owned(), Vec::new())
            }
            Kind::Field => OperandKind::Field(vec![field_name(&token)]),
            Kind::Bool => OperandKind::Bool(token.text == "true"),
            Kind::CharConstant => self.char_constant(&token.text)?,
            Kind::Number => self.number(&token.text)?,
            Kind::LeftParen => {
                OperandKind::Pipe(self.pipeline("parenthesized pipeline", Kind::RightParen)?)
            }
            Kind::String | Kind::RawString => {
                let text = self.unquoted(&token.text)?;
                OperandKind::String { quoted: token.text.into_owned(), text }
            }
            _ => {
                self.next = start;
                return Ok(None);
            }
        };
        // A pipeline in parentheses begins after the parenthesis and its blanks.
        let pos = if let OperandKind::Pipe(pipe) = &kind { pipe.pos } else { token.pos };
        Ok(Some(Operand { pos, kind }))
    }
}

fn starts_operand(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Bool
            | Kind::CharConstant
            | Kind::Dot
            | Kind::Field
            | Kind::Identifier
            | Kind::LeftParen
            | Kind::Nil
            | Kind::Number
            | Kind::RawString
            | Kind::String
            | Kind::Variable
    )
}

/// The name in a field's token, of which the text starts with a dot.
fn field_name(token: &Token<'_>) -> String {
    token.text.trim_start_matches('.').to_owned()
}
