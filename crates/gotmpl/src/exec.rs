//! Walking a syntax tree: text, branches, loops and template calls.

mod evaluate;

use std::fmt;

use stdx::Kind;

use crate::ast::{Body, Branch, Command, Node, Operand, Pipe, TemplateCall};
use crate::format::{self, quote};
use crate::limits::{EXEC_DEPTH_MAX, OUTPUT_BYTES_MAX, STEPS_MAX};
use crate::template::{Source, Template};
use crate::value::{NilKind, Value};

/// Why an execution stopped; the texts are Go's own where Go has the error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExecError {
    /// An expression cannot be evaluated.
    #[error("template: {location}: executing {template} at <{expression}>: {reason}")]
    Evaluate {
        /// Name of the text, line from 1 and column from 0.
        location: String,
        /// Name of the running template, quoted.
        template: String,
        /// The expression, as the tree spells it.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no template to begin with.
    #[error("template: {name}: {name:?} is an incomplete or empty template")]
    Incomplete {
        /// The name asked for.
        name: String,
    },
    /// The output is longer than [`OUTPUT_BYTES_MAX`].
    #[error("template: {name}: output is larger than {OUTPUT_BYTES_MAX} bytes")]
    OutputTooLong {
        /// Name of the running template.
        name: String,
    },
    /// The execution took more than [`STEPS_MAX`] steps.
    #[error("template: {name}: execution takes more than {STEPS_MAX} steps")]
    TooManySteps {
        /// Name of the running template.
        name: String,
    },
}

impl ExecError {
    /// The sort of the failure.
    pub fn kind(&self) -> Kind {
        match self {
            ExecError::Evaluate { .. } | ExecError::Incomplete { .. } => Kind::Invalid,
            ExecError::OutputTooLong { .. } | ExecError::TooManySteps { .. } => Kind::Exhausted,
        }
    }
}

pub(crate) fn execute(template: &Template, name: &str, dot: &Value) -> Result<String, ExecError> {
    let Some(definition) = template.definition(name) else {
        return Err(ExecError::Incomplete { name: template.name().to_owned() });
    };
    let dot = Dot::typed(dot.clone());
    let mut run = Run {
        template,
        name,
        source: &definition.source,
        variables: vec![Variable { name: "$", held: dot.clone() }],
        place: None,
        output: String::new(),
        steps: 0,
        depth: 0,
    };
    run.body(&dot, &definition.body)?;
    Ok(run.output)
}

/// The value that `.` or a variable means.
#[derive(Clone)]
struct Dot {
    value: Value,
    /// Whether Go would hold it as an `interface {}`, which its errors say.
    is_untyped: bool,
}

impl Dot {
    fn typed(value: Value) -> Dot {
        Dot { value, is_untyped: false }
    }
}

struct Variable<'t> {
    name: &'t str,
    held: Dot,
}

/// How a body was left.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What is being evaluated, for errors.
#[derive(Clone, Copy)]
enum Place<'t> {
    Pipe(&'t Pipe),
    Command(&'t Command),
    Operand(&'t Operand),
    Template(&'t TemplateCall),
}

impl Place<'_> {
    fn pos(&self) -> usize {
        match self {
            Place::Pipe(pipe) => pipe.pos,
            Place::Command(command) => command.pos,
            Place::Operand(operand) => operand.pos,
            Place::Template(call) => call.pos,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Pipe(pipe) => pipe.fmt(f),
            Place::Command(command) => command.fmt(f),
            Place::Operand(operand) => operand.fmt(f),
            Place::Template(call) => call.fmt(f),
        }
    }
}

/// One execution.
struct Run<'t> {
    template: &'t Template,
    /// Name of the running template.
    name: &'t str,
    source: &'t Source,
    variables: Vec<Variable<'t>>,
    place: Option<Place<'t>>,
    output: String,
    steps: u64,
    depth: usize,
}

impl<'t> Run<'t> {
    fn body(&mut self, dot: &Dot, body: &'t Body) -> Result<Flow, ExecError> {
        self.descend()?;
        for node in body {
            self.spend(1)?;
            let flow = self.node(dot, node)?;
            if flow != Flow::Next {
                self.depth -= 1;
                return Ok(flow);
            }
        }
        self.depth -= 1;
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Dot, node: &'t Node) -> Result<Flow, ExecError> {
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Action(pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If(branch) => return self.if_or_with(dot, branch, false),
            Node::With(branch) => return self.if_or_with(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template(call) => self.call_template(dot, call)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn if_or_with(
        &mut self,
        dot: &Dot,
        branch: &'t Branch,
        sets_dot: bool,
    ) -> Result<Flow, ExecError> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if !value.truth() {
            match &branch.otherwise {
                Some(body) => self.body(dot, body)?,
                None => Flow::Next,
            }
        } else if sets_dot {
            self.body(&Dot::typed(value), &branch.body)?
        } else {
            self.body(dot, &branch.body)?
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Dot, branch: &'t Branch) -> Result<Flow, ExecError> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let ran = match &value {
            Value::Null | Value::Nil(_) => false,
            Value::List(items) => {
                let items = items.iter().zip(0_i64..);
                let turns = items.map(|(item, i)| (Value::Int(i), item.clone()));
                self.turns(branch, turns, true)?
            }
            Value::Map(map) => {
                let turns = map.iter().map(|(key, value)| (Value::from(key), value.clone()));
                self.turns(branch, turns, map.is_untyped())?
            }
            Value::Int(count) => self.count(branch, *count, Value::Int)?,
            Value::Uint(count) => {
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                self.count(branch, count, |n| Value::Uint(n.unsigned_abs()))?
            }
            other => {
                let text = format::sprint(std::slice::from_ref(other));
                return self.fail(format!("range can't iterate over {text}"));
            }
        };
        let flow = match &branch.otherwise {
            Some(body) if !ran => self.body(dot, body)?,
            _ => Flow::Next,
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    /// A loop over the numbers below `count`.
    fn count(
        &mut self,
        branch: &'t Branch,
        count: i64,
        number: impl Fn(i64) -> Value,
    ) -> Result<bool, ExecError> {
        if branch.pipe.variables.len() > 1 {
            let reason = format!("can't use {count} to iterate over more than one variable");
            return self.fail(reason);
        }
        let turns = (0..count).map(|n| (Value::Nil(NilKind::Missing), number(n)));
        self.turns(branch, turns, false)
    }

    /// Runs the body for each key and value; false if there was none.
    fn turns(
        &mut self,
        branch: &'t Branch,
        turns: impl Iterator<Item = (Value, Value)>,
        is_untyped: bool,
    ) -> Result<bool, ExecError> {
        let variables = &branch.pipe.variables;
        let mark = self.variables.len();
        let mut ran = false;
        for (key, value) in turns {
            ran = true;
            self.spend(1)?;
            let item = Dot { value, is_untyped };
            // With two variables the key comes first; a single one is the value.
            let values = [item.clone(), Dot::typed(key)];
            for (variable, value) in variables.iter().rev().zip(values) {
                // The pipeline has declared them before the first turn, or found them declared.
                self.assign(variable, value)?;
            }
            let flow = self.body(&item, &branch.body)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn call_template(&mut self, dot: &Dot, call: &'t TemplateCall) -> Result<(), ExecError> {
        self.place = Some(Place::Template(call));
        let Some(definition) = self.template.definition(&call.name) else {
            return self.fail(format!("template {} not defined", quote(&call.name)));
        };
        if self.depth >= EXEC_DEPTH_MAX {
            let reason = format!("exceeded maximum template depth ({EXEC_DEPTH_MAX})");
            return self.fail(reason);
        }
        let value = match &call.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Nil(NilKind::Missing),
        };
        let dot = Dot::typed(value);
        // A called template sees no variables but its own `$`.
        let own = vec![Variable { name: "$", held: dot.clone() }];
        let variables = std::mem::replace(&mut self.variables, own);
        let name = std::mem::replace(&mut self.name, &call.name);
        let source = std::mem::replace(&mut self.source, &definition.source);
        self.body(&dot, &definition.body)?;
        self.variables = variables;
        self.name = name;
        self.source = source;
        Ok(())
    }

    /// Sets a variable that is declared.
    fn assign(&mut self, name: &str, value: Dot) -> Result<(), ExecError> {
        match self.variables.iter_mut().rev().find(|variable| variable.name == name) {
            Some(variable) => variable.held = value,
            None => return self.fail(format!("undefined variable: {name}")),
        }
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Result<(), ExecError> {
        match value {
            Value::String(text) => self.write(text),
            Value::Null | Value::Nil(NilKind::Missing) => self.write("<no value>"),
            other => {
                let text = format::sprint(std::slice::from_ref(other));
                self.write(&text)
            }
        }
    }

    fn write(&mut self, text: &str) -> Result<(), ExecError> {
        if self.output.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(ExecError::OutputTooLong { name: self.name.to_owned() });
        }
        self.spend(text.len() as u64 / BYTES_PER_STEP)?;
        self.output.push_str(text);
        Ok(())
    }

    /// Counts steps, and stops an execution that takes too many.
    fn spend(&mut self, steps: u64) -> Result<(), ExecError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX {
            return Err(ExecError::TooManySteps { name: self.name.to_owned() });
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), ExecError> {
        self.depth += 1;
        if self.depth > EXEC_DEPTH_MAX {
            let reason = format!("exceeded maximum template depth ({EXEC_DEPTH_MAX})");
            return self.fail(reason);
        }
        Ok(())
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, ExecError> {
        let pos = self.place.map_or(0, |place| place.pos());
        Err(ExecError::Evaluate {
            location: self.source.locate(pos),
            template: quote(self.name),
            expression: self.place.map(|place| place.to_string()).unwrap_or_default(),
            reason: reason.into(),
        })
    }
}

/// How much text costs as much as walking a node.
const BYTES_PER_STEP: u64 = 64;
